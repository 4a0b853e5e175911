"""The calibration data of one job: a metered prefix of one shuffled order of training examples."""

import functools
import hashlib
from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from bench.common.errors import MethodError
from bench.jobs.budget import Meter


class Examples(Protocol):
    """Training examples by position, ready for the model."""

    def __len__(self) -> int: ...

    def batch(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs [n, ...] and labels [n] at these positions, on the model's device."""


def seeded(seed: int, purpose: str) -> torch.Generator:
    """A random generator that depends on the seed and the purpose only."""
    # Hashed, since torch's generator on the CPU reads no more than 32 bits of its seed.
    digest = hashlib.sha256(f"{seed} {purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "big"))


class Calibration:
    """Hands out training examples in the seed's order and counts them; the same for all methods.

    `used` says whether any were asked for.
    """

    def __init__(self, examples: Examples, seed: int, meter: Meter) -> None:
        self.seed = seed
        self._examples = examples
        self.meter = meter
        self.used = False

    def generator(self, purpose: str) -> torch.Generator:
        """A random generator that depends on the seed and the purpose only."""
        return seeded(self.seed, purpose)

    def first(self, count: int) -> tuple[Tensor, Tensor]:
        """The first `count` examples: inputs [count, ...], labels [count]."""
        return self._examples.batch(self._positions(count))

    def chunks(self, count: int, size: int, skip: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """`count` examples after the first `skip`, `size` at a time; charged before the first."""
        positions = self._positions(skip + count)[skip:]
        return (self._examples.batch(chunk) for chunk in positions.split(size))

    def _positions(self, count: int) -> Tensor:
        """Positions [count] in the training split; raises `MethodError` where there are fewer."""
        if count > len(self._examples):
            raise MethodError(
                f"asked for {count:,} calibration examples, the pair has {len(self._examples):,}"
            )
        self.meter.see_examples(count)
        self.used = True
        return self._order[:count]

    @functools.cached_property
    def _order(self) -> Tensor:
        generator = self.generator("calibration examples")
        return torch.randperm(len(self._examples), generator=generator)
