"""The calibration data of one job: the first examples of a seeded shuffle of the training split."""

import functools
import hashlib
from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from bench.common.errors import MethodError
from bench.jobs.budget import Meter
from bench.problem.contents import OfOneJob


class Examples(Protocol):
    """Training examples that are looked up by their position in the split, ready for the model."""

    def __len__(self) -> int: ...

    def batch(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the inputs [n, ...] and labels [n] at these positions, on the model's device."""


def seeded(seed: int, purpose: str) -> torch.Generator:
    """Return a random generator that depends on nothing but the seed and the purpose."""
    # Hashed, because PyTorch's generator on the CPU uses only 32 bits of its seed.
    digest = hashlib.sha256(f"{seed} {purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "big"))


class Calibration(OfOneJob):
    """Hands out training examples in an order that depends on the seed alone, and meters them.

    The order is the same for every method. The meter counts distinct examples: asking for the same
    ones again costs nothing. `used` tells whether any examples were asked for, `drew` whether
    anything random was, other than their order.
    """

    def __init__(self, examples: Examples, seed: int, meter: Meter) -> None:
        self.seed = seed
        self._examples = examples
        self.meter = meter
        self.used = False
        self.drew = False

    def generator(self, purpose: str) -> torch.Generator:
        """Return a random generator that depends on nothing but the job's seed and the purpose."""
        self.drew = True
        return seeded(self.seed, purpose)

    def first(self, count: int) -> tuple[Tensor, Tensor]:
        """Return the first `count` examples: inputs [count, ...] and labels [count].

        Charges `count` examples to the meter. Raises `MethodError` if the training split has fewer.
        """
        return self._examples.batch(self._positions(count))

    def chunks(self, count: int, size: int, skip: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Iterate over `count` examples in chunks of at most `size`, passing over the first `skip`.

        All skip + count examples are charged to the meter at once, before the first chunk is handed
        out. Raises `MethodError` if the training split has fewer.
        """
        positions = self._positions(skip + count)[skip:]
        return (self._examples.batch(chunk) for chunk in positions.split(size))

    def _positions(self, count: int) -> Tensor:
        """Return the first `count` positions of the shuffled order, and charge them to the meter.

        Raises `MethodError` if the training split has fewer examples.
        """
        if count > len(self._examples):
            raise MethodError(
                f"asked for {count:,} calibration examples, the pair has {len(self._examples):,}"
            )
        self.meter.see_examples(count)
        self.used = True
        return self._order[:count]

    @functools.cached_property
    def _order(self) -> Tensor:
        generator = seeded(self.seed, "calibration examples")
        return torch.randperm(len(self._examples), generator=generator)
