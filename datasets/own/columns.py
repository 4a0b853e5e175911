"""Turns columns of an Arrow table into tensors: numbers, lists of numbers, and labels."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.common.errors import UserError


def is_image(column: Any) -> bool:
    """Return whether the column holds image files, by themselves or as Hugging Face's structs."""
    import pyarrow.types as kinds

    kind = column.type
    if kinds.is_struct(kind):
        return int(kind.get_field_index("bytes")) >= 0
    return bool(kinds.is_binary(kind)) or bool(kinds.is_large_binary(kind))


def numbers(name: str, column: Any) -> Tensor:
    """Return a column of numbers [n], or of lists of one length [n, length], nested or not.

    Raises `UserError` for empty places, lists of several lengths, and what is no number.
    """
    import pyarrow.types as kinds
    from pyarrow import compute

    values = column.combine_chunks()
    if hasattr(values, "chunks"):  # pyarrow gives back a chunked array that has several chunks
        values = values.chunk(0) if values.num_chunks else values
    values = getattr(values, "storage", values)
    shape = [len(values)]
    _refuse_empty(name, values, "rows")
    while (
        kinds.is_list(values.type)
        or kinds.is_large_list(values.type)
        or kinds.is_fixed_size_list(values.type)
    ):
        lengths = compute.list_value_length(values).unique().to_pylist()
        if len(lengths) > 1:
            raise UserError(
                f"The column {name} holds lists of {min(lengths):,} to {max(lengths):,} entries, "
                "where all must have the same length."
            )
        shape.append(lengths[0] if lengths else 0)
        values = values.flatten()
        values = getattr(values, "storage", values)
        _refuse_empty(name, values, "entries")
    if not (
        kinds.is_integer(values.type)
        or kinds.is_floating(values.type)
        or kinds.is_boolean(values.type)
    ):
        raise UserError(f"The column {name} holds {values.type}, where numbers are expected.")
    array = np.array(values.to_numpy(zero_copy_only=False))
    return torch.from_numpy(array).reshape(shape)


def labels_of(name: str, column: Any) -> tuple[Tensor, tuple[str, ...] | None]:
    """Return labels [n], and the names of the classes if the column holds texts, sorted."""
    import pyarrow.types as kinds

    kind = column.type.value_type if kinds.is_dictionary(column.type) else column.type
    if not (kinds.is_string(kind) or kinds.is_large_string(kind)):
        return numbers(name, column), None
    _refuse_empty(name, column, "rows")
    words = column.to_pylist()
    names = tuple(sorted(set(words)))
    place = {word: number for number, word in enumerate(names)}
    return torch.tensor([place[word] for word in words], dtype=torch.int64), names


def _refuse_empty(name: str, values: Any, what: str) -> None:
    if values.null_count:
        raise UserError(
            f"The column {name} is empty in {values.null_count:,} of {len(values):,} {what}: fill "
            "in or leave out what isn't known."
        )
