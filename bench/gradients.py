"""Per-example gradients of Linear and Conv2d weights, from layer inputs and output gradients.

For a layer y = W a with output gradient δ = ∂loss/∂y, the gradient of one example's loss is
Σ_t δ_t a_tᵀ over the positions t at which the weights are used: one for a linear layer, each pixel
of the output for a convolution, with a_t the patch under it. One batched forward and backward pass
gives a and δ of all examples at once, and no gradient of another layer is computed.
"""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn.grad import conv2d_weight
from torch.utils.hooks import RemovableHandle

from bench.errors import Skip


@dataclass(frozen=True)
class Signal:
    """What one layer saw of n examples: what it was given, and the loss's gradient of its output.

    The gradient is of each example's own loss, not of a mean.
    """

    module: nn.Module
    given: Tensor
    delta: Tensor

    @functools.cached_property
    def inputs(self) -> Tensor:
        """The columns a_t that the flattened weight [out, in] multiplies: [n, in, positions]."""
        return _columns(self.module, self.given)

    @property
    def output_gradients(self) -> Tensor:
        """The columns δ_t: [n, out, positions]."""
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


def signals(
    model: nn.Module, layers: Sequence[str], inputs: Tensor, labels: Tensor
) -> dict[str, Signal]:
    """Signals of the named layers for a batch of examples, under cross-entropy.

    The model is left as it was; it should be in evaluation mode, in which examples don't mix.
    """
    modules = {name: model.get_submodule(name) for name in layers}
    seen: dict[str, Tensor] = {}
    outputs: dict[str, GradientEdge] = {}
    with _recording(modules, seen, outputs), torch.enable_grad():
        logits = model(inputs.detach().requires_grad_())
        loss = F.cross_entropy(logits, labels, reduction="sum")
        deltas = torch.autograd.grad(loss, [outputs[name] for name in layers])
    for name in layers:
        _assert_supported(modules[name], seen[name])
    return {
        name: Signal(modules[name], seen[name], delta)
        for name, delta in zip(layers, deltas, strict=True)
    }


@torch.no_grad()
def footprint(model: nn.Module, layers: Sequence[str], inputs: Tensor) -> int:
    """How many numbers one example [1, ...] takes in the named layers, at most.

    Its columns, its output gradients and its weight gradient, of all layers together.
    """
    total = 0

    def count(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        _assert_supported(module, given[0])
        weight = module.get_parameter("weight")
        positions = output[0, 0].numel()
        rows = weight[0].numel() * getattr(module, "groups", 1)
        total += (rows + len(weight)) * positions + weight.numel()

    handles = [model.get_submodule(name).register_forward_hook(count) for name in layers]
    try:
        model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return total


@torch.no_grad()
def layer_inputs(model: nn.Module, layers: Sequence[str], inputs: Tensor) -> dict[str, Tensor]:
    """The columns [n, in, positions] that each named layer's weight multiplies; forward only."""
    modules = {name: model.get_submodule(name) for name in layers}
    seen: dict[str, Tensor] = {}
    with _recording(modules, seen):
        model(inputs)
    return {name: _columns(modules[name], seen[name]) for name in layers}


@contextmanager
def _recording(
    modules: dict[str, nn.Module],
    seen: dict[str, Tensor],
    outputs: dict[str, GradientEdge] | None = None,
) -> Iterator[None]:
    """Hooks that note each layer's input, and output if asked for, during the next forward pass.

    The output is noted as a place in the autograd graph, so that an activation that overwrites it
    in place doesn't move the place.
    """

    def note(name: str) -> RemovableHandle:
        def hook(_module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
            if name in seen:
                raise Skip(f"layer {name} is used twice in one pass: its gradients would mix")
            seen[name] = given[0].detach()
            if outputs is not None:
                outputs[name] = get_gradient_edge(output)

        return modules[name].register_forward_hook(hook)

    handles = [note(name) for name in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _assert_supported(module: nn.Module, given: Tensor) -> None:
    """Raise `Skip` for a layer whose gradients this module can't give."""
    linear = isinstance(module, nn.Linear) and given.dim() == 2
    convolution = (
        isinstance(module, nn.Conv2d)
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    )
    if not (linear or convolution):
        raise Skip(
            f"per-example gradients of {module} on inputs {list(given.shape)} are not supported: "
            "Linear on [n, in] is, and Conv2d with zero padding in numbers"
        )


def _columns(module: nn.Module, given: Tensor) -> Tensor:
    """The layer's input as the columns that its flattened weight multiplies: [n, in, positions].

    Raises `Skip` for a convolution in groups: each group has columns of its own.
    """
    _assert_supported(module, given)
    if isinstance(module, nn.Conv2d) and not isinstance(module.padding, str):
        if module.groups > 1:
            raise Skip(
                f"{module} works in groups, each with an input of its own: methods that need one "
                "matrix of inputs a layer, as K-FAC and L-OBS, can't do it"
            )
        return F.unfold(given, module.kernel_size, module.dilation, module.padding, module.stride)
    return given.unsqueeze(2)
