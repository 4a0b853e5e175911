"""What an objective is: the loss that a model is trained, pruned and evaluated by, and its kin."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from bench.jobs.metric import MetricName

Reduction = Literal["sum", "mean", "none"]
"""Over the n examples of a batch: their sum, their mean, or one loss for each, [n]."""


class Score(NamedTuple):
    """A metric computed of the mean loss, and its standard error over the examples."""

    value: float
    error: float


class Objective(ABC):
    """A loss of model outputs [n, ...] and targets, and what belongs to it.

    The predictive distribution is the one whose negative log-likelihood the loss is. Its `terms`
    take the curvature of the loss in the outputs apart, exactly: with the gradients s_k of the loss
    in an example's outputs under the targets of term k, Σ_k w_k s_k s_kᵀ is the Hessian of its loss
    in its outputs. So Σ_k w_k g_k g_kᵀ over gradients g_k in the weights is the generalised
    Gauss-Newton matrix of the example.
    `expects` says in words which outputs and targets there must be.
    """

    name: ClassVar[str]
    expects: ClassVar[str]
    metric: ClassVar[MetricName]

    @abstractmethod
    def loss(
        self,
        outputs: Tensor,
        targets: Tensor,
        reduction: Reduction = "sum",
        smoothing: float = 0.0,
    ) -> Tensor:
        """Return the loss over the n examples.

        `smoothing` is the share of each label that is spread over all classes (Szegedy et al.
        2016); raises `MethodError` where there are no classes.
        """

    @abstractmethod
    def predicted(self, outputs: Tensor) -> Tensor:
        """Return the parameters of the predictive distribution: probabilities, or a mean."""

    @abstractmethod
    def drawn(self, predicted: Tensor, generator: torch.Generator) -> Tensor:
        """Return targets drawn from the predictive distribution.

        With them the mean outer product of gradients is the true Fisher. They are drawn on the CPU,
        so that every device draws the same.
        """

    @abstractmethod
    def term_weights(self, predicted: Tensor) -> Tensor:
        """Return the weights w_k [n, K] of the terms of each example's curvature."""

    @abstractmethod
    def term(self, number: int, targets: Tensor, predicted: Callable[[], Tensor]) -> Tensor:
        """Return the targets of the term with this number, shaped as `targets`.

        `predicted` is called only where they depend on the prediction.
        """

    @abstractmethod
    def distant(self, outputs: Tensor) -> Tensor:
        """Return targets that the outputs are far from, so that gradients aren't small."""

    @abstractmethod
    def fits(self, outputs: Tensor, targets: Tensor) -> bool:
        """Return whether outputs and targets of n examples are as `expects` says."""

    def choices(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return logits [m, classes] and labels [m] of all choices, to count the right ones.

        None where the outputs choose nothing.
        """
        return None

    def score(self, loss: float, error: float, outputs: int) -> Score | None:
        """Return the metric by the mean loss and its standard error, None if it is the accuracy.

        `outputs` is the number of outputs of one example.
        """
        return None


def reduced(losses: Tensor, reduction: Reduction) -> Tensor:
    """Return the losses [n], their sum, or their mean."""
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.mean()


def whole(targets: Tensor) -> bool:
    """Return whether the targets are numbers of classes."""
    return targets.dtype == torch.long
