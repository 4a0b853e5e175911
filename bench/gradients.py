"""Per-example gradients of Linear and Conv2d weights, from layer inputs and output gradients.

For a layer y = W a with output gradient δ = ∂loss/∂y, the gradient of one example's loss is
Σ_t δ_t a_tᵀ over the positions t at which the weights are used: one for a linear layer, each pixel
of the output for a convolution, whose input is unfolded to patches. One batched forward and
backward pass gives a and δ of all examples at once, and no gradient of another layer is computed.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.utils.hooks import RemovableHandle

from bench.errors import Skip


@dataclass(frozen=True)
class Signal:
    """What one layer saw: `inputs` [n, in, positions], `output_gradients` [n, out, positions].

    `in` counts the columns of the flattened weight [out, in]; output gradients are of each
    example's own loss, not of a mean.
    """

    inputs: Tensor
    output_gradients: Tensor

    def gradients(self) -> Tensor:
        """Per-example weight gradients [n, out * in]."""
        return torch.bmm(self.output_gradients, self.inputs.transpose(1, 2)).flatten(1)


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
        output_gradients = torch.autograd.grad(loss, [outputs[name] for name in layers])
    return {
        name: Signal(_columns(modules[name], seen[name]), delta.reshape(*delta.shape[:2], -1))
        for name, delta in zip(layers, output_gradients, strict=True)
    }


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


def _columns(module: nn.Module, given: Tensor) -> Tensor:
    """The layer's input as the columns that its flattened weight multiplies: [n, in, positions]."""
    if isinstance(module, nn.Linear) and given.dim() == 2:
        return given.unsqueeze(2)
    if isinstance(module, nn.Conv2d) and module.groups == 1 and module.padding_mode == "zeros":
        if isinstance(module.padding, str):
            raise Skip(f"a convolution with padding={module.padding!r} is not supported")
        return F.unfold(given, module.kernel_size, module.dilation, module.padding, module.stride)
    raise Skip(f"per-example gradients of {module} are not supported: Linear and Conv2d are")
