"""Frozen parameters: those that the model's builder returns with `requires_grad=False`.

They keep their bits through every training. A part of the model all of whose parameters are frozen,
for instance a BatchNorm layer or a whole stem, keeps its running statistics too. PyTorch would
update these from the data and so change what the part computes. BatchNorm renewal after pruning,
where a study asks for it, renews them like all others.
"""

from collections.abc import Collection

from torch import nn
from torch.nn.modules.batchnorm import _NormBase


def frozen_parameters(model: nn.Module) -> frozenset[str]:
    """Return the names of the parameters that don't train, by the flags the builder gave them."""
    return frozenset(name for name, p in model.named_parameters() if not p.requires_grad)


def set_trainable(model: nn.Module, frozen: Collection[str]) -> None:
    """Set `requires_grad` on all parameters but the frozen ones."""
    kept = _identities(model, frozen)
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) not in kept)


def frozen_norms(model: nn.Module, frozen: Collection[str]) -> list[nn.Module]:
    """Return the normalisation layers inside parts of the model that are frozen as a whole."""
    parts = _frozen_parts(model, frozen).values()
    return [m for part in parts for m in part.modules() if isinstance(m, _NormBase)]


def frozen_state(model: nn.Module, frozen: Collection[str]) -> set[str]:
    """Return the state-dict names of all frozen parameters and of the buffers of frozen parts."""
    kept = _identities(model, frozen)
    every = model.named_parameters(remove_duplicate=False)
    names = {name for name, parameter in every if id(parameter) in kept}
    for path, part in _frozen_parts(model, frozen).items():
        names |= {name for name, _ in part.named_buffers(prefix=path, remove_duplicate=False)}
    return names


def _identities(model: nn.Module, frozen: Collection[str]) -> set[int]:
    return {id(model.get_parameter(name)) for name in frozen}


def _frozen_parts(model: nn.Module, frozen: Collection[str]) -> dict[str, nn.Module]:
    """Return the modules, by name, that have parameters of which none trains."""
    kept = _identities(model, frozen)
    parts = {}
    for path, module in model.named_modules(remove_duplicate=False) if kept else ():
        identities = {id(parameter) for parameter in module.parameters()}
        if identities and identities <= kept:
            parts[path] = module
    return parts
