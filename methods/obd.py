"""Optimal Brain Damage with any of the curvature diagonals (LeCun et al. 1989)."""

from dataclasses import dataclass
from typing import Annotated, Literal

from torch import Tensor

from bench.problem.problem import Problem
from bench.problem.weights import Scores, flatten, unflatten
from methods.curvature.diagonals import (
    fisher_diagonal,
    ggn_diagonal,
    hessian_diagonal,
    hutchinson_diagonal,
)
from methods.method import Count, Method, NonNegative
from methods.search import Choice, Search

Curvature = Literal["empirical-fisher", "true-fisher", "ggn", "hessian", "hutchinson"]
"""Whose diagonal is used, see `OBD`."""


@dataclass(frozen=True)
class OBD(Method):
    """Remove the weights that alone raise the quadratic model least: w² (F_qq + λ) / 2.

    `curvature` says which matrix's diagonal F_qq [d] is estimated from m = `samples` examples. The
    cost is in passes of one example:

    - `empirical-fisher`: (1/m) Σ g_iq² with the data's labels; m backward passes.
    - `true-fisher`: the same with labels drawn from the model; m backward passes.
    - `ggn`: generalised Gauss-Newton, which is the true Fisher without its sampling noise; C × m
      backward passes for C classes, or for C outputs of a regression, and t C × m for language
      models of t positions and C tokens.
    - `hessian`: exact; d × m Hessian-vector products, so for small nets only.
    - `hutchinson`: the Hessian's, estimated with `probes` random vectors; probes × m products.

    The last two have negative entries, whose score would be negative: a fall in the loss.
    `negative` says what becomes of them before λ = `damping` is added: `absolute` takes their
    absolute value, as if curvature of either sign were worth keeping; `clip` takes 0, so that λ or
    else the index ranks them; `keep` leaves them negative, so that these weights are removed first.

    Differs from the paper: the diagonal is by default the empirical Fisher's (Theis et al. 2018),
    `hessian` is exact where the paper leaves out second derivatives of the activation, and all
    weights are removed at once, without retraining in between. Estimates that cost more than one
    backward pass per example are no part of the search space.
    """

    samples: Count = 1000
    curvature: Annotated[Curvature, Choice(("empirical-fisher", "true-fisher"))] = (
        "empirical-fisher"
    )
    damping: Annotated[NonNegative, Search(1e-8, 1e2, log=True)] = 0.0
    probes: Count = 10
    negative: Literal["absolute", "clip", "keep"] = "absolute"

    @property
    def uses_labels(self) -> bool:
        """False if the labels are drawn from the model or averaged over."""
        return self.curvature not in ("true-fisher", "ggn")

    def scores(self, problem: Problem) -> Scores:
        """Return w² (F_qq + λ) / 2 for each weight."""
        weights = problem.weights
        diagonal = self.diagonal(problem)
        if self.negative == "absolute":
            diagonal = diagonal.abs()
        elif self.negative == "clip":
            diagonal = diagonal.clamp(min=0)
        return unflatten(flatten(weights).square() * (diagonal + self.damping) / 2, like=weights)

    def diagonal(self, problem: Problem) -> Tensor:
        """Return F_qq [d] as estimated, with its sign and without damping."""
        if self.curvature == "hessian":
            return hessian_diagonal(problem, self.samples)
        if self.curvature == "hutchinson":
            return hutchinson_diagonal(problem, self.samples, self.probes)
        if self.curvature == "ggn":
            return ggn_diagonal(problem, self.samples)
        if self.curvature == "true-fisher":
            return fisher_diagonal(problem, self.samples, "true")
        return fisher_diagonal(problem, self.samples, "empirical")
