"""Weights by layer name, and the flat vector that the curvature formulas are written in."""

from collections.abc import Mapping

import torch
from torch import Tensor

Weights = dict[str, Tensor]
"""Prunable weights by parameter name, in the model's order."""

Scores = dict[str, Tensor]
"""Saliencies, shaped like the weights; small means prune first."""

Masks = dict[str, Tensor]
"""Booleans, shaped like the weights; True means keep."""


def flatten(weights: Mapping[str, Tensor]) -> Tensor:
    """All layers as one vector [d], in order."""
    return torch.cat([weight.reshape(-1) for weight in weights.values()])


def unflatten(vector: Tensor, like: Mapping[str, Tensor]) -> Weights:
    """The vector [d] cut into views shaped like the layers of `like`."""
    parts = vector.split([weight.numel() for weight in like.values()])
    return {
        name: part.view(weight.shape)
        for (name, weight), part in zip(like.items(), parts, strict=True)
    }
