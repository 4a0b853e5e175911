"""Magnitude pruning (Han et al. 2015, Learning both Weights and Connections)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from bench.problem.problem import Problem
from bench.problem.weights import Scores
from methods.method import Method
from methods.search import Choice

Scale = Literal["none", "layer-std", "lamp"]
"""How magnitudes are made comparable between layers, see `Magnitude`."""


@dataclass(frozen=True)
class Magnitude(Method):
    """Remove the weights that are smallest in absolute value, |w|, on the scale of their layer.

    `scale` makes layers comparable, so it changes the mask under the allocation `global` only:

    - `none`: |w| as it is.
    - `layer-std`: |w| / std of the layer's weights, the threshold of Han et al. 2015 (one quality
      parameter times each layer's standard deviation).
    - `lamp`: w² / Σ of all squares in the layer that are not smaller (Lee et al. 2021,
      Layer-Adaptive Sparsity for the Magnitude-based Pruning). It keeps at least one weight of each
      layer.

    It uses no data. Cost: O(d), for `lamp` O(d log d).

    Differs from the papers: all weights are removed at once; in Han et al. the network is retrained
    and pruned again, and the quality parameter is tuned by hand, where here it follows from the
    sparsity.
    """

    scale: Annotated[Scale, Choice(("none", "layer-std", "lamp"))] = "none"

    @property
    def uses_labels(self) -> bool:
        """False: the method uses no data at all."""
        return False

    def scores(self, problem: Problem) -> Scores:
        """Return the scaled magnitude of each weight."""
        return {name: SCALES[self.scale](weight) for name, weight in problem.weights.items()}


def _in_deviations(weight: Tensor) -> Tensor:
    """Return |w| in units of the layer's standard deviation; huge if all weights are equal."""
    deviation = weight.std(correction=0)
    return weight.abs() / deviation.clamp(min=torch.finfo(weight.dtype).tiny)


def _lamp(weight: Tensor) -> Tensor:
    """Return w_u² / Σ_{v ≥ u} w_v², the layer's weights sorted upwards, equal ones by index."""
    # In double precision, because small squares are added to large sums.
    ordered, order = weight.reshape(-1).double().square().sort(stable=True)
    remaining = ordered.flip(0).cumsum(0).flip(0).clamp(min=torch.finfo(torch.float64).tiny)
    scores = torch.empty_like(ordered)
    scores[order] = ordered / remaining
    return scores.view(weight.shape)


SCALES: dict[str, Callable[[Tensor], Tensor]] = {
    "none": Tensor.abs,
    "layer-std": _in_deviations,
    "lamp": _lamp,
}
"""The function from a layer's weights to their scaled magnitudes, by the name of the scale."""
