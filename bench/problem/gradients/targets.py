"""The targets that gradients are computed with: the data's, or the model's own."""

from typing import Literal

import torch
from torch import Tensor, nn

from bench.problem.finite import assert_finite
from bench.problem.gradients.watch import at_least_single
from bench.problem.objective import Objective

Fisher = Literal["empirical", "true"]
"""Which targets the Fisher's gradients are computed with: `empirical` takes the data's, `true`
draws them from the model's own predictive distribution."""


def targets_of(
    fisher: Fisher | int,
    model: nn.Module,
    inputs: Tensor,
    own: Tensor,
    objective: Objective,
    generator: torch.Generator,
) -> Tensor:
    """Return the targets of a batch of examples, of which `own` are the data's.

    A number is that of a term of the loss's curvature in the outputs, see `Objective.term`.
    """

    @torch.no_grad()
    def predicted() -> Tensor:
        found = objective.predicted(at_least_single(model(inputs)))
        assert_finite("the model's predictions", found)
        return found

    if fisher == "true":
        return objective.drawn(predicted(), generator)
    return own if fisher == "empirical" else objective.term(fisher, own, predicted)
