"""Pruning with EKFAC (George et al. 2018, Fast Approximate Natural Gradient Descent)."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from bench.problem.gradients.signal import Signal
from bench.problem.gradients.targets import Fisher
from bench.problem.problem import Problem
from methods.curvature.factors import Factors, fisher_factors
from methods.curvature.joined import JoinedInverse
from methods.curvature.kronecker import EigenInverse
from methods.curvature.products import assert_no_overflow, in_range
from methods.method import Count
from methods.search import Choice, Damping
from methods.surgeon import Surgeon

Kept = Signal | Tensor
"""The gradients of a chunk kept for the second sweep: as layer signals, or as a tensor [n, out, in]
or [n, groups, out, in]."""


@dataclass(frozen=True)
class EKFAC(Surgeon[JoinedInverse[EigenInverse]]):
    """OBS with K-FAC's eigenvectors and the exact second moments along them, F = U (Λ + λI) Uᵀ.

    U = U_S ⊗ U_A are the eigenvectors of the undamped K-FAC factors of a layer, and Λ = (1/m) Σ_i
    (U_Sᵀ G_i U_A)² [out, in], with elementwise squares, over the gradients G_i [out, in] of m =
    `samples` examples, summed over the positions of a convolution. Of all Λ this one gives the
    matrix nearest to the Fisher in Frobenius norm. Each group of a convolution has U and Λ of its
    own. `damping` is λ, added to Λ itself as in WoodFisher; `fisher` is `true` for labels drawn
    from the model. Scores are w² / (2 [F⁻¹]_qq), and survivors move by -F⁻¹ (pruned ⊙ w / diag
    F⁻¹). Cost: m backward passes. The sweeps for U and for Λ use the same signals, which are kept
    in memory in between: O(m Σ min(out in, T (out + in))), never more than WoodFisher's m×d. Time
    O(Σ out³ + in³ + m out in (out + in)) beside that of K-FAC's factors.

    Differs from the paper: Λ and U come from the same examples, once, where the paper's optimiser
    updates Λ more often than U; labels are by default the data's. With `recomputations`, F is
    estimated at the pruned weights, but the removed weights aren't taken out of it.
    """

    samples: Count = 1000
    damping: Damping = 1e-5
    fisher: Annotated[Fisher, Choice(("empirical", "true"))] = "empirical"

    @property
    def uses_labels(self) -> bool:
        """False if the labels are drawn from the model."""
        return self.fisher == "empirical"

    def gradients_held(self) -> int:
        """The kept layer inputs and output gradients take no more than `samples` gradients."""
        return self.samples

    def inverse(self, problem: Problem) -> JoinedInverse[EigenInverse]:
        """Return the damped inverse, one block per layer."""
        kept: dict[str, list[Kept]] = {name: [] for name in problem.weights}
        factors = fisher_factors(_keeping(kept, problem.signals(self.samples, self.fisher)))
        parts = []
        for name, weight in problem.weights.items():
            basis = Factors(
                torch.linalg.eigh(factors[name].output).eigenvectors,
                torch.linalg.eigh(factors[name].input).eigenvectors,
            )
            moments = second_moments(basis, kept.pop(name)) / self.samples
            parts.append(EigenInverse(basis, moments + self.damping, weight.dtype))
        return JoinedInverse(parts)


def second_moments(basis: Factors, chunks: Iterable[Kept]) -> Tensor:
    """Return Σ_i (U_Sᵀ G_i U_A)² [out, in], with elementwise squares, over all chunks' examples.

    It is [groups, out, in] for a convolution in several groups. Gradients in single precision at
    more than one position are turned and squared in single, and the sums over chunks are in double:
    where Λ is far below ‖G‖² it is known to about 1e-7 √(Λ ‖G‖²), as G itself is known to 1e-7.
    Raises `MethodError` if the squares overflow. Cost: O(out in (out + in)) time for each gradient
    kept as a tensor, or O(T (out² + in² + out in)) for one kept as signals.
    """
    total = basis.output.new_zeros(*basis.output.shape[:-1], basis.input.shape[-1])
    for chunk in chunks:
        total += _squares(basis, chunk)
    assert_no_overflow("the squares of gradients", total)
    return total


def _squares(basis: Factors, chunk: Kept) -> Tensor:
    """Return Σ_i (U_Sᵀ G_i U_A)² [out, in] over the examples of one chunk."""
    if isinstance(chunk, Tensor):
        return _safely(_of_gradients, basis, (chunk,))
    signals = chunk.output_gradients, chunk.inputs
    if signals[0].shape[-1] == 1:
        return _of_outer_products(basis, *signals)
    return _safely(_of_columns, basis, signals)


def _safely(form: Callable[..., Tensor], basis: Factors, values: tuple[Tensor, ...]) -> Tensor:
    """Return a form in the precision of its values, or in double if squares leave its range."""
    dtype = values[0].dtype
    found = form(Factors(basis.output.to(dtype), basis.input.to(dtype)), *values)
    if dtype == basis.output.dtype or in_range(found.flatten(-2), dtype):
        return found
    return form(basis, *(part.to(basis.output.dtype) for part in values))


def _of_gradients(basis: Factors, gradients: Tensor) -> Tensor:
    """Return the sum of squares [..., out, in] for gradients [n, ..., out, in]."""
    turned = _times(gradients, basis.input)
    return _transposed_times(basis.output, turned).square_().sum(0)


def _of_columns(basis: Factors, outputs: Tensor, inputs: Tensor) -> Tensor:
    """Return the sum of squares [..., out, in] for gradients Σ_t δ_t a_tᵀ.

    The columns are [n, ..., side, T].
    """
    delta = _transposed_times(basis.output, outputs)
    given = _transposed_times(basis.input, inputs)
    return (delta @ given.mT).square_().sum(0)


def _of_outer_products(basis: Factors, outputs: Tensor, inputs: Tensor) -> Tensor:
    """Return the sum of squares [..., out, in] for gradients δ aᵀ: (U_Sᵀ δ)² ((U_Aᵀ a)²)ᵀ."""
    # [n, side], or [groups, n, side].
    delta, given = (part.squeeze(-1).double().movedim(0, -2) for part in (outputs, inputs))
    return (delta @ basis.output).square().mT @ (given @ basis.input).square()


def _times(values: Tensor, basis: Tensor) -> Tensor:
    """Return V U for values [n, rows, side], or for each group of [n, groups, rows, side]."""
    if basis.dim() == 2:
        return values @ basis
    # As one product of all examples for each group, without a copy of U for each example.
    return torch.einsum("ngrs,gst->ngrt", values, basis)


def _transposed_times(basis: Tensor, values: Tensor) -> Tensor:
    """Return Uᵀ V for values [n, side, columns], or for each of [n, groups, side, columns]."""
    if basis.dim() == 2:
        return basis.T @ values
    return torch.einsum("gst,ngsc->ngtc", basis, values)


def _keeping(
    kept: dict[str, list[Kept]], chunks: Iterable[dict[str, Signal]]
) -> Iterator[dict[str, Signal]]:
    """Pass the chunks on, and keep of each layer's gradients the smaller of the two forms."""
    for chunk in chunks:
        for name, signal in chunk.items():
            *groups, out, positions = signal.output_gradients.shape[1:]
            given = signal.module.get_parameter("weight")[0].numel()
            if positions * (out + given) <= out * given:
                kept[name].append(signal)
            else:
                kept[name].append(signal.gradients().view(-1, *groups, out, given))
        yield chunk
