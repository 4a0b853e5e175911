"""What a layer saw of a batch of examples, and the per-example gradients that follow from it.

For a layer y = W a with output gradient δ = ∂loss/∂y, the gradient of one example's loss is
Σ_t δ_t a_tᵀ over the positions t at which the weights are used: one for a linear layer on [n, in],
each pixel of the output for a convolution, with a_t the patch under it. A layer that is used
several times in a pass, or shares its weights with another, has the positions of all its uses.
"""

import functools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

from bench.common.errors import Skip


@dataclass(frozen=True)
class Use:
    """One use of a layer by n examples: what it was given, and the loss's gradient of its output.

    The gradient is of each example's own loss, not of a mean.
    """

    module: nn.Module
    given: Tensor
    delta: Tensor

    @functools.cached_property
    def inputs(self) -> Tensor:
        """The columns a_t that the flattened weight [out, in] multiplies: [n, in, positions]."""
        return columns(self.module, self.given)

    @property
    def output_gradients(self) -> Tensor:
        """The columns δ_t: [n, out, positions]."""
        if isinstance(self.module, nn.Linear):
            return _positions_last(self.delta)
        return self.delta.reshape(*self.delta.shape[:2], -1)

    def gradients(self) -> Tensor:
        """Per-example weight gradients [n, out * in].

        For convolutions by one grouped convolution, an example a group (or as many groups as the
        layer itself has): measured two to five times faster on ResNet-20 than a product of unfolded
        patches.
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


@dataclass(frozen=True)
class Signal:
    """All uses of one layer's weights by the same n examples in one pass."""

    uses: tuple[Use, ...]

    @property
    def module(self) -> nn.Module:
        """The layer, or the first of those that share the weights."""
        return self.uses[0].module

    @property
    def examples(self) -> int:
        """n."""
        return len(self.uses[0].given)

    @property
    def inputs(self) -> Tensor:
        """The columns a_t of all uses: [n, in, positions]."""
        return _joined([use.inputs for use in self.uses])

    @property
    def output_gradients(self) -> Tensor:
        """The columns δ_t of all uses: [n, out, positions]."""
        return _joined([use.output_gradients for use in self.uses])

    def gradients(self) -> Tensor:
        """Per-example weight gradients [n, out * in], summed over the uses."""
        first, *others = (use.gradients() for use in self.uses)
        return functools.reduce(Tensor.add_, others, first)


def columns(module: nn.Module, given: Tensor) -> Tensor:
    """The layer's input as the columns that its flattened weight multiplies: [n, in, positions].

    Raises `Skip` for a convolution in groups: each group has columns of its own.
    """
    assert_supported(module, given)
    if isinstance(module, nn.Conv2d) and not isinstance(module.padding, str):
        if module.groups > 1:
            raise Skip(
                f"{module} works in groups, each with an input of its own: methods that need one "
                "matrix of inputs a layer, as K-FAC and L-OBS, can't do it"
            )
        return F.unfold(given, module.kernel_size, module.dilation, module.padding, module.stride)
    return _positions_last(given)


def supported(module: nn.Module) -> bool:
    """Whether the gradients of the module's weight can be had here, whatever it is given."""
    convolution = (
        isinstance(module, nn.Conv2d)
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    )
    return isinstance(module, nn.Linear) or convolution


def assert_supported(module: nn.Module, given: Tensor) -> None:
    """Raise `Skip` for a layer whose gradients can't be had here."""
    if not supported(module) or given.dim() < 2:
        raise Skip(
            f"per-example gradients of {type(module).__name__}({module.extra_repr()}) on inputs "
            f"{list(given.shape)} are not supported: Linear on [n, ..., in] is, and Conv2d with "
            "zero padding in numbers"
        )


def positions(module: nn.Module, output: Tensor) -> int:
    """At how many positions a supported layer's weights were used for this output [n, ...]."""
    return int(output[0].numel()) // len(module.get_parameter("weight"))


def _positions_last(values: Tensor) -> Tensor:
    """[n, side] or [n, ..., side] as [n, side, positions]."""
    if values.dim() == 2:
        return values.unsqueeze(2)
    return values.flatten(1, -2).transpose(1, 2)


def _joined(parts: list[Tensor]) -> Tensor:
    """[n, side, positions] of several uses side by side."""
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)
