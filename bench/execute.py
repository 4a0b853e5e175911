"""Where jobs run, and which of them still have to."""

import logging
from collections.abc import Callable, Sequence

import torch

from bench.dense import Dense, Progress, prepare
from bench.errors import unknown
from bench.pairs import PAIRS
from bench.problem import MEMORY
from bench.record import Record, RecordStore
from bench.run import run_job, source_of
from bench.study import Entry

log = logging.getLogger(__name__)


def prepare_pairs(
    names: Sequence[str], device: torch.device, progress: Progress
) -> dict[str, Dense]:
    """Every pair made ready before any job starts, so that a missing dataset is said at once."""
    ready = {}
    for name in dict.fromkeys(names):
        if name not in PAIRS:
            raise unknown("pair", name, PAIRS)
        ready[name] = prepare(PAIRS[name], device, progress)
    return ready


def finished(store: RecordStore, entry: Entry, dense: Dense) -> Record | None:
    """The record that answers this entry already, or None.

    Failed jobs run again. A record of other code or of another checkpoint is stale; a damaged one
    is set aside; both are said.
    """
    record = store.recover(entry.job.key)
    if record is None or record.status == "failed":
        return None
    if record.source_sha256 != source_of(entry.job):
        log.warning("record %s is stale, the method's code has changed: %s", record.key, entry.job)
        return None
    if record.checkpoint_sha256 != dense.checkpoint_sha256:
        log.warning("record %s is stale, the checkpoint has changed: %s", record.key, entry.job)
        return None
    return record


def execute(
    study: str,
    entries: Sequence[Entry],
    pairs: dict[str, Dense],
    store: RecordStore,
    advance: Callable[[Record, bool], None],
    memory: int = MEMORY,
) -> list[Record]:
    """The record of every entry, in order; what is finished isn't run again.

    Each record is on disk before `advance(record, was_finished)` is called, so that a killed run
    loses at most the job it was in. `memory` bounds one chunk of calibration examples, in bytes.
    """
    records = []
    for entry in entries:
        dense = pairs[entry.job.pair]
        record = finished(store, entry, dense)
        was_finished = record is not None
        if record is None:
            record = run_job(entry.job, dense, study, entry.label, memory, snapshots=store.folder)
            store.write(record)
        records.append(record)
        advance(record, was_finished)
    return records
