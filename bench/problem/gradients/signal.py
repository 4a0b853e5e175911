"""What is recorded of a layer for a batch of examples, and the per-example gradients it gives.

For a layer y = W a with output gradient δ = ∂loss/∂y, the gradient of one example's loss is Σ_t δ_t
a_tᵀ over the positions t at which the weights are used: one position for a linear layer on [n, in],
one per output pixel for a convolution, with a_t the patch under it (see `layers`). A layer that is
called several times in a pass, or shares its weights with another, has the positions of all its
calls.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.problem.gradients.layers import (
    Convolution,
    columns,
    convolution_gradients,
    joined,
    output_columns,
)


@dataclass(frozen=True)
class Use:
    """One call of a layer on n examples: its input `given`, and the gradient `delta` of its output.

    The gradient is of each example's own loss, not of their mean.
    """

    module: nn.Module
    given: Tensor
    delta: Tensor

    @property
    def inputs(self) -> Tensor:
        """The columns a_t [n, in, positions] that the flattened weight [out, in] multiplies.

        They are [n, groups, in, positions] for a convolution in several groups. A convolution's are
        made anew each time: kept, those of all layers would take several times as much memory as
        all else of a pass, and writing to fresh memory longer than making them.
        """
        return columns(self.module, self.given)

    @property
    def output_gradients(self) -> Tensor:
        """The output gradients δ_t as columns [n, out, positions], or [n, groups, out, positions].

        With several groups, `out` is the outputs of one.
        """
        return output_columns(self.module, self.delta)

    def gradients(self) -> Tensor:
        """Return the per-example weight gradients [n, out * in]."""
        if isinstance(self.module, Convolution):
            return convolution_gradients(self.module, self.given, self.delta)
        return torch.bmm(self.output_gradients, self.inputs.transpose(1, 2)).flatten(1)

    def sums(self, runs: Sequence[int]) -> Tensor:
        """Return the sums of the gradients over runs of consecutive examples: [runs, out * in].

        `runs` are the numbers of examples of each, and sum to n. For a linear layer a sum Σ_i δ_i
        a_iᵀ is one product, and no single gradient is formed. For a convolution that takes as long
        as adding up the single ones.
        """
        if len(runs) == len(self.given):
            return self.gradients()
        if isinstance(self.module, Convolution):
            return torch.stack([part.sum(0) for part in self.gradients().split(runs)])
        found = self.given.new_empty(len(runs), self.delta.shape[-1], self.given.shape[-1])
        pairs = zip(self.delta.split(runs), self.given.split(runs), strict=True)
        for total, (delta, given) in zip(found, pairs, strict=True):
            torch.mm(delta.flatten(0, -2).T, given.flatten(0, -2), out=total)
        return found.flatten(1)


@dataclass(frozen=True)
class Signal:
    """All calls of one layer's weights on the same n examples in one pass."""

    uses: tuple[Use, ...]

    @property
    def module(self) -> nn.Module:
        """The layer; of several that share the weights, the one that was called first."""
        return self.uses[0].module

    @property
    def examples(self) -> int:
        """The number n of examples."""
        return len(self.uses[0].given)

    @property
    def inputs(self) -> Tensor:
        """The columns a_t of all calls: [n, in, positions] or [n, groups, in, positions]."""
        return joined([use.inputs for use in self.uses])

    @property
    def output_gradients(self) -> Tensor:
        """The columns δ_t of all calls: [n, out, positions] or [n, groups, out, positions]."""
        return joined([use.output_gradients for use in self.uses])

    def gradients(self) -> Tensor:
        """Return the per-example weight gradients [n, out * in], summed over the calls."""
        first, *others = (use.gradients() for use in self.uses)
        return functools.reduce(Tensor.add_, others, first)

    def sums(self, runs: Sequence[int]) -> Tensor:
        """Return the sums of the gradients over runs of consecutive examples: [runs, out * in].

        `runs` are the numbers of examples of each, and sum to n.
        """
        first, *others = (use.sums(runs) for use in self.uses)
        return functools.reduce(Tensor.add_, others, first)
