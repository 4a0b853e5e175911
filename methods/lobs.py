"""Layer-wise optimal brain surgeon (Dong et al. 2017, Learning to Prune Deep Neural Networks)."""

from dataclasses import dataclass
from typing import Annotated, Literal

from torch import Tensor

from bench.problem.problem import Problem, Target
from methods.curvature.factors import Moments, diagonal_of
from methods.curvature.joined import JoinedJointInverse
from methods.curvature.kronecker import SharedInverse
from methods.method import Count
from methods.search import Choice, Damping
from methods.surgeon import Surgeon


@dataclass(frozen=True)
class LOBS(Surgeon[JoinedJointInverse[SharedInverse]]):
    """OBS on the squared error of each layer's own output, (1/n) Σ_i Σ_t ‖δW x_it‖².

    Its Hessian is I ⊗ H with H = (1/n) Σ_i Σ_t x_it x_itᵀ + λI [in, in], up to a factor of two,
    shared by all output units of a layer, or of one group of a convolution; n = `samples`, λ =
    `damping`. Scores are w_ij² / (2 [H⁻¹]_jj), and the survivors of the same output unit move. The
    positions t of a convolution are summed, not averaged, since the output of an example is all of
    them: a layer with more output pixels weighs more. `update` is the `sum` of single-weight moves,
    or `joint` for the exact least-squares solution on the support. Cost: n forward passes, no
    labels and no backward pass; O(Σ n T in² + in³) time, O(Σ in²) memory; `joint` adds O(r³) for
    each output unit that loses r weights.

    Differs from the paper: weights are removed at once, not one by one; biases are no part of H.
    The authors' code ranks biases with the weights, with a constant input in H, from all training
    images and λ = 1e-6; it removes in the order of the first scores, each weight by its value at
    that time, with the same H⁻¹ throughout. It averages over positions, which changes the meaning
    of λ and a ranking across layers; the statistics of batch normalisation, which it re-estimates
    afterwards, are left to the study. A global ranking is a variation. With `recomputations`, H is
    that of the pruned network's inputs, but the removed weights aren't taken out of it.
    """

    samples: Count = 1000
    damping: Damping = 1e-5
    update: Annotated[Literal["sum", "joint"], Choice(("sum", "joint"))] = "sum"

    @property
    def uses_labels(self) -> bool:
        """False: the method uses the inputs of layers only."""
        return False

    def inverse(self, problem: Problem) -> JoinedJointInverse[SharedInverse]:
        """Return the damped inverse, one block per layer."""
        moments = Moments()
        for columns in problem.inputs(self.samples):
            moments.add(columns)
        parts = []
        means = moments.means
        for name, weight in problem.weights.items():
            shared = means[name]
            diagonal_of(shared).add_(self.damping)
            parts.append(SharedInverse(shared, len(weight), weight.dtype))
        return JoinedJointInverse(parts)

    def move(
        self, removed: Tensor, inverse: JoinedJointInverse[SharedInverse], keep: Tensor
    ) -> Tensor:
        """Return the sum of single-weight moves, or the exact joint move, [d]."""
        if self.update == "joint":
            return inverse.joint_move(removed, keep)
        return super().move(removed, inverse, keep)

    def remarks(self, target: Target) -> list[str]:
        """Return the remark that a global ranking isn't the paper's method, if it applies."""
        if target.allocation == "global":
            return [
                "a global ranking across layers is a variation of L-OBS, which prunes each layer "
                "to its own ratio"
            ]
        return []
