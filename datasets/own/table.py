"""A table of examples: inputs and labels as tensors, checked once where they come in."""

from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from bench.common.errors import UserError


class Table(NamedTuple):
    """Inputs [n, ...] and labels [n]; `names` are those of the classes, where the files have any.

    Once checked, inputs are uint8, floating-point or int64, and labels are int64.
    """

    inputs: Tensor
    labels: Tensor
    names: tuple[str, ...] | None = None


class Files(Protocol):
    """Files of the user's that hold a table."""

    def read(self, name: str) -> Table:
        """Return their table, still unchecked, for the dataset `name`; raises `UserError`."""

    def missing(self) -> str:
        """Return what isn't there, as the beginning of a sentence; empty if all is. Quick."""


def tensor_of(values: object) -> Tensor:
    """Return the values as a tensor on the CPU, without gradients; raises `TypeError` if they can't
    be one."""
    if isinstance(values, Tensor):
        if values.layout is not torch.strided:
            raise TypeError(f"is a tensor of the layout {values.layout}, where a dense one is due")
        return values.detach().cpu()
    if isinstance(values, Path | str | bytes) or values is None:
        raise TypeError(f"is {values!r}, where an array is expected")
    array = np.array(values)  # a copy: a tensor may not share memory that is read-only
    try:
        return torch.from_numpy(array)
    except TypeError as error:
        raise TypeError(f"is an array of {array.dtype}, where numbers are expected") from error


def checked(where: str, inputs: Any, labels: Any, names: tuple[str, ...] | None = None) -> Table:
    """Return the table of these arrays in the types that splits have.

    `where` begins every error, such as "The dataset leaves, its test data". Raises `UserError` for
    what is no number, for shapes that don't go together, and for NaN or infinite inputs.
    """
    found = {}
    for what, values in (("inputs", inputs), ("labels", labels)):
        try:
            found[what] = tensor_of(values)
        except (TypeError, ValueError) as error:
            raise UserError(f"{where}: {what} {error}.") from error
    given, marks = _inputs(where, found["inputs"]), _labels(where, found["labels"])
    if len(given) != len(marks):
        raise UserError(f"{where}: there are {len(given):,} inputs and {len(marks):,} labels.")
    if not len(marks):
        raise UserError(f"{where}: there are no examples.")
    return Table(given, marks, names)


def _inputs(where: str, inputs: Tensor) -> Tensor:
    if inputs.dim() < 2 or (not inputs[:1].numel() and len(inputs)):
        raise UserError(
            f"{where}: inputs have the shape {list(inputs.shape)}, where [examples, ...] is "
            "expected; a single number for each example is [examples, 1]."
        )
    if inputs.is_complex() or inputs.is_quantized:
        raise UserError(f"{where}: inputs are {inputs.dtype}, where real numbers are expected.")
    if inputs.dtype == torch.bool:
        return inputs.float()
    if not inputs.is_floating_point():
        return inputs if inputs.dtype == torch.uint8 else inputs.long()
    if not bool(inputs.sum().isfinite()):
        bad = ~inputs.isfinite().flatten(1).all(1)
        if bool(bad.any()):
            first = int(bad.nonzero()[0])
            kind = "NaN" if bool(inputs[first].isnan().any()) else "an infinite number"
            raise UserError(
                f"{where}: inputs hold {kind} in {int(bad.sum()):,} of {len(inputs):,} examples, "
                f"first in that of index {first:,}: fill in or leave out what isn't known."
            )
    return inputs


def _labels(where: str, labels: Tensor) -> Tensor:
    if labels.dim() != 1:
        hint = "; of one column for each class take labels.argmax(1)" if labels.dim() == 2 else ""
        raise UserError(
            f"{where}: labels have the shape {list(labels.shape)}, where [examples] is "
            f"expected{hint}."
        )
    if labels.is_floating_point() or labels.is_complex():
        raise UserError(
            f"{where}: labels are {labels.dtype}, where the number of each example's class is "
            "expected, as whole numbers from 0."
        )
    return labels.long()


def check_classes(where: str, table: Table, classes: int) -> None:
    """Raise `UserError` for a label that isn't one of the classes, 0 to `classes` - 1."""
    wrong = (table.labels < 0) | (table.labels >= classes)
    if bool(wrong.any()):
        first = int(wrong.nonzero()[0])
        raise UserError(
            f"{where}: the label of the example of index {first:,} is {int(table.labels[first])}, "
            f"where the {classes:,} classes are 0 to {classes - 1}."
        )
