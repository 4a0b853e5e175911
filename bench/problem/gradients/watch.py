"""Records the layer inputs and output gradients of all examples of a batch in one pass.

One batched forward and backward pass gives the signals of all examples at once, and no gradient of
a layer that isn't asked for is computed. A layer that is called several times, or shares its
weights with others, gets the signals of all these calls.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge

from bench.common.errors import MethodError
from bench.problem.gradients.layers import (
    assert_supported,
    by_example,
    columns,
    joined,
    positions,
)
from bench.problem.gradients.signal import Signal, Use
from bench.problem.objective import Objective
from bench.problem.objectives import CLASSIFICATION

Seen = Callable[[str, nn.Module, Tensor, Tensor], Tensor | None]
"""A function called at each use of a layer, with the layer's name, the module called, its input and
its output. What it returns takes the output's place, unless it is None."""


def signals(
    model: nn.Module,
    layers: Sequence[str],
    inputs: Tensor,
    targets: Tensor,
    objective: Objective = CLASSIFICATION,
) -> dict[str, Signal]:
    """Return the signals of the named layers for a batch of examples, under the objective's loss.

    They are in single precision at least, even if the model computes in half. The model is left
    unchanged; it should be in evaluation mode, in which examples don't influence one another.
    Raises `MethodError` for a layer that the forward pass never calls, `Skip` for an unsupported
    one.
    """
    given: list[tuple[str, nn.Module, Tensor]] = []
    places = []

    def note(name: str, module: nn.Module, value: Tensor, output: Tensor) -> Tensor | None:
        # The output is recorded as an edge of the autograd graph, so that an activation that
        # overwrites it in place doesn't move the edge. Where the layer's input is integers, such as
        # tokens, the graph begins with the layer's own output.
        assert_supported(module, value)
        given.append((name, module, value.detach()))
        begun = None if output.requires_grad else output.detach().requires_grad_().clone()
        places.append(get_gradient_edge(output if begun is None else begun))
        return begun

    with watching(model, layers, note), torch.enable_grad():
        leaf = inputs.detach()
        if leaf.is_floating_point():
            leaf.requires_grad_()
        loss = objective.loss(at_least_single(model(leaf)), targets)
        _assert_called(layers, {name for name, _, _ in given})
        deltas = torch.autograd.grad(loss, places)
    uses: dict[str, list[Use]] = {name: [] for name in layers}
    for (name, module, value), delta in zip(given, deltas, strict=True):
        sides = (by_example(module, at_least_single(side), len(inputs)) for side in (value, delta))
        uses[name].append(Use(module, *sides))
    return {name: Signal(tuple(found)) for name, found in uses.items()}


def at_least_single(values: Tensor) -> Tensor:
    """Return the same values, converted to single precision if they are in half precision."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


@torch.no_grad()
def layer_positions(model: nn.Module, layers: Sequence[str], inputs: Tensor) -> dict[str, int]:
    """Return at how many positions one example [1, ...] uses the weights of each named layer."""
    found = dict.fromkeys(layers, 0)

    def count(name: str, module: nn.Module, value: Tensor, output: Tensor) -> None:
        assert_supported(module, value)
        found[name] += positions(module, by_example(module, output, len(inputs)))

    with watching(model, layers, count):
        model(inputs)
    return found


def footprint(model: nn.Module, uses: dict[str, int]) -> int:
    """Return how many numbers one example takes at most in layers used at so many positions.

    It counts the input columns, the output gradients and the weight gradients of all these layers.
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
    """Return the columns [n, in, positions] that each named layer's weight is multiplied with.

    They are [n, groups, in, positions] for a convolution in several groups. Takes a forward pass
    only. Raises `MethodError` for a layer that it never calls, `Skip` for an unsupported one.
    """
    seen: dict[str, list[Tensor]] = {name: [] for name in layers}

    def note(name: str, module: nn.Module, value: Tensor, _output: Tensor) -> None:
        own = by_example(module, at_least_single(value), len(inputs))
        seen[name].append(columns(module, own))

    with watching(model, layers, note):
        model(inputs)
    _assert_called(layers, {name for name, found in seen.items() if found})
    return {name: joined(found) for name, found in seen.items()}


def _assert_called(layers: Sequence[str], called: set[str]) -> None:
    missing = [name for name in layers if name not in called]
    if missing:
        raise MethodError(f"layer {missing[0]} is never called in the forward pass")


@contextmanager
def watching(model: nn.Module, layers: Sequence[str], seen: Seen) -> Iterator[None]:
    """Call `seen` at every call of the named layers and of the layers that share their weights."""

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
    """Return the named layer and all other modules whose `weight` is the same parameter."""
    own = model.get_submodule(name)
    weight = own._parameters.get("weight")
    if weight is None:
        return [own]
    others = [m for m in model.modules() if m is not own and m._parameters.get("weight") is weight]
    return [own, *others]
