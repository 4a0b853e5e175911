"""WoodFisher (Singh & Alistarh 2020, Efficient Second-Order Approximation)."""

from dataclasses import dataclass
from typing import Annotated, Literal

from torch import Tensor

from bench.problem.gradients.targets import Fisher
from bench.problem.problem import Problem
from methods.curvature.blocks import Blocks, block_inverse
from methods.curvature.inverse import FisherInverse
from methods.gradients import FromGradients
from methods.method import Count
from methods.search import Choice, Damping
from methods.surgeon import Surgeon


@dataclass(frozen=True)
class WoodFisher(FromGradients, Surgeon[FisherInverse]):
    """OBS with the inverse of the empirical Fisher, F = λI + (1/m) Σ g_i g_iᵀ.

    `samples` is m, `batch` the number of examples whose mean gradient is one g_i, and `damping` is
    λ: a large one makes F⁻¹ ∝ I, which is magnitude pruning. A larger batch makes F smaller, so a λ
    tuned for one batch doesn't transfer to another. `fisher` is `true` for labels drawn from the
    model. `blocks` is `full`, `layer`, or the width of chunks of contiguous weights inside a layer,
    between which F is taken as zero. `update` is the `sum` of single-weight moves as in the paper,
    or the exact `joint` move for all removed weights. Cost: m × batch backward passes; O(m²d) time
    and O(md) memory, with chunks of c < m O(mcd) time. Gradients of more than 8 GiB are recomputed
    in k groups of layers for each sweep: one sweep for the scores and one for the move, so 2 k m ×
    batch passes (with `full` blocks four sweeps).

    Differs from the paper: the same inverse comes from one m×m factor instead of m rank-one updates
    of a d×d matrix, and the count of removed weights is exact.
    """

    samples: Count = 1000
    batch: Count = 1
    damping: Damping = 1e-5
    fisher: Annotated[Fisher, Choice(("empirical", "true"))] = "empirical"
    blocks: Annotated[Blocks, Choice(("full", "layer"))] = "full"
    update: Annotated[Literal["sum", "joint"], Choice(("sum", "joint"))] = "sum"

    def inverse(self, problem: Problem) -> FisherInverse:
        """Return the damped inverse Fisher with the requested block structure."""
        asked = (self.samples, self.batch, self.fisher)
        gradients = problem.gradients_by_layer(*asked)
        gram = problem.reused(("gram", *asked), gradients.gram) if self.blocks == "full" else None
        return block_inverse(gradients, self.damping, self.blocks, gram)

    def move(self, removed: Tensor, inverse: FisherInverse, keep: Tensor) -> Tensor:
        """Return the sum of single-weight moves, or the exact joint move, [d]."""
        if self.update == "joint":
            return inverse.joint_move(removed, keep)
        return super().move(removed, inverse, keep)
