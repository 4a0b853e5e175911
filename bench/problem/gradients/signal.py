"""What is recorded of a layer for a batch of examples, and the per-example gradients it gives.

For a layer y = W a with output gradient δ = ∂loss/∂y, the gradient of one example's loss is Σ_t δ_t
a_tᵀ over the positions t at which the weights are used: one position for a linear layer on [n, in],
one per output pixel for a convolution, with a_t the patch under it. A layer that is called several
times in a pass, or shares its weights with another, has the positions of all its calls.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

from bench.common.errors import Skip


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

        A convolution's are made anew each time: kept, those of all layers would take several times
        as much memory as all else of a pass, and writing to fresh memory longer than making them.
        """
        return columns(self.module, self.given)

    @property
    def output_gradients(self) -> Tensor:
        """The output gradients δ_t as columns [n, out, positions]."""
        if isinstance(self.module, nn.Linear):
            return _positions_last(self.delta)
        return self.delta.reshape(*self.delta.shape[:2], -1)

    def gradients(self) -> Tensor:
        """Return the per-example weight gradients [n, out * in].

        A convolution's are computed by one grouped convolution with as many groups per example as
        the layer itself has: measured two to five times faster on ResNet-20 than a product of
        unfolded patches.
        """
        if not isinstance(self.module, nn.Conv2d):
            return torch.bmm(self.output_gradients, self.inputs.transpose(1, 2)).flatten(1)
        examples, given = len(self.given), self.given.flatten(0, 1).unsqueeze(0)
        out, *rest = self.module.weight.shape
        gradients: Tensor = conv2d_weight(
            given,
            (examples * out, *rest),
            self.delta.flatten(0, 1).unsqueeze(0),
            self.module.stride,
            self.module.padding,
            self.module.dilation,
            groups=examples * self.module.groups,
        )
        return gradients.reshape(examples, -1)

    def sums(self, runs: Sequence[int]) -> Tensor:
        """Return the sums of the gradients over runs of consecutive examples: [runs, out * in].

        `runs` are the numbers of examples of each, and sum to n. For a linear layer a sum Σ_i δ_i
        a_iᵀ is one product, and no single gradient is formed. For a convolution that takes as long
        as adding up the single ones.
        """
        if len(runs) == len(self.given):
            return self.gradients()
        if isinstance(self.module, nn.Conv2d):
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
        """The columns a_t of all calls: [n, in, positions]."""
        return _joined([use.inputs for use in self.uses])

    @property
    def output_gradients(self) -> Tensor:
        """The columns δ_t of all calls: [n, out, positions]."""
        return _joined([use.output_gradients for use in self.uses])

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


def columns(module: nn.Module, given: Tensor) -> Tensor:
    """Return a layer's input as the columns [n, in, positions] that its flat weight multiplies.

    Raises `Skip` for a grouped convolution, in which each group has columns of its own.
    """
    assert_supported(module, given)
    if isinstance(module, nn.Conv2d) and not isinstance(module.padding, str):
        if module.groups > 1:
            raise Skip(
                f"{module} works in groups, each with an input of its own: methods that need one "
                "matrix of inputs a layer, as K-FAC and L-OBS, can't do it"
            )
        return _patches(module, given)
    return _positions_last(given)


def supported(module: nn.Module) -> bool:
    """Return whether per-example gradients of the module's weight are implemented."""
    convolution = (
        isinstance(module, nn.Conv2d)
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    )
    return isinstance(module, nn.Linear) or convolution


def assert_supported(module: nn.Module, given: Tensor) -> None:
    """Raise `Skip` for a layer or an input shape whose per-example gradients aren't implemented."""
    if not supported(module) or given.dim() < 2:
        raise Skip(
            f"per-example gradients of {type(module).__name__}({module.extra_repr()}) on inputs "
            f"{list(given.shape)} are not supported: Linear on [n, ..., in] is, and Conv2d with "
            "zero padding in numbers"
        )


def positions(module: nn.Module, output: Tensor) -> int:
    """Return at how many positions a supported layer's weights gave this output [n, ...]."""
    return int(output[0].numel()) // len(module.get_parameter("weight"))


def _patches(module: nn.Conv2d, given: Tensor) -> Tensor:
    """Return a convolution's input [n, channels, ...] as its patches [n, in, positions], a copy.

    The same numbers as those of `torch.nn.functional.unfold`, by one strided copy at the speed of
    memory: measured one and a half to three times faster.
    """
    high, wide = (int(amount) for amount in module.padding)
    windows = F.pad(given, (wide, wide, high, high)).contiguous()
    for axis, width in enumerate(module.kernel_size):
        dilation, stride = module.dilation[axis], module.stride[axis]
        windows = windows.unfold(2 + axis, dilation * (width - 1) + 1, stride)[..., ::dilation]
    # From [n, channels, high, wide, kernel rows, kernel columns].
    patches = windows.permute(0, 1, 4, 5, 2, 3).clone(memory_format=torch.contiguous_format)
    return patches.flatten(1, 3).flatten(2)


def _positions_last(values: Tensor) -> Tensor:
    """Reshape [n, side] or [n, ..., side] to [n, side, positions]."""
    if values.dim() == 2:
        return values.unsqueeze(2)
    return values.flatten(1, -2).transpose(1, 2)


def _joined(parts: list[Tensor]) -> Tensor:
    """Join the columns [n, side, positions] of several calls along the positions."""
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)
