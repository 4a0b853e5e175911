"""What a user sees of a run: log messages and progress bars on stderr, results on stdout."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

results = Console(soft_wrap=True, highlight=False)
"""The console for results, which writes to stdout."""
messages = Console(stderr=True, soft_wrap=True, highlight=False)
"""The console for log messages and progress bars, which writes to stderr."""


def configure_logging(verbose: bool) -> None:
    """Show the suite's messages from level INFO, or with `verbose` from level DEBUG.

    Messages of other packages are shown from level WARNING.
    """
    handler = RichHandler(console=messages, show_time=False, show_path=False)
    logging.basicConfig(format="%(message)s", handlers=[handler], level=logging.WARNING)
    for package in ("bench", "methods", "datasets"):
        logging.getLogger(package).setLevel(logging.DEBUG if verbose else logging.INFO)


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int | None, str], None]]:
    """Yield a function `show(done, total, what)` that moves a progress bar, on terminals only."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=messages, transient=True) as progress:
        task = progress.add_task(what, total=None)

        def show(done: int, total: int | None, what: str) -> None:
            progress.update(task, completed=done, total=total, description=what)

        yield show
