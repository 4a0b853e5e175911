"""Decides which jobs of a study still have to run, and gives them to the executor."""

import logging
from collections.abc import Callable, Sequence

import torch

from bench.common.errors import UserError, unknown
from bench.common.stopping import Stop
from bench.executors.bounds.need import need
from bench.executors.bounds.refusing import free_for, refuse_too_large
from bench.executors.here import Here
from bench.executors.perform import finished
from bench.executors.task import Executor, Task, Work
from bench.jobs.cell import Cell
from bench.jobs.record import Record
from bench.jobs.store import RecordStore
from bench.pairs import PAIRS
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.dense_training import Progress
from bench.pairs.preparing.prepare import prepare
from bench.problem.passes import MEMORY
from bench.run.one_job import refusal

log = logging.getLogger(__name__)


class Stopped(Exception):
    """Raised when the run was asked to stop with jobs left; `signal` is the signal that asked."""

    def __init__(self, signal: int) -> None:
        super().__init__(signal)
        self.signal = signal


def prepare_pairs(
    names: Sequence[str], device: torch.device, progress: Progress
) -> dict[str, Dense]:
    """Return every pair, prepared before any job starts; raises `UserError` if one can't be."""
    ready, refused = prepare_possible(names, device, progress)
    for error in refused.values():
        raise error
    return ready


def prepare_possible(
    names: Sequence[str], device: torch.device, progress: Progress
) -> tuple[dict[str, Dense], dict[str, UserError]]:
    """Return the pairs that can be prepared, and the errors of those that can't.

    All pairs are prepared before any job starts. So a missing dataset is reported at once, and a
    bad pair doesn't stop the others of its study.
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
    cells: Sequence[Cell],
    refused: dict[str, UserError],
    device: torch.device,
    store: RecordStore,
) -> list[Record]:
    """Return failed records of the jobs whose pair couldn't be prepared.

    They are written unless a better record exists. So the jobs stay visible in the tables with the
    reason, and they run once the pair is repaired.
    """
    records = []
    for cell in cells:
        if cell.job.pair in refused:
            reason = str(refused[cell.job.pair])
            record = refusal(cell.job, study, cell.label, reason, device)
            known = store.recover(cell.job.key)
            if known is None or known.status == "failed":
                store.write(record)
            records.append(record)
    return records


def execute(
    study: str,
    cells: Sequence[Cell],
    pairs: dict[str, Dense],
    store: RecordStore,
    advance: Callable[[Record, bool], None],
    memory: int = MEMORY,
    executor: Executor | None = None,
    stop: Stop | None = None,
) -> list[Record]:
    """Return the record of every cell, in order; jobs with a current record aren't run again.

    Each record is on disk before `advance(record, was_finished)` is called, so that a killed run
    loses at most the jobs it was running. `memory` is the number of bytes that one chunk of
    calibration examples may take. A job that can't fit into memory, even alone, isn't started: its
    record is failed and says so. Raises `Stopped` if `stop` was asked for and jobs are left.
    """
    stop = stop or Stop()
    records: dict[str, Record] = {}
    tasks = []
    for cell in cells:
        dense = pairs[cell.job.pair]
        record = finished(store, cell, dense)
        if record is None:
            tasks.append(Task(cell, need(cell, dense, memory)))
        else:
            records[record.key] = record
            advance(record, True)
    work, executor = Work(study, store.results, memory), executor or Here()
    if tasks:
        tasks, refused = refuse_too_large(tasks, free_for(executor, pairs), work, pairs)
        for record in refused:
            records[record.key] = record
            advance(record, False)
    for record in executor.run(tasks, work, pairs, stop) if tasks else ():
        records[record.key] = record
        advance(record, False)
    if stop.signal is not None and len(records) < len(cells):
        raise Stopped(stop.signal)
    return [records[cell.job.key] for cell in cells]
