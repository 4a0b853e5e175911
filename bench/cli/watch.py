"""A study's page that follows its records while they arrive."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.check.reproduction import answered
from bench.check.tables import published_tables
from bench.common import screen
from bench.jobs.record import Record
from bench.jobs.store import RecordStore
from bench.report import Cell, frame, progress, write_page
from bench.study.study import Entry, Study

Stamp = tuple[int, int]


class Arrivals:
    """The records of a grid, each read again only when its file has changed."""

    def __init__(self, grid: Sequence[Entry], store: RecordStore) -> None:
        self._grid, self._store = grid, store
        self._stamps: dict[str, Stamp] | None = None
        self._records: dict[str, Record | None] = {}

    def changed(self) -> bool:
        """Whether a file came, went or changed since the last call; reads what did."""
        before, now = self._stamps, dict(self._found())
        self._stamps = now
        if before == now:
            return False
        for key in {*now, *(before or {})}:
            if before is None or before.get(key) != now.get(key):
                self._records[key] = self._store.recover(key)
        return True

    def cells(self) -> list[Cell]:
        """The whole grid, with the records that there are."""
        return [
            Cell(entry.label, entry.job, self._records.get(entry.job.key)) for entry in self._grid
        ]

    def _found(self) -> Iterator[tuple[str, Stamp]]:
        """Change time in nanoseconds and size of each record's file."""
        wanted = {entry.job.key for entry in self._grid}
        for path in self._store.folder.glob("*.json"):
            if path.stem in wanted:
                # A file may go between the listing and the look.
                try:
                    known = path.stat()
                except FileNotFoundError:
                    continue
                yield path.stem, (known.st_mtime_ns, known.st_size)


def watch_grid(
    study: Study,
    grid: Sequence[Entry],
    store: RecordStore,
    out: Path,
    *,
    every: int,
    published: bool = False,
) -> None:
    """Write the page at once and after each change, looking every so many seconds, until Ctrl-C.

    The page loads itself anew as often. In the end it is written once more as one that doesn't.
    """
    arrivals = Arrivals(grid, store)

    def write(refresh: int | None) -> None:
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
    """Set by Ctrl-C or SIGTERM: an exception could be lost in code that calls back from C."""
    asked = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: asked.set()) for number in signals}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
