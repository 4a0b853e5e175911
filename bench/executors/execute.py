"""A study's jobs: which of them still have to run, handed to the executor that runs them."""

import logging
from collections.abc import Callable, Sequence

import torch

from bench.common.errors import UserError, unknown
from bench.common.stopping import Stop
from bench.executors.here import Here
from bench.executors.perform import finished
from bench.executors.task import Executor, Task, Work, need
from bench.jobs.record import Record
from bench.jobs.store import RecordStore
from bench.pairs import PAIRS
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.dense_training import Progress
from bench.pairs.preparing.prepare import prepare
from bench.problem.passes import MEMORY
from bench.run.one_job import refusal
from bench.study.study import Entry

log = logging.getLogger(__name__)


class Stopped(Exception):
    """The run was asked to stop and has jobs left; `signal` is what asked."""

    def __init__(self, signal: int) -> None:
        super().__init__(signal)
        self.signal = signal


def prepare_pairs(
    names: Sequence[str], device: torch.device, progress: Progress
) -> dict[str, Dense]:
    """Every pair made ready before any job starts; raises `UserError` where one can't be."""
    ready, refused = prepare_possible(names, device, progress)
    for error in refused.values():
        raise error
    return ready


def prepare_possible(
    names: Sequence[str], device: torch.device, progress: Progress
) -> tuple[dict[str, Dense], dict[str, UserError]]:
    """The pairs that can be made ready before any job starts, and why the others can't.

    So a missing dataset is said at once, and a bad pair doesn't stop the others of its study.
    """
    ready, refused = {}, {}
    for name in dict.fromkeys(names):
        if name not in PAIRS:
            raise unknown("pair", name, PAIRS)
        try:
            ready[name] = prepare(PAIRS[name], device, progress)
        except UserError as error:
            refused[name] = error
    return ready, refused


def refuse(
    study: str,
    entries: Sequence[Entry],
    refused: dict[str, UserError],
    device: torch.device,
    store: RecordStore,
) -> list[Record]:
    """Failed records of the jobs whose pair couldn't be made ready; they replace no better ones.

    So the jobs stay visible in the tables with their reason; they run once the pair is mended.
    """
    records = []
    for entry in entries:
        if entry.job.pair in refused:
            reason = str(refused[entry.job.pair])
            record = refusal(entry.job, study, entry.label, reason, device)
            known = store.recover(entry.job.key)
            if known is None or known.status == "failed":
                store.write(record)
            records.append(record)
    return records


def execute(
    study: str,
    entries: Sequence[Entry],
    pairs: dict[str, Dense],
    store: RecordStore,
    advance: Callable[[Record, bool], None],
    memory: int = MEMORY,
    executor: Executor | None = None,
    stop: Stop | None = None,
) -> list[Record]:
    """The record of every entry, in order; what is finished isn't run again.

    Each record is on disk before `advance(record, was_finished)` is called, so that a killed run
    loses at most the jobs it was in. `memory` bounds one chunk of calibration examples, in bytes.
    Raises `Stopped` where `stop` was asked for and jobs are left.
    """
    stop = stop or Stop()
    records: dict[str, Record] = {}
    tasks = []
    for entry in entries:
        dense = pairs[entry.job.pair]
        record = finished(store, entry, dense)
        if record is None:
            tasks.append(Task(entry, need(entry, dense, memory)))
        else:
            records[record.key] = record
            advance(record, True)
    work = Work(study, store.results, memory)
    for record in (executor or Here()).run(tasks, work, pairs, stop) if tasks else ():
        records[record.key] = record
        advance(record, False)
    if stop.signal is not None and len(records) < len(entries):
        raise Stopped(stop.signal)
    return [records[entry.job.key] for entry in entries]
