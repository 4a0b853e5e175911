"""One job where it runs: claimed, looked up, run, and recorded before anybody is told."""

import logging

from bench.claims import claim
from bench.dense import Dense
from bench.engines.task import Progress, Work
from bench.errors import UserError
from bench.record import Record, RecordStore
from bench.run import failure, run_job, source_of
from bench.sharing import Shared
from bench.study import Entry

log = logging.getLogger(__name__)


def finished(
    store: RecordStore, entry: Entry, dense: Dense, level: int = logging.WARNING
) -> Record | None:
    """The record that answers this entry already, or None.

    Failed jobs run again. A record of other code or of another checkpoint is stale; a damaged one
    is set aside; both are said, a stale one at this level.
    """
    record = store.recover(entry.job.key, level)
    if record is None or record.status == "failed":
        return None
    if record.source_sha256 != source_of(entry.job):
        log.log(level, "record %s is stale, the method's code has changed: %s", *_named(record))
        return None
    if record.checkpoint_sha256 != dense.checkpoint_sha256:
        log.log(level, "record %s is stale, the checkpoint has changed: %s", *_named(record))
        return None
    if record.data_sha256 not in (None, dense.data_sha256):
        log.log(level, "record %s is stale, the data have changed: %s", *_named(record))
        return None
    return record


def perform(
    entry: Entry,
    work: Work,
    dense: Dense,
    shared: Shared | None = None,
    progress: Progress = lambda *_: None,
) -> Record | None:
    """The job's record, written; None where another process is at the job.

    Raises `UserError` where the record can't be written.
    """
    store = work.store
    try:
        with claim(store.folder, entry.job.key) as ours:
            if not ours:
                return None
            # Another run may have done it since this one looked.
            record = finished(store, entry, dense, logging.DEBUG)
            if record is None:
                record = run_job(
                    entry.job,
                    dense,
                    work.study,
                    entry.label,
                    work.memory,
                    progress,
                    store.folder,
                    shared,
                )
                store.write(record)
            return record
    except OSError as error:
        raise unwritable(entry, store, error) from error


def lost(entry: Entry, work: Work, dense: Dense, reason: str, threads: int) -> Record:
    """The record, not yet written, of a job that couldn't write its own."""
    record = failure(entry.job, dense, work.study, entry.label, reason)
    machine = record.environment.model_copy(update={"threads": threads})
    return record.model_copy(update={"environment": machine})


def unwritable(entry: Entry, store: RecordStore, error: OSError) -> UserError:
    """The error for a record that can't be written in mid-run."""
    return UserError(
        f"The record of {entry.job} can't be written to {store.folder}: "
        f"{error.strerror or error}. What was recorded before is safe: mend this, then the same "
        "command goes on with the rest."
    )


def _named(record: Record) -> tuple[str, str]:
    return record.key, str(record.job())
