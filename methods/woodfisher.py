"""WoodFisher (Singh & Alistarh 2020, Efficient Second-Order Approximation)."""

from dataclasses import dataclass

from bench.problem import Problem
from methods.curvature.low_rank import LowRankInverse
from methods.method import Count, Positive
from methods.surgeon import Surgeon


@dataclass(frozen=True)
class WoodFisher(Surgeon):
    """OBS with the inverse of the empirical Fisher, F = λI + (1/m) Σ g_i g_iᵀ.

    `samples` is m, `batch` the examples whose mean gradient is one g_i, `damping` is λ: a large one
    makes F⁻¹ ∝ I, which is magnitude pruning. A larger batch shrinks F, so λ doesn't transfer.
    Cost: m × batch backward passes, O(m²d) time, O(md) memory.

    Differs from the paper: the same inverse comes from one m×m factor instead of m rank-one updates
    of a d×d matrix, and the count of removed weights is exact.
    """

    samples: Count = 1000
    batch: Count = 1
    damping: Positive = 1e-5

    def inverse(self, problem: Problem) -> LowRankInverse:
        """The inverse Fisher over all prunable weights at once."""
        return LowRankInverse(problem.gradients(self.samples, self.batch), self.damping)
