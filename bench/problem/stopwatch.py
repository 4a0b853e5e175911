"""How a method's seconds divide into phases."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from bench.common.machine.yardstick import synchronise
from bench.jobs.findings import PHASES, Phase


class Stopwatch:
    """Wall seconds by phase; what runs in a phase inside another counts in the inner one alone."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[Phase, float] = dict.fromkeys(PHASES, 0.0)
        self._device = device
        self._running: list[Phase] = []
        self._since = 0.0

    @contextmanager
    def phase(self, name: Phase) -> Iterator[None]:
        """Count the block's seconds in this phase; the device is synchronised at both ends."""
        self._lap()
        self._running.append(name)
        try:
            yield
        finally:
            self._lap()
            self._running.pop()

    def add(self, name: Phase, seconds: float) -> None:
        """Count seconds that somebody else has spent for this phase."""
        self.seconds[name] += seconds

    def _lap(self) -> None:
        synchronise(self._device)
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now
