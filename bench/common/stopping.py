"""Handles Ctrl-C and SIGTERM: the first lets the running jobs finish, the second stops at once."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""The signals that ask a run to stop."""


class Stop:
    """Whether the run was asked to stop, and by which signal."""

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def asked(self) -> bool:
        """Whether no further job should start."""
        return self.signal is not None

    def ask(self, number: int, _frame: FrameType | None = None) -> None:
        """Note the first signal; a second one raises `KeyboardInterrupt`."""
        if self.asked:
            raise KeyboardInterrupt
        self.signal = number
        log.warning("Stopping when the running jobs are recorded. Ctrl-C again stops at once.")


@contextmanager
def stopping() -> Iterator[Stop]:
    """Let signals during the block ask the run to stop.

    Outside the main thread none can be caught.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.ask) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
