"""Runs a study's jobs behind a progress bar, until they are done or asked to stop."""

import sys
from collections.abc import Sequence

from bench.common import screen
from bench.common.errors import UserError
from bench.common.stopping import Stop, stopping
from bench.executors.execute import Stopped, execute, prepare_possible, refuse
from bench.executors.options import Options, driver_device, executor_for
from bench.executors.task import Executor
from bench.fingerprint import remember_suite
from bench.jobs.cell import Cell
from bench.jobs.record import Record
from bench.jobs.store import RecordStore


class Tally:
    """Counts the records, for the progress bar, and prints those that aren't ok."""

    def __init__(self, name: str, total: int) -> None:
        self.name, self.total = name, total
        self.done = self.before = 0
        self.spared = 0.0

    def advance(self, record: Record, was_finished: bool) -> None:
        """Count one more record."""
        self.done, self.before = self.done + 1, self.before + was_finished
        if not was_finished:
            self.spared += record.reused_seconds or 0.0
            if record.status != "ok":
                message = f"{record.status}: {record.job()}: {record.reason}"
                screen.messages.print(message, markup=False, style="red")

    def summary(self) -> None:
        """Print how much work was recorded already or spared."""
        if self.before:
            screen.messages.print(f"{self.before} of {self.total} jobs were recorded already.")
        if self.spared >= 1:
            screen.messages.print(
                f"Jobs shared estimates and gradients: {self.spared:.0f} s less than their "
                "prune_seconds say."
            )


def run_cells(
    study: str, cells: Sequence[Cell], store: RecordStore, options: Options, memory: int
) -> list[Record]:
    """Prepare the pairs, then run the jobs on the executor that the options ask for.

    A run that was asked to stop ends the process with the signal's exit code.
    """
    remember_suite()
    executor = executor_for(options, store.results)
    executor.prepare()
    tally = Tally(study, len(cells))
    with stopping() as stop:
        try:
            records = _run(cells, store, options, memory, executor, tally, stop)
        except (KeyboardInterrupt, Stopped):
            screen.messages.print(
                f"Stopped: {tally.done} of {tally.total} jobs are recorded. "
                "The same command goes on with the rest."
            )
            sys.exit(128 + (stop.signal or 2))
    tally.summary()
    return records


def _run(
    cells: Sequence[Cell],
    store: RecordStore,
    options: Options,
    memory: int,
    executor: Executor,
    tally: Tally,
    stop: Stop,
) -> list[Record]:
    with screen.bar("preparing") as show:
        names = [cell.job.pair for cell in cells]
        device = driver_device(options)
        pairs, refused = prepare_possible(names, device, lambda what, n, of: show(n, of, what))
    if not pairs:
        raise UserError(" ".join(map(str, refused.values())))
    for error in refused.values():
        screen.messages.print(f"{error} The study's other pairs go on.", markup=False, style="red")
    lost = refuse(tally.name, cells, refused, device, store)
    tally.done += len(lost)
    cells = [cell for cell in cells if cell.job.pair in pairs]
    with screen.bar(tally.name) as show:
        show(0, tally.total, tally.name)

        def advance(record: Record, was_finished: bool) -> None:
            tally.advance(record, was_finished)
            show(tally.done, tally.total, tally.name)

        return lost + execute(tally.name, cells, pairs, store, advance, memory, executor, stop)
