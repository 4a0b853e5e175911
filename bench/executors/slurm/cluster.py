"""The executor for a Slurm cluster whose nodes share a file system, through submitit."""

import math
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import submitit

from bench.common.errors import UserError
from bench.common.stopping import Stop
from bench.executors.claims import claim
from bench.executors.perform import lost, unwritable
from bench.executors.queue import in_order, sharing
from bench.executors.slurm.array import Share
from bench.executors.task import Task, Work
from bench.jobs.record import Record
from bench.jobs.store import DamagedRecord, RecordStore
from bench.pairs.preparing.dense import Dense

TICK = {"slurm": 5.0, "local": 0.2}
"""Seconds between two looks at the folder of records, by the kind of cluster."""

SHARES = 8
"""The number of array tasks for each one that runs at a time. Several are used so that the last
tasks are short and end at about the same time."""

ARRAY = 1000
"""The most tasks that an array may have; Slurm's own default limit is 1,001."""

MINUTES = 240
"""The time limit of an array task in minutes, unless the options say otherwise."""

PATIENCE = 10.0
"""Seconds to wait for the claim of a task that has ended."""


class Slurm:
    """The executor that submits one job array.

    Each of its tasks runs and records a share of the jobs. At most `jobs` tasks run at a time.
    `cluster` is `slurm`, or `local` for processes of this machine instead. `options` are sbatch's,
    as KEY=VALUE. submitit queues a task again that reaches its time limit.
    """

    def __init__(
        self,
        folder: Path,
        cluster: str,
        jobs: int,
        device: str,
        threads: int,
        plugins: Sequence[Path] = (),
        timeout: float | None = None,
        options: Sequence[str] = (),
    ) -> None:
        self._folder, self._cluster, self._jobs = folder.resolve(), cluster, jobs
        self._device, self._threads, self._timeout = device, threads, timeout
        self._plugins = [path.resolve() for path in plugins]
        self._options = parsed(options)

    def prepare(self) -> None:
        """Find Slurm and check the options; raises `UserError` if either fails."""
        self._executor()

    def free(self) -> float:
        """Return infinity: each array task looks at the memory of its own node."""
        return math.inf

    def run(
        self, tasks: Sequence[Task], work: Work, pairs: Mapping[str, Dense], stop: Stop
    ) -> Iterator[Record]:
        """Submit the jobs and wait for their records, see `Executor.run`."""
        left = {task.cell.job.key: task for task in tasks}
        before = {key: _stamp(work.store, key) for key in left}
        stop_file = self._folder / f"{uuid.uuid4().hex}.stop"
        running = self._submit(tasks, work, pairs, stop_file)
        try:
            while running:
                if stop.asked:
                    stop_file.touch()
                over = [job for job in running if job.done()]
                yield from _recorded(left, before, work.store)
                for job in over:
                    missing = [left.pop(key) for key in running.pop(job) if key in left]
                    if not stop.asked:
                        yield from self._lost(job, missing, work, pairs)
                time.sleep(TICK[self._cluster])
        except BaseException:
            stop_file.touch()  # for tasks that scancel doesn't reach
            for job in running:
                job.cancel()
            raise
        stop_file.unlink(missing_ok=True)

    def _submit(
        self, tasks: Sequence[Task], work: Work, pairs: Mapping[str, Dense], stop_file: Path
    ) -> dict[Any, list[str]]:
        """Submit the array; return each of its tasks with the keys of its jobs.

        Jobs that share gradients or an estimate are in the same task.
        """
        count = self._jobs if self._cluster == "local" else min(ARRAY, self._jobs * SHARES)
        size = math.ceil(len(tasks) / count)
        ordered = sorted(in_order(tasks), key=lambda task: str(sharing(task.cell.job)))
        cells = [task.cell for task in ordered]
        there = Work(work.study, work.results.resolve(), work.memory)
        hashes = {name: (one.pair_sha256, one.checkpoint_sha256) for name, one in pairs.items()}
        setting = (there, self._device, self._threads, self._plugins, self._timeout, hashes)
        parts = [cells[first : first + size] for first in range(0, len(cells), size)]
        executor = self._executor()
        with executor.batch():
            jobs = [executor.submit(Share(part, *setting, stop_file)) for part in parts]
        return {job: [cell.job.key for cell in part] for job, part in zip(jobs, parts, strict=True)}

    def _executor(self) -> Any:
        try:
            executor = submitit.AutoExecutor(self._folder / "%j", cluster=self._cluster)
            executor.update_parameters(
                name="pruning-bench",
                cpus_per_task=self._threads,
                gpus_per_node=int(self._device == "cuda"),
                timeout_min=int(self._options.get("time", MINUTES)),
                slurm_array_parallelism=self._jobs,
                slurm_setup=[f"export OMP_NUM_THREADS={self._threads}"],
                local_setup=[f"export OMP_NUM_THREADS={self._threads}"],
                slurm_additional_parameters={
                    name: value for name, value in self._options.items() if name != "time"
                },
            )
        except (RuntimeError, ValueError, NameError, OSError) as error:
            raise UserError(f"Slurm can't be used from this machine: {error}") from error
        return executor

    def _lost(
        self, job: Any, missing: Sequence[Task], work: Work, pairs: Mapping[str, Dense]
    ) -> Iterator[Record]:
        """Write and yield records of the jobs that their array task ended without."""
        refused = job.result() if missing and job.exception() is None else None
        ended = f"its task {job.job_id} of the array ended before it: see {job.paths.stderr}"
        for task in missing:
            cell, store = task.cell, work.store
            record = lost(cell, work, pairs[cell.job.pair], refused or ended, self._threads)
            try:
                with claim(store.folder, record.key, PATIENCE):
                    store.write(record)
            except OSError as error:
                raise unwritable(cell, store, error) from error
            yield record


def parsed(options: Sequence[str]) -> dict[str, str]:
    """Return sbatch's options from KEY=VALUE; raises `UserError`."""
    found = {}
    for option in options:
        key, equals, value = option.removeprefix("--").partition("=")
        if not key or not equals:
            raise UserError(f"--slurm takes KEY=VALUE as sbatch does, not {option!r}.")
        found[key] = value
    if not found.get("time", "1").isdigit():
        raise UserError(f"--slurm time= takes minutes, not {found['time']!r}.")
    return found


def _stamp(store: RecordStore, key: str) -> tuple[int, int] | None:
    """Return a value that changes whenever the record is written; None if there is no record."""
    try:
        found = store.path(key).stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _recorded(
    left: dict[str, Task], before: Mapping[str, object], store: RecordStore
) -> Iterator[Record]:
    """Yield the complete records written since `before`, and take their jobs out of `left`."""
    for key in [key for key in left if _stamp(store, key) != before[key]]:
        try:
            record = store.read(key)
        except DamagedRecord:  # not all of it is visible here yet
            continue
        if record is not None:
            del left[key]
            yield record
