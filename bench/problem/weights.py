"""Weights by parameter name, and the flat vector in which the curvature formulas are written."""

from collections.abc import Mapping

import torch
from torch import Tensor

Weights = dict[str, Tensor]
"""The prunable weights by parameter name, in the model's order."""

Scores = dict[str, Tensor]
"""Saliencies by parameter name, shaped like the weights; the smallest are pruned first."""

Masks = dict[str, Tensor]
"""Boolean masks by parameter name, shaped like the weights; True means that the weight is kept."""


def flatten(weights: Mapping[str, Tensor]) -> Tensor:
    """Return all layers as one vector [d], joined in order."""
    return torch.cat([weight.reshape(-1) for weight in weights.values()])


def unflatten(vector: Tensor, like: Mapping[str, Tensor]) -> Weights:
    """Split a vector [d] into views that are shaped like the layers of `like`."""
    parts = vector.split([weight.numel() for weight in like.values()])
    return {
        name: part.view(weight.shape)
        for (name, weight), part in zip(like.items(), parts, strict=True)
    }
