"""Makes a split into inputs for a model, whether it is in memory or decoded when needed."""

from typing import Protocol

import torch
from torch import Tensor

from datasets.dataset import AnySplit, Split
from datasets.inputs.decoding import Interpolation
from datasets.inputs.folder_images import FolderImages
from datasets.inputs.images import Augmentation, Images, Normalisation


class Inputs(Protocol):
    """One split of a dataset as its pair's model takes it, accessed by position.

    `labels` [n] are on the device; reading them decodes nothing. `layout` is the inputs' memory
    layout, see `bench/common/layout.py`.
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
        """Return inputs [n, ...] and labels [n] on the device.

        An augmentation is applied before the normalisation.
        """

    def typed(self, dtype: torch.dtype) -> "Inputs":
        """Return the same inputs in another floating-point type; tokens stay as they are."""


def inputs_of(
    split: AnySplit,
    normalisation: Normalisation | None,
    device: torch.device,
    interpolation: Interpolation = "bilinear",
) -> Inputs:
    """Return the split as inputs for a model; `interpolation` is how files are resized."""
    if isinstance(split, Split):
        return Images(split, normalisation, device)
    return FolderImages(split, normalisation, device, interpolation)
