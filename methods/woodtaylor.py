"""WoodTaylor: WoodFisher with the first-order term (Singh & Alistarh 2020, appendix)."""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from bench.problem.problem import Problem
from bench.problem.weights import flatten
from methods.curvature.inverse import FisherInverse
from methods.method import NonNegative
from methods.search import Damping, Search
from methods.woodfisher import WoodFisher


@dataclass(frozen=True)
class WoodTaylor(WoodFisher):
    """OBS around a model that isn't at a minimum: the quadratic model keeps its gradient ḡ.

    With a = F⁻¹ḡ, removing q and moving the other weights optimally raises the model by (w_q -
    a_q)² / (2 [F⁻¹]_qq) plus a constant. The move of all removed weights q together is δ = -Σ_q
    ((w_q - a_q) / [F⁻¹]_qq) F⁻¹e_q - a: it is OBS started from w - a, the end of one Newton step.
    `step_scale` multiplies a; 0 is WoodFisher. ḡ is the mean of the same m gradients.

    Differs from the paper's code: no layer's minimum is subtracted from its scores, so that scores
    are comparable between layers.
    """

    damping: Damping = 1e-1
    step_scale: Annotated[NonNegative, Search(0.0, 1.0)] = 1.0

    def origin(self, problem: Problem, inverse: FisherInverse) -> Tensor:
        """Return w - step_scale × F⁻¹ḡ, [d]."""
        step = inverse.product(inverse.mean_gradient)
        return flatten(problem.weights) - self.step_scale * step
