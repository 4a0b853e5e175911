"""Measures how a method's seconds divide into phases."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from bench.common.machine.yardstick import synchronise
from bench.jobs.findings import PHASES, Phase


class Stopwatch:
    """Wall-clock seconds per phase; time in a nested phase counts for the inner phase only."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[Phase, float] = dict.fromkeys(PHASES, 0.0)
        self.device = device
        self._running: list[Phase] = []
        self._since = 0.0

    @contextmanager
    def phase(self, name: Phase) -> Iterator[None]:
        """Count the seconds of the `with` block as this phase.

        The device is synchronised at both ends of the block.
        """
        self._lap()
        self._running.append(name)
        try:
            yield
        finally:
            self._lap()
            self._running.pop()

    def add(self, name: Phase, seconds: float) -> None:
        """Add seconds to a phase that were spent elsewhere, such as those of a cached result."""
        self.seconds[name] += seconds

    def so_far(self) -> dict[Phase, float]:
        """Return the seconds of each phase up to now, those of a phase that still runs included."""
        self._lap()
        return dict(self.seconds)

    def _lap(self) -> None:
        synchronise(self.device)
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now
