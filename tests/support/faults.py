"""A plugin whose methods fail in the ways that processes do."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from methods.method import Method


@dataclass(frozen=True)
class KilledOnce(Method):
    """Its process is killed the first time; `marker` is a file that remembers."""

    marker: str = ""

    def scores(self, problem):
        """Magnitudes, the second time."""
        if not Path(self.marker).exists():
            Path(self.marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return {name: weight.abs() for name, weight in problem.weights.items()}


@dataclass(frozen=True)
class Killed(Method):
    """Its process is killed each time, as for want of memory."""

    def scores(self, problem):
        """Never comes to them."""
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Hanging(Method):
    """Waits for long where no Python runs."""

    seconds: float = 3600.0

    def scores(self, problem):
        """Magnitudes, an hour later."""
        time.sleep(self.seconds)
        return {name: weight.abs() for name, weight in problem.weights.items()}


@dataclass(frozen=True)
class Hungry(Method):
    """Asks for more memory than there is."""

    def scores(self, problem):
        """Never comes to them."""
        return {"none": torch.empty(2**50)}


METHODS = {"killed once": KilledOnce, "killed": Killed, "hanging": Hanging, "hungry": Hungry}
