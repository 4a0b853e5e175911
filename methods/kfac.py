"""Pruning with K-FAC (Martens & Grosse 2015; for convolutions KFC, Grosse & Martens 2016)."""

from dataclasses import dataclass
from typing import Annotated, Literal

from bench.problem.gradients.targets import Fisher
from bench.problem.problem import Problem
from methods.curvature.factors import fisher_factors
from methods.curvature.inverse import Inverse
from methods.curvature.joined import JoinedInverse
from methods.curvature.kronecker import DiagonalInverse, KroneckerInverse
from methods.method import Count
from methods.search import Choice, Damping
from methods.surgeon import Surgeon


@dataclass(frozen=True)
class KFAC(Surgeon[Inverse]):
    """OBS with a Kronecker-factored Fisher of each layer, F = (S + (√λ/π) I) ⊗ (A + π√λ I).

    A = E[Σ_t a_t a_tᵀ] [in, in] is over the layer's inputs, S = E[(1/T) Σ_t δ_t δ_tᵀ] [out, out]
    over its output gradients, from m = `samples` examples; T is the number of positions at which a
    convolution is used. Scores are w_ij² / (2 [S⁻¹]_ii [A⁻¹]_jj), and survivors move by -S⁻¹
    (pruned ⊙ W / diag) A⁻¹. Each group of a convolution has S and A of its own. Biases are no part
    of a and stay.

    `damping` is λ; each factor gets √λ, since the damping of a Kronecker product is the product of
    its factors' dampings; `pi` divides it by the factors' sizes. A large λ makes F ∝ I, which is
    magnitude pruning. `fisher` is `true` for labels drawn from the model. `style` is `obs`, or
    `obd` for the diagonal of the same damped F: scores w² F_qq / 2, and survivors stay as they
    were. Cost: m backward passes, O(Σ m T (out² + in²) + out³ + in³) time, O(Σ out² + in²) memory.

    Differs from the paper: K-FAC was made for optimisation, with π always on and S from sampled
    labels; `pi` off and the data's labels are the settings of the comparison in the WoodFisher
    paper, whose code makes the F of a convolution T times larger. With `recomputations`, the
    factors are estimated at the pruned weights, but the removed weights aren't taken out of them.
    """

    samples: Count = 1000
    damping: Damping = 1e-5
    pi: Annotated[bool, Choice((False, True))] = False
    fisher: Annotated[Fisher, Choice(("empirical", "true"))] = "empirical"
    style: Annotated[Literal["obs", "obd"], Choice(("obs", "obd"))] = "obs"

    @property
    def uses_labels(self) -> bool:
        """False if the labels are drawn from the model."""
        return self.fisher == "empirical"

    def inverse(self, problem: Problem) -> JoinedInverse[Inverse]:
        """Return the damped inverse, one block per layer."""
        dtype = next(iter(problem.weights.values())).dtype
        factors = fisher_factors(problem.signals(self.samples, self.fisher))
        damped = [layer.damped(self.damping, self.pi) for layer in factors.values()]
        if self.style == "obd":
            return JoinedInverse([DiagonalInverse(layer.diagonal.to(dtype)) for layer in damped])
        return JoinedInverse([KroneckerInverse(layer, dtype) for layer in damped])
