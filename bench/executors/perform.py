"""Performs one job: claims it, looks for a record, runs it, and writes the record."""

import logging
import math

import torch

from bench.common.errors import UserError
from bench.executors.claims import claim
from bench.executors.task import Progress, Work
from bench.jobs.cell import Cell
from bench.jobs.record import Record
from bench.jobs.store import RecordStore
from bench.pairs.preparing.dense import Dense
from bench.problem.cache import Cache
from bench.run.environment import device_name
from bench.run.one_job import failure, run_job, source_of

log = logging.getLogger(__name__)

ROUNDING, OTHER_DEVICE = 1e-4, 1e-2
"""The relative differences of a dense model's loss that are put down to rounding, on the same
device and on another one. The latter is larger, because GPUs round products to 10 bits."""


def finished(
    store: RecordStore, cell: Cell, dense: Dense, level: int = logging.WARNING
) -> Record | None:
    """Return the record that answers this cell already, or None.

    Failed jobs run again. A record is stale if something that its numbers depend on has changed; a
    damaged one is renamed. Both are logged, a stale one at `level`.
    """
    record = store.recover(cell.job.key, level)
    if record is None or record.status == "failed":
        return None
    if changed := _changed(record, cell, dense):
        log.log(level, "record %s is stale, %s: %s", record.key, changed, record.job())
        return None
    return record


def perform(
    cell: Cell,
    work: Work,
    dense: Dense,
    cache: Cache | None = None,
    progress: Progress = lambda *_: None,
) -> Record | None:
    """Return the job's record, written; None if another process is running the job.

    Raises `UserError` if the record can't be written.
    """
    store = work.store
    try:
        with claim(store.folder, cell.job.key) as ours:
            if not ours:
                return None
            # Another run may have finished it since this run last looked.
            record = finished(store, cell, dense, logging.DEBUG)
            if record is None:
                record = run_job(
                    cell.job,
                    dense,
                    work.study,
                    cell.label,
                    work.memory,
                    progress,
                    store.folder,
                    cache,
                )
                store.write(record)
            return record
    except OSError as error:
        raise unwritable(cell, store, error) from error


def lost(cell: Cell, work: Work, dense: Dense, reason: str, threads: int) -> Record:
    """Return the record, not yet written, of a job that couldn't write its own."""
    record = failure(cell.job, dense, work.study, cell.label, reason)
    machine = record.environment.model_copy(update={"threads": threads})
    return record.model_copy(update={"environment": machine})


def unwritable(cell: Cell, store: RecordStore, error: OSError) -> UserError:
    """Return the error for a record that can't be written during a run."""
    return UserError(
        f"The record of {cell.job} can't be written to {store.folder}: "
        f"{error.strerror or error}. What was recorded before is safe: mend this, then the same "
        "command goes on with the rest."
    )


def _changed(record: Record, cell: Cell, dense: Dense) -> str:
    """Return what the record depends on and has changed since; empty if nothing has."""
    hashes = {
        "the code that its numbers depend on has changed": (
            record.source_sha256,
            source_of(cell.job),
        ),
        "the pair's settings or its model have changed": (record.pair_sha256, dense.pair_sha256),
        "the checkpoint has changed": (record.checkpoint_sha256, dense.checkpoint_sha256),
        "the data have changed": (record.data_sha256, dense.data_sha256),
    }
    for sentence, (then, now) in hashes.items():
        if then != now:
            return sentence
    if _same_dense_loss(record, dense):
        return ""
    return (
        f"the dense model's test loss is {dense.evaluation.loss:.6g} and was "
        f"{record.dense_loss:.6g}, though neither code nor weights nor data have changed"
    )


def _same_dense_loss(record: Record, dense: Dense) -> bool:
    """Return whether the dense model's loss is that of the record, up to rounding.

    This notices what no hash does, such as a setting that the model's code reads from elsewhere.
    """
    before, now = record.dense_loss, dense.evaluation.loss
    if record.recalibration or before is None:
        return True
    same = record.environment.device == device_name(dense.device)
    types = {parameter.dtype for parameter in dense.model.parameters()}
    rounding = max([ROUNDING if same else OTHER_DEVICE, *(torch.finfo(kind).eps for kind in types)])
    return math.isclose(before, now, rel_tol=rounding, abs_tol=ROUNDING * rounding)
