"""Runs jobs one after the other in this process."""

import time
from collections.abc import Iterator, Mapping, Sequence

from bench.common.stopping import Stop
from bench.executors.memory import cache_memory
from bench.executors.perform import perform
from bench.executors.queue import LATER, Queue
from bench.executors.task import Task, Work
from bench.jobs.record import Record
from bench.pairs.preparing.dense import Dense
from bench.problem.cache import Cache


class Here:
    """The executor that uses this process, with all its threads."""

    def prepare(self) -> None:
        """Does nothing: the process runs already."""

    def run(
        self, tasks: Sequence[Task], work: Work, pairs: Mapping[str, Dense], stop: Stop
    ) -> Iterator[Record]:
        """Run the jobs one after the other, see `Executor.run`."""
        queue = Queue(tasks, ["here"], {"here": 0})
        cache = Cache(cache_memory(1))
        while queue and not stop.asked:
            task = queue.take(0)
            if task is None:
                time.sleep(LATER)
                continue
            record = perform(task.cell, work, pairs[task.cell.job.pair], cache)
            if record is None:
                queue.put_off(task)
            else:
                queue.done(task)
                yield record
