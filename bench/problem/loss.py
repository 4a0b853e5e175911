"""The loss that every pair of the suite is trained, pruned and evaluated by, in one place."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor


def loss_of(
    logits: Tensor,
    labels: Tensor,
    reduction: Literal["sum", "mean"] = "sum",
    smoothing: float = 0.0,
) -> Tensor:
    """Return the cross-entropy of logits [n, classes] and labels [n], over the n examples.

    `smoothing` is the share of each label that is spread over all classes (Szegedy et al. 2016).
    """
    return F.cross_entropy(logits, labels, reduction=reduction, label_smoothing=smoothing)


def probabilities_of(logits: Tensor) -> Tensor:
    """Return the class probabilities [n, classes] whose negative logarithm is the loss."""
    return logits.softmax(dim=1)


def drawn_labels(probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """Return labels [n], each drawn from its row of class probabilities [n, classes].

    With labels drawn from the model's own prediction the mean outer product of gradients is the
    true Fisher. They are drawn on the CPU, so that every device draws the same.
    """
    drawn = torch.multinomial(probabilities.cpu(), 1, generator=generator).squeeze(1)
    return drawn.to(probabilities.device)
