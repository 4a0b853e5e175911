"""Inputs of one split in the form that a model takes: normalised where asked, on the device."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from bench.common.errors import MethodError
from bench.common.layout import arranged
from datasets.dataset import Split

Augmentation = Callable[[Tensor, torch.Generator], Tensor]
"""A function from images [n, c, h, w] and a generator to images of the same shape."""


@dataclass(frozen=True)
class Normalisation:
    """Subtracts `mean` and divides by `std` per channel, which is the inputs' second dimension.

    For images of 8 bits both are on the scale from 0 to 1, for other inputs on that of the inputs.
    One number in each serves all channels.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


class Normalised:
    """What inputs in memory and in files have in common; `labels` [n] are on the device.

    Numbers of 8 bits are images, and become v / 255. Floating-point numbers stay as they are, in
    the precision that the model takes; whole numbers of 64 bits are tokens and stay what they are.
    Then the normalisation follows, if there is one. `layout` is the memory layout of the inputs,
    see `bench/common/layout.py`.
    """

    layout: torch.memory_format = torch.contiguous_format

    def __init__(
        self, labels: Tensor, normalisation: Normalisation | None, device: torch.device
    ) -> None:
        self.labels = labels.to(device)
        self._normalisation = normalisation
        self._dtype = torch.float32

    def __len__(self) -> int:
        return len(self.labels)

    def typed(self, dtype: torch.dtype) -> Self:
        """Return the same inputs, converted to `dtype` after the normalisation; not tokens."""
        other = copy.copy(self)
        other._dtype = dtype
        return other

    def _normalised(self, inputs: Tensor) -> Tensor:
        """Return inputs [n, ...] of the dataset as a model takes them."""
        values = inputs.to(self.labels.device)
        if values.dtype == torch.uint8:
            values = values.float().div_(255)
        elif not values.is_floating_point():
            return values
        elif values.dtype != torch.float64:
            values = values.float()
        if self._normalisation is not None:
            mean, std = (
                torch.tensor(numbers, device=values.device, dtype=values.dtype).view(
                    -1, *[1] * (values.dim() - 2)
                )
                for numbers in (self._normalisation.mean, self._normalisation.std)
            )
            values = values.sub(mean).div_(std)
        return arranged(values.to(self._dtype), self.layout)


class Images(Normalised):
    """One split in memory with its pair's normalisation."""

    def __init__(
        self, split: Split, normalisation: Normalisation | None, device: torch.device
    ) -> None:
        super().__init__(split.labels, normalisation, device)
        self._images = split.images.to(device)

    def batch(
        self,
        positions: Tensor,
        augmentation: Augmentation | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return inputs [n, ...] and labels [n] at these positions.

        An augmentation is applied before the normalisation; raises `MethodError` if the inputs are
        no images [n, c, h, w].
        """
        positions = positions.to(self.labels.device)
        images = self._images[positions]
        if augmentation is not None and generator is not None:
            if images.dim() != 4:
                raise MethodError(
                    f"inputs of the shape {list(images.shape[1:])} are no images [c, h, w], which "
                    "an augmentation needs: set augmentation = 'none'"
                )
            images = augmentation(images, generator)
        return self._normalised(images), self.labels[positions]


def shift(images: Tensor, generator: torch.Generator, most: int = 2) -> Tensor:
    """Shift each image by up to `most` pixels in each direction, with black filled in."""
    count, channels, height, width = images.shape
    padded = torch.nn.functional.pad(images, (most, most, most, most))
    moves = torch.randint(2 * most + 1, (2, count), generator=generator).to(images.device)
    rows = moves[0].view(-1, 1) + torch.arange(height, device=images.device)
    columns = moves[1].view(-1, 1) + torch.arange(width, device=images.device)
    return padded[
        torch.arange(count, device=images.device).view(-1, 1, 1, 1),
        torch.arange(channels, device=images.device).view(1, -1, 1, 1),
        rows.view(count, 1, height, 1),
        columns.view(count, 1, 1, width),
    ]


def crop_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift each image by up to 4 pixels and mirror it or not: the usual augmentation of CIFAR."""
    moved = shift(images, generator, most=4)
    mirrored = torch.rand(len(images), generator=generator).to(images.device) < 0.5
    return torch.where(mirrored.view(-1, 1, 1, 1), moved.flip(3), moved)
