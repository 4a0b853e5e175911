"""The types of layers whose per-example gradients are known, and how each uses its weight.

A linear layer on [n, ..., in] and a convolution over one, two or three dimensions multiply their
flattened weight [out, in] with columns a_t [in], y_t = W a_t + b, at positions t: the entries of a
sequence, or the output pixels with the patches under them. A convolution in G groups is G such
products side by side: group g multiplies its own rows of the weight, out/G in a row, with its own
columns. Biases are no part of any of this.
"""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv1d_weight, conv2d_weight, conv3d_weight

from bench.common.errors import Skip

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
"""The convolutions that are supported: with any groups, stride, dilation and padding."""

_WEIGHT_GRADIENTS: Mapping[int, Callable[..., Tensor]] = {
    1: conv1d_weight,
    2: conv2d_weight,
    3: conv3d_weight,
}
"""PyTorch's gradient of a convolution's weight, by the number of dimensions it slides over."""


def supported(module: nn.Module) -> bool:
    """Return whether per-example gradients of the module's weight are implemented."""
    return isinstance(module, nn.Linear | Convolution)


def assert_supported(module: nn.Module, given: Tensor) -> None:
    """Raise `Skip` for a layer or an input shape whose per-example gradients aren't implemented."""
    if isinstance(module, Convolution):
        fits = given.dim() == 2 + len(module.kernel_size)
    else:
        fits = isinstance(module, nn.Linear) and given.dim() >= 2
    if not fits:
        raise Skip(
            f"per-example gradients of {type(module).__name__}({module.extra_repr()}) on inputs "
            f"{list(given.shape)} are not supported: those of Linear on [n, ..., in] are, and of "
            "Conv1d, Conv2d and Conv3d on batches"
        )


def by_example(module: nn.Module, values: Tensor, examples: int) -> Tensor:
    """Return what a linear layer is given, or gives, for flattened positions as [n, t, side].

    Some models, such as OPT, call it on the positions of all n examples in one dimension, [n t,
    side], example by example. That order is assumed here; a pair whose gradients then aren't
    autograd's is refused before it is used. Everything else is returned as it is.
    """
    flat = isinstance(module, nn.Linear) and values.dim() == 2 and len(values) > examples
    if flat and len(values) % examples == 0:
        return values.reshape(examples, -1, values.shape[1])
    return values


def columns(module: nn.Module, given: Tensor) -> Tensor:
    """Return a layer's input [n, ...] as the columns that its flattened weight multiplies.

    They are [n, in, positions], or [n, groups, in, positions] for a convolution in several groups,
    where `in` is the inputs of one group. Raises `Skip` for an unsupported layer.
    """
    assert_supported(module, given)
    if isinstance(module, Convolution):
        return _by_group(module, _patches(module, given))
    return _positions_last(given)


def output_columns(module: nn.Module, delta: Tensor) -> Tensor:
    """Return what is given for a layer's output [n, ...] as columns [n, out, positions].

    They are [n, groups, out, positions] for a convolution in several groups.
    """
    if isinstance(module, Convolution):
        return _by_group(module, delta.reshape(*delta.shape[:2], -1))
    return _positions_last(delta)


def joined(parts: list[Tensor]) -> Tensor:
    """Join the columns [n, ..., side, positions] of a weight's uses along the positions.

    Raises `Skip` if convolutions share the weight that use it in different groups.
    """
    if any(part.shape[1:-1] != parts[0].shape[1:-1] for part in parts):
        raise Skip(
            "convolutions that share a weight use it in different groups: there is no one matrix "
            "of inputs for methods that need one, as K-FAC and L-OBS"
        )
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)


def positions(module: nn.Module, output: Tensor) -> int:
    """Return at how many positions a supported layer's weights gave this output [n, ...]."""
    return int(output[0].numel()) // len(module.get_parameter("weight"))


def convolution_gradients(module: Convolution, given: Tensor, delta: Tensor) -> Tensor:
    """Return the per-example weight gradients [n, out * in] of a convolution.

    They are computed by one grouped convolution with as many groups per example as the layer itself
    has: measured two to five times faster on ResNet-20 than a product of unfolded patches.
    """
    examples = len(given)
    if module.padding_mode == "zeros" and not isinstance(module.padding, str):
        padding: tuple[int, ...] | int = module.padding
    else:
        given, padding = _padded(module, given), 0
    out, *rest = module.weight.shape
    gradients = _WEIGHT_GRADIENTS[len(module.kernel_size)](
        given.flatten(0, 1).unsqueeze(0),
        (examples * out, *rest),
        delta.flatten(0, 1).unsqueeze(0),
        module.stride,
        padding,
        module.dilation,
        groups=examples * module.groups,
    )
    return gradients.reshape(examples, -1)


def _padded(module: Convolution, given: Tensor) -> Tensor:
    """Return a convolution's input [n, channels, ...] with the padding that the layer puts on it.

    "same" pads by dilation × (width - 1) in all, and by one more at the end if that is odd.
    """
    if module.padding == "same":
        totals = [d * (w - 1) for d, w in zip(module.dilation, module.kernel_size, strict=True)]
        sides = [(total // 2, total - total // 2) for total in totals]
    elif module.padding == "valid":
        sides = [(0, 0) for _ in module.kernel_size]
    else:
        sides = [(int(amount), int(amount)) for amount in module.padding]
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    # PyTorch takes the amounts of the last dimension first.
    return F.pad(given, [amount for side in reversed(sides) for amount in side], mode=mode)


def _patches(module: Convolution, given: Tensor) -> Tensor:
    """Return a convolution's input [n, channels, ...] as patches [n, in of all groups, positions].

    It is a copy. In two dimensions with zero padding it holds the same numbers as
    `torch.nn.functional.unfold`, by one strided copy at the speed of memory: measured one and a
    half to three times faster.
    """
    windows = _padded(module, given).contiguous()
    dimensions = len(module.kernel_size)
    for axis, width in enumerate(module.kernel_size):
        dilation, stride = module.dilation[axis], module.stride[axis]
        windows = windows.unfold(2 + axis, dilation * (width - 1) + 1, stride)[..., ::dilation]
    # From [n, channels, *positions, *places in the kernel].
    places = range(2 + dimensions, 2 + 2 * dimensions)
    patches = windows.permute(0, 1, *places, *range(2, 2 + dimensions))
    patches = patches.clone(memory_format=torch.contiguous_format)
    return patches.flatten(1, 1 + dimensions).flatten(2)


def _by_group(module: Convolution, values: Tensor) -> Tensor:
    """Reshape [n, side of all groups, positions] to [n, groups, side, positions] if several."""
    return values if module.groups == 1 else values.unflatten(1, (module.groups, -1))


def _positions_last(values: Tensor) -> Tensor:
    """Reshape [n, side] or [n, ..., side] to [n, side, positions]."""
    if values.dim() == 2:
        return values.unsqueeze(2)
    return values.flatten(1, -2).transpose(1, 2)
