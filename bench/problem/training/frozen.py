"""Parts of a model that don't train: those that its builder gives with `requires_grad=False`.

They keep their bits through every training. A part all of whose parameters are frozen, a BatchNorm
layer or a whole stem, keeps its running statistics too, unlike in torch, where they would follow
the data and so change what the part computes. BatchNorm renewal after pruning, where a study asks
for it, renews them like all others.
"""

from collections.abc import Collection

from torch import nn
from torch.nn.modules.batchnorm import _NormBase


def frozen_parameters(model: nn.Module) -> frozenset[str]:
    """The names of the parameters that the model, as it was built, doesn't train."""
    return frozenset(name for name, p in model.named_parameters() if not p.requires_grad)


def set_trainable(model: nn.Module, frozen: Collection[str]) -> None:
    """Let all parameters but the frozen ones have gradients."""
    kept = _identities(model, frozen)
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) not in kept)


def frozen_norms(model: nn.Module, frozen: Collection[str]) -> list[nn.Module]:
    """The normalisation layers with running statistics in parts that are frozen as a whole."""
    parts = _frozen_parts(model, frozen).values()
    return [m for part in parts for m in part.modules() if isinstance(m, _NormBase)]


def frozen_state(model: nn.Module, frozen: Collection[str]) -> set[str]:
    """Names in the state dict of all frozen parameters, and of the buffers of frozen parts."""
    kept = _identities(model, frozen)
    every = model.named_parameters(remove_duplicate=False)
    names = {name for name, parameter in every if id(parameter) in kept}
    for path, part in _frozen_parts(model, frozen).items():
        names |= {name for name, _ in part.named_buffers(prefix=path, remove_duplicate=False)}
    return names


def _identities(model: nn.Module, frozen: Collection[str]) -> set[int]:
    return {id(model.get_parameter(name)) for name in frozen}


def _frozen_parts(model: nn.Module, frozen: Collection[str]) -> dict[str, nn.Module]:
    """The modules by name that have parameters, none of which trains."""
    kept = _identities(model, frozen)
    parts = {}
    for path, module in model.named_modules(remove_duplicate=False) if kept else ():
        identities = {id(parameter) for parameter in module.parameters()}
        if identities and identities <= kept:
            parts[path] = module
    return parts
