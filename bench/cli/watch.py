"""Writes a study's page again whenever its records change."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.check.reproduction import answered
from bench.check.tables import published_tables
from bench.common import screen
from bench.jobs.cell import Cell
from bench.jobs.record import Record
from bench.jobs.store import RecordStore
from bench.report import frame, progress, write_page
from bench.study.study import Study

Stamp = tuple[int, int]
"""The change time in nanoseconds and the size of a file."""


class Arrivals:
    """The records of a grid, each read again only if its file has changed."""

    def __init__(self, grid: Sequence[Cell], store: RecordStore) -> None:
        self._grid, self._store = grid, store
        self._stamps: dict[str, Stamp] | None = None
        self._records: dict[str, Record | None] = {}

    def changed(self) -> bool:
        """Return whether a file appeared, vanished or changed since the last call.

        The records of such files are read again.
        """
        before, now = self._stamps, dict(self._found())
        self._stamps = now
        if before == now:
            return False
        for key in {*now, *(before or {})}:
            if before is None or before.get(key) != now.get(key):
                self._records[key] = self._store.recover(key)
        return True

    def cells(self) -> list[Cell]:
        """Return the cells of the whole grid, with the records that exist."""
        return [Cell(cell.label, cell.job, self._records.get(cell.job.key)) for cell in self._grid]

    def _found(self) -> Iterator[tuple[str, Stamp]]:
        """Iterate over the key and the stamp of each record's file."""
        wanted = {cell.job.key for cell in self._grid}
        for path in self._store.folder.glob("*.json"):
            if path.stem in wanted:
                # A file may vanish after the folder was listed.
                try:
                    known = path.stat()
                except FileNotFoundError:
                    continue
                yield path.stem, (known.st_mtime_ns, known.st_size)


def watch_grid(
    study: Study,
    grid: Sequence[Cell],
    store: RecordStore,
    out: Path,
    *,
    every: int,
    published: bool = False,
) -> None:
    """Write the page now and after each change, checking every so many seconds, until Ctrl-C.

    The page reloads itself at the same interval. At the end it is written once more without
    reloading.
    """
    arrivals = Arrivals(grid, store)

    def write(refresh: int | None) -> None:
        """Write the page; with `refresh` it reloads itself after so many seconds."""
        cells = arrivals.cells()
        write_page(
            study.title,
            study.description,
            cells,
            out,
            records=store.folder,
            published=published_tables(answered(cells)) if published else [],
            refresh=refresh,
        )
        screen.messages.print(progress(frame(cells)), markup=False)

    screen.messages.print(f"Watching {store.folder}; Ctrl-C ends it.", markup=False)
    screen.results.print(f"Page to open in a browser: {out / 'report.html'}", markup=False)
    with _asked_to_end() as asked:
        while not asked.is_set():
            if arrivals.changed():
                write(every)
            asked.wait(every)
    arrivals.changed()
    write(None)
    screen.messages.print("Stopped; without --watch there are tables and figures too.")


@contextmanager
def _asked_to_end() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C or SIGTERM sets.

    An exception could be lost in code that is called from C.
    """
    asked = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: asked.set()) for number in signals}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
