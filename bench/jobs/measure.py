"""Declares how a field of a record is shown, beside the field.

Everything that shows it reads this.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel

Unit = Literal["", "%", "nats", "×", "s", "bytes", "FLOPs"]
"""The unit of a value; without one it is a plain count or a text."""
Statistic = Literal["mean", "std", "min", "max", "median"]
"""How several values are aggregated; `std` is the sample standard deviation."""


@dataclass(frozen=True)
class Measure:
    """Declares that a field has a column of its own in the frame and in `cells.csv`, and how.

    `label` is its name for readers. `over_seeds` lists the statistics over seeds that the summary
    has as columns `FIELD_STATISTIC`. `page` says where the page has it: as a column of its table of
    records, in its data only (which its CSV download holds), among the facts of a pair, or nowhere.
    `cost` is its heading in the table of costs, and `over_cells` the statistic that stands there;
    with `cost_if_known` the column is left out if no cell has a value. `parts` are the keys of a
    field that is a dictionary, each of which becomes a column: `phase_seconds` with the part
    `update` is the column `update_seconds`. Columns stand in the order of declaration, unless one
    comes `before` another. One that is `if_known` is left out of a study in which no pair is judged
    by another metric than the accuracy.
    """

    label: str
    unit: Unit = ""
    over_seeds: tuple[Statistic, ...] = ()
    page: Literal["table", "data", "pair", "nowhere"] = "table"
    cost: str = ""
    over_cells: Statistic = "max"
    cost_if_known: bool = False
    parts: tuple[str, ...] = ()
    before: str = ""
    if_known: bool = False


class Declared(NamedTuple):
    """A column that a measure declares: its name, the field it is read from, and its type.

    The type is `float`, `int`, `str`, or `list` for texts that are joined. `part` is the key within
    the field's dictionary, if the field is one.
    """

    name: str
    field: str
    type: type
    measure: Measure
    part: str = ""


def declared(model: type[BaseModel]) -> list[Declared]:
    """Return the columns that the fields of `model` declare, in their order.

    Raises `TypeError` if a column is to stand before one that doesn't exist.
    """
    found: list[Declared] = []
    for column in _declared(model):
        names = [other.name for other in found]
        where = len(found)
        if column.measure.before:
            if column.measure.before not in names:
                raise TypeError(f"{column.name} comes before {column.measure.before}: there's none")
            where = names.index(column.measure.before)
        found.insert(where, column)
    return found


def _declared(model: type[BaseModel]) -> Iterator[Declared]:
    for name, field in model.model_fields.items():
        for measure in field.metadata:
            if isinstance(measure, Measure):
                kind = _type(field.annotation)
                for part in measure.parts or [""]:
                    column = f"{part}_{name.partition('_')[2]}" if part else name
                    yield Declared(column, name, kind, measure, part)


def _type(annotation: Any) -> type:
    """Return the type of a field's values.

    It is `float` for `float | None` and for `dict[str, float]`, and `str` for a literal.
    """
    known: Sequence[Any] = [part for part in get_args(annotation) if part is not NoneType]
    origin = get_origin(annotation)
    if origin is list:
        return list
    if origin is Literal:
        return str
    if known:
        return _type(known[-1])
    assert isinstance(annotation, type)
    return annotation
