"""Describes what a model consists of beside its weights."""

from torch import Tensor, nn

from bench.fingerprint.values import Described, Inner, bits, describe, described, shape

_OF_EVERY_MODULE = frozenset(vars(nn.Module()))
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")


def structure(
    model: nn.Module,
    inner: Inner = describe,
    every_value: bool = False,
) -> Described:
    """Describe a model beside its weights: classes, attributes, names, shapes, types, tied tensors.

    The values of tensors count if a checkpoint doesn't hold them; with `every_value` all count.
    """
    first: dict[int, str] = {}
    parts: list[Described] = []
    for place, module in model.named_modules():
        attributes = {n: v for n, v in vars(module).items() if n not in _OF_EVERY_MODULE}
        hooks = [list(vars(module)[name].values()) for name in _HOOKS]
        parts.append([place, inner(type(module)), inner(attributes), inner(hooks)])
        for name, parameter in module._parameters.items():
            tied = first.setdefault(id(parameter), f"{place}.{name}")
            parts.append([place, name, tied, *_tensor(parameter, every_value)])
        for name, buffer in module._buffers.items():
            held = name not in module._non_persistent_buffers_set
            parts.append([place, name, held, *_tensor(buffer, every_value or not held)])
    return parts


def _tensor(tensor: Tensor | None, value: bool) -> list[Described]:
    if tensor is None:
        return ["None"]
    return [bits(tensor) if value else shape(tensor), tensor.requires_grad]


@described.register
def _(value: nn.Module, inner: Inner) -> Described:
    return structure(value, inner, every_value=True)
