"""A split as the model wants it, whether it is in memory or decoded on the way."""

from typing import Protocol

import torch
from torch import Tensor

from datasets import AnySplit, Split
from datasets.inputs.folder_images import FolderImages, Interpolation
from datasets.inputs.images import Augmentation, Images, Normalisation


class Inputs(Protocol):
    """One split of a dataset behind its pair's normalisation, by position.

    `labels` [n] are on the device; reading them decodes nothing. `layout` is how inputs lie in
    memory, see `bench/common/layout.py`.
    """

    labels: Tensor
    layout: torch.memory_format

    def __len__(self) -> int: ...

    def batch(
        self,
        positions: Tensor,
        augmentation: Augmentation | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Inputs [n, c, h, w] and labels [n] on the device, augmented before normalisation."""

    def typed(self, dtype: torch.dtype) -> "Inputs":
        """The same inputs in another floating-point type."""


def inputs_of(
    split: AnySplit,
    normalisation: Normalisation,
    device: torch.device,
    interpolation: Interpolation = "bilinear",
) -> Inputs:
    """The split ready for a model; `interpolation` is how files are resized."""
    if isinstance(split, Split):
        return Images(split, normalisation, device)
    return FolderImages(split, normalisation, device, interpolation)
