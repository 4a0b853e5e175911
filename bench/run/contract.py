"""What the harness checks after a method ran: its weights, the dense model, the global state."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from bench.common.errors import MethodError
from bench.jobs.allocation import pruned_total
from bench.problem.problem import Target
from bench.problem.weights import Masks, Weights


def check_weights(
    found: object, dense: Weights, target: Target, support: Masks | None = None
) -> Weights:
    """Return the method's weights if they are complete, finite and have exactly the right zeros.

    Weights outside `support` must have stayed at zero. Raises `MethodError` with what was expected
    and what was returned.
    """
    if not isinstance(found, dict):
        raise MethodError(f"returned {type(found).__name__}, expected a dict of weights by layer")
    if odd := sorted(map(str, found.keys() ^ dense.keys())):
        raise MethodError(f"returned layers {sorted(found)}, differing in {', '.join(odd)}")
    for name, weight in dense.items():
        _check_layer(name, found[name], weight)
    _check_zeros(found, target, support)
    for name, mask in (support or {}).items():
        if bool(found[name][~mask].any()):
            raise MethodError(f"revived weights of layer {name} that were gone already")
    return found


def _check_layer(name: str, found: object, dense: Tensor) -> None:
    if not isinstance(found, Tensor):
        raise MethodError(f"returned {type(found).__name__} for layer {name}, expected a tensor")
    for what in ("shape", "dtype", "device"):
        came, expected = getattr(found, what), getattr(dense, what)
        if came != expected:
            came, expected = (tuple(v) if what == "shape" else v for v in (came, expected))
            raise MethodError(f"returned {what} {came} for layer {name}, expected {expected}")
    if not torch.isfinite(found).all():
        raise MethodError(f"returned NaN or infinite weights in layer {name}")


def _check_zeros(found: Weights, target: Target, support: Masks | None) -> None:
    """Recount the zeros, in all layers together for a global allocation, else in each layer."""
    zeros = {name: int((weight == 0).sum()) for name, weight in found.items()}
    shapes = {name: weight.shape for name, weight in found.items()}
    gone = {name: int((~mask).sum()) for name, mask in (support or {}).items()}
    expected = target.counts(shapes, gone)
    if expected is None:
        size = sum(weight.numel() for weight in found.values())
        zeros = {"all layers": sum(zeros.values())}
        expected = {"all layers": pruned_total(target.sparsity, size)}
    for name, count in expected.items():
        if zeros[name] != count:
            few = "few" if zeros[name] < count else "many"
            raise MethodError(
                f"returned too {few} zeros: {zeros[name]:,} in {name}, sparsity "
                f"{target.sparsity:g} asks for exactly {count:,}"
            )


@contextmanager
def untouched(model: nn.Module, reference: nn.Module) -> Iterator[None]:
    """Raise `MethodError` if the `with` block changed the model or the global random state.

    Hooks that are left in the model count as changes. The global random states are restored in any
    case, so that no job depends on another.
    """
    before = _random_states()
    try:
        yield
        if not _equal(before, _random_states()):
            raise MethodError(
                "changed the global random state: draw from problem.generator(purpose) instead"
            )
    finally:
        _restore(before)
    _check_model(model, reference)


def _check_model(model: nn.Module, reference: nn.Module) -> None:
    found = model.state_dict()
    for name, tensor in reference.state_dict().items():
        if name not in found or not torch.equal(found[name], tensor):
            raise MethodError(f"changed the dense model: {name} is not what it was")
    if model.training:
        raise MethodError("left the dense model in training mode")
    own = dict(reference.named_modules())
    for name, module in model.named_modules():
        if name not in own or _hooks(module) != _hooks(own[name]):
            raise MethodError(f"left hooks behind in module {name or 'at the top'}")


def _hooks(module: nn.Module) -> list[set[int]]:
    """Return the ids of a module's hooks, to be compared with those the pair's model came with."""
    kinds = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
    return [set(hooks) for hooks in (*kinds, module._backward_pre_hooks)]


RandomStates = tuple[Tensor, object, object]
"""The global random states of PyTorch, Python and NumPy."""


def _random_states() -> RandomStates:
    name, keys, *rest = np.random.get_state(legacy=True)
    return torch.get_rng_state(), random.getstate(), (name, tuple(keys), *rest)


def _equal(one: RandomStates, other: RandomStates) -> bool:
    return torch.equal(one[0], other[0]) and one[1:] == other[1:]


def _restore(states: RandomStates) -> None:
    torch.set_rng_state(states[0])
    random.setstate(states[1])  # type: ignore[arg-type]
    np.random.set_state(states[2])  # type: ignore[arg-type]
