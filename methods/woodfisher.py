"""WoodFisher (Singh & Alistarh 2020, Efficient Second-Order Approximation)."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Annotated, Literal

from torch import Tensor

from bench.problem.passes import Fisher
from bench.problem.problem import Problem
from methods.curvature.blocks import Blocks, block_inverse
from methods.curvature.inverse import FisherInverse
from methods.method import Count
from methods.search import Choice, Damping
from methods.surgeon import Surgeon


@dataclass(frozen=True)
class WoodFisher(Surgeon[FisherInverse]):
    """OBS with the inverse of the empirical Fisher, F = λI + (1/m) Σ g_i g_iᵀ.

    `samples` is m, `batch` the examples whose mean gradient is one g_i, `damping` is λ: a large one
    makes F⁻¹ ∝ I, which is magnitude pruning. A larger batch shrinks F, so λ doesn't transfer.
    `fisher` is `true` for labels drawn from the model. `blocks` is `full`, `layer`, or the width of
    chunks of contiguous weights inside a layer, between which F is taken as zero. `update` is the
    `sum` of single-weight moves as in the paper, or the exact `joint` one for all that is removed.
    Cost: m × batch backward passes; O(m²d) time and O(md) memory, with chunks of c < m O(mcd).
    Gradients of more than 8 GiB are produced in k groups of layers, anew for each sweep: one for
    the scores and one for the move, so 2 k m × batch passes (with `full` blocks four sweeps).

    Differs from the paper: the same inverse comes from one m×m factor instead of m rank-one updates
    of a d×d matrix, and the count of removed weights is exact.
    """

    samples: Count = 1000
    batch: Count = 1
    damping: Damping = 1e-5
    fisher: Annotated[Fisher, Choice(("empirical", "true"))] = "empirical"
    blocks: Annotated[Blocks, Choice(("full", "layer"))] = "full"
    update: Annotated[Literal["sum", "joint"], Choice(("sum", "joint"))] = "sum"

    @property
    def uses_labels(self) -> bool:
        """Not where they are drawn from the model."""
        return self.fisher == "empirical"

    def gradients_wanted(self) -> Hashable:
        """The same gradients where these three are equal."""
        return (self.samples, self.batch, self.fisher)

    def gradients_held(self) -> int:
        """All of them at once."""
        return self.samples

    def inverse(self, problem: Problem) -> FisherInverse:
        """The damped inverse Fisher with the requested blocks."""
        gradients = problem.gradients_by_layer(self.samples, self.batch, self.fisher)
        return block_inverse(gradients, self.damping, self.blocks)

    def move(self, removed: Tensor, inverse: FisherInverse, keep: Tensor) -> Tensor:
        """The sum of single-weight moves, or the joint one."""
        if self.update == "joint":
            return inverse.joint_move(removed, keep)
        return super().move(removed, inverse, keep)
