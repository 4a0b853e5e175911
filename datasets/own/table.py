"""A table of examples: inputs and labels as tensors, checked once where they come in."""

from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from bench.common.errors import UserError


class Table(NamedTuple):
    """Inputs [n, ...] and labels [n]; `names` are those of the classes, where the files have any.

    Once checked, inputs are uint8, floating-point or int64. Labels are int64, classes [n] or tokens
    [n, ...]; or they are floating-point, to be met by a regression.
    """

    inputs: Tensor
    labels: Tensor
    names: tuple[str, ...] | None = None

    @property
    def classified(self) -> bool:
        """Whether each example has one class."""
        return self.labels.dim() == 1 and self.labels.dtype == torch.int64


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
    _refuse_infinite(where, "inputs", inputs)
    return inputs


def _labels(where: str, labels: Tensor) -> Tensor:
    if not labels.dim() or labels.is_complex() or labels.is_quantized:
        raise UserError(
            f"{where}: labels are {labels.dtype} of the shape {list(labels.shape)}, where a whole "
            "number for each example's class is expected, [examples]."
        )
    if not labels.is_floating_point():
        return labels.long()
    _refuse_infinite(where, "labels", labels)
    return labels if labels.dtype == torch.float64 else labels.float()


def _refuse_infinite(where: str, what: str, values: Tensor) -> None:
    if not len(values) or bool(values.sum().isfinite()):
        return
    bad = ~values.isfinite().reshape(len(values), -1).all(1)
    if bool(bad.any()):
        first = int(bad.nonzero()[0])
        kind = "NaN" if bool(values[first].isnan().any()) else "an infinite number"
        raise UserError(
            f"{where}: {what} hold {kind} in {int(bad.sum()):,} of {len(values):,} examples, "
            f"first in that of index {first:,}: fill in or leave out what isn't known."
        )


def check_classes(where: str, table: Table, classes: int) -> None:
    """Raise `UserError` for a label that isn't one of the classes, 0 to `classes` - 1."""
    if table.labels.is_floating_point():
        raise UserError(
            f"{where}: labels are {table.labels.dtype}, where the numbers of {classes:,} classes "
            "are expected, as whole numbers from 0."
        )
    wrong = (table.labels < 0) | (table.labels >= classes)
    if bool(wrong.any()):
        first, value = int(wrong.nonzero()[0, 0]), int(table.labels[wrong][0])
        raise UserError(
            f"{where}: the label of the example of index {first:,} is {value}, where the "
            f"{classes:,} classes are 0 to {classes - 1}."
        )
