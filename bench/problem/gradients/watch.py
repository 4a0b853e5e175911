"""Layer inputs and output gradients of all examples of a batch, in one pass.

One batched forward and backward pass gives the signals of all examples at once, and no gradient of
a layer that isn't asked for is computed. Weights that several layers share, and layers that are
used several times, have the signals of all their uses.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge

from bench.common.errors import MethodError
from bench.problem.gradients.signal import Signal, Use, assert_supported, columns, positions

Seen = Callable[[str, nn.Module, Tensor, Tensor], Tensor | None]
"""Called at each use of a layer: its name, the module used, what it was given, and its output.

Gives what takes the output's place, or None."""


def signals(
    model: nn.Module, layers: Sequence[str], inputs: Tensor, labels: Tensor
) -> dict[str, Signal]:
    """Signals of the named layers for a batch of examples, under cross-entropy.

    In single precision at least, also where the model computes in less. The model is left as it
    was; it should be in evaluation mode, in which examples don't mix.
    """
    given: list[tuple[str, nn.Module, Tensor]] = []
    places = []

    def note(name: str, module: nn.Module, value: Tensor, output: Tensor) -> Tensor | None:
        # The output is noted as a place in the autograd graph, so that an activation that
        # overwrites it in place doesn't move the place. Behind whole numbers, as tokens are, the
        # graph begins with the layer's own output.
        assert_supported(module, value)
        given.append((name, module, value.detach()))
        begun = None if output.requires_grad else output.detach().requires_grad_().clone()
        places.append(get_gradient_edge(output if begun is None else begun))
        return begun

    with watching(model, layers, note), torch.enable_grad():
        logits = model(inputs.detach().requires_grad_())
        loss = F.cross_entropy(at_least_single(logits), labels, reduction="sum")
        _assert_called(layers, {name for name, _, _ in given})
        deltas = torch.autograd.grad(loss, places)
    uses: dict[str, list[Use]] = {name: [] for name in layers}
    for (name, module, value), delta in zip(given, deltas, strict=True):
        uses[name].append(Use(module, at_least_single(value), at_least_single(delta)))
    return {name: Signal(tuple(found)) for name, found in uses.items()}


def at_least_single(values: Tensor) -> Tensor:
    """The same numbers, in single precision where they come in half."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


@torch.no_grad()
def layer_positions(model: nn.Module, layers: Sequence[str], inputs: Tensor) -> dict[str, int]:
    """At how many positions one example [1, ...] uses the weights of each named layer."""
    found = dict.fromkeys(layers, 0)

    def count(name: str, module: nn.Module, value: Tensor, output: Tensor) -> None:
        assert_supported(module, value)
        found[name] += positions(module, output)

    with watching(model, layers, count):
        model(inputs)
    return found


def footprint(model: nn.Module, uses: dict[str, int]) -> int:
    """How many numbers one example takes in layers used at so many positions, at most.

    Its columns, its output gradients and its weight gradient, of all layers together.
    """
    total = 0
    for name, count in uses.items():
        module = model.get_submodule(name)
        weight = module.get_parameter("weight")
        rows = weight[0].numel() * getattr(module, "groups", 1)
        total += (rows + len(weight)) * count + weight.numel()
    return total


@torch.no_grad()
def layer_inputs(model: nn.Module, layers: Sequence[str], inputs: Tensor) -> dict[str, Tensor]:
    """The columns [n, in, positions] that each named layer's weight multiplies; forward only."""
    seen: dict[str, list[Tensor]] = {name: [] for name in layers}

    def note(name: str, module: nn.Module, value: Tensor, _output: Tensor) -> None:
        seen[name].append(columns(module, at_least_single(value)))

    with watching(model, layers, note):
        model(inputs)
    _assert_called(layers, {name for name, found in seen.items() if found})
    return {
        name: found[0] if len(found) == 1 else torch.cat(found, dim=2)
        for name, found in seen.items()
    }


def _assert_called(layers: Sequence[str], called: set[str]) -> None:
    missing = [name for name in layers if name not in called]
    if missing:
        raise MethodError(f"layer {missing[0]} is never called in the forward pass")


@contextmanager
def watching(model: nn.Module, layers: Sequence[str], seen: Seen) -> Iterator[None]:
    """Call `seen` at every use of the named layers, and of those that share their weights."""

    def hook(name: str) -> Callable[..., Tensor | None]:
        def call(
            module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
        ) -> Tensor | None:
            return seen(name, module, args[0] if args else kwargs["input"], output)

        return call

    handles = [
        module.register_forward_hook(hook(name), with_kwargs=True, prepend=True)
        for name in layers
        for module in sharing(model, name)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def sharing(model: nn.Module, name: str) -> list[nn.Module]:
    """The named layer and the other modules whose `weight` is the very same parameter."""
    own = model.get_submodule(name)
    weight = own._parameters.get("weight")
    if weight is None:
        return [own]
    others = [m for m in model.modules() if m is not own and m._parameters.get("weight") is weight]
    return [own, *others]
