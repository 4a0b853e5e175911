"""Makes a table of what a user has at hand: a pair of arrays, a torch dataset or a loader."""

from collections.abc import Iterable
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor

from bench.common.errors import UserError
from datasets.own.table import Table, checked, tensor_of

LONGEST = 200
"""The most characters shown of an error from code outside the suite."""


def table_of(where: str, data: Any) -> Table:
    """Return the checked table of `data`.

    It is a tuple of inputs [n, ...] and labels [n], each a tensor or an array; or a map-style
    dataset, whose items are (input, label); or a loader, which gives batches of both. A dataset is
    read once, from its first item to its last. `where` begins every error. Raises `UserError`.
    """
    if isinstance(data, tuple):
        if len(data) != 2:
            raise UserError(
                f"{where}: a tuple of {len(data)} was given, where (inputs, labels) is expected."
            )
        return checked(where, *data)
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, dict):
        return checked(where, *_items(where, data))
    if isinstance(data, Iterable) and not isinstance(data, dict | str | bytes):
        return checked(where, *_batches(where, data))
    raise UserError(
        f"{where}: a {type(data).__name__} was given, where a tuple (inputs, labels), a dataset of "
        "items (input, label) or a loader of batches of both is expected."
    )


def _items(where: str, data: Any) -> tuple[Tensor, Tensor]:
    """Return the items of a map-style dataset, stacked."""
    inputs, labels = [], []
    for index in range(len(data)):
        what = f"{where}, item {index:,}"
        try:
            item = data[index]
        except Exception as error:  # the dataset is the user's own code, and may raise anything
            reason = shorten(f"{type(error).__name__}: {error}", LONGEST)
            raise UserError(f"{what}: it can't be read ({reason}).") from error
        given, label = _two(what, item)
        inputs.append(given)
        labels.append(label)
    return _joined(where, inputs, torch.stack), _joined(where, labels, torch.stack)


def _batches(where: str, data: Iterable[Any]) -> tuple[Tensor, Tensor]:
    """Return the batches of a loader, one after the other."""
    pairs = [_two(f"{where}, batch {number:,}", batch) for number, batch in enumerate(data)]
    inputs, labels = [one for one, _ in pairs], [other for _, other in pairs]
    return _joined(where, inputs, torch.cat), _joined(where, labels, torch.cat)


def _two(where: str, item: Any) -> tuple[Tensor, Tensor]:
    if not isinstance(item, tuple | list) or len(item) != 2:
        kind = f"a dict of {', '.join(map(str, item))}" if isinstance(item, dict) else ""
        kind = kind or f"{type(item).__name__}"
        raise UserError(f"{where}: it is {kind}, where (input, label) is expected.")
    try:
        return _values(item[0]), _values(item[1])
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: a part of it {error}.") from error


def _values(value: Any) -> Tensor:
    """Return a part of an item as a tensor; a picture as its pixels [channels, h, w]."""
    from PIL import Image

    if isinstance(value, Image.Image):
        from torchvision.transforms.functional import pil_to_tensor

        pixels: Tensor = pil_to_tensor(value)
        return pixels
    return tensor_of(value)


def _joined(where: str, parts: list[Tensor], join: Any) -> Tensor:
    """Return the parts in one tensor; raises `UserError` where their shapes or types differ."""
    if not parts:
        raise UserError(f"{where}: there are no examples.")
    whole = join is torch.stack
    first = parts[0]
    for index, part in enumerate(parts):
        mine, others = (p.shape if whole else p.shape[1:] for p in (part, first))
        if mine != others or part.dtype != first.dtype or not (whole or part.dim()):
            raise UserError(
                f"{where}: number {index:,} has the shape {list(part.shape)} of {part.dtype}, the "
                f"first has {list(first.shape)} of {first.dtype}, where all must be alike."
            )
    joined: Tensor = join(parts)
    return joined
