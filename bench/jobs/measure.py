"""How a field of a record is shown: declared beside the field itself, read by all that shows it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import BaseModel

Unit = Literal["", "%", "nats", "×", "s", "bytes", "FLOPs"]
"""What a value is counted in; without a unit it is a plain count or a text."""
Statistic = Literal["mean", "std", "min", "max", "median"]
"""What several values come to; `std` is the sample standard deviation."""


@dataclass(frozen=True)
class Measure:
    """The declaration of a field that has a column of its own in the frame and in `cells.csv`.

    `label` names it where people read. `over_seeds` are its columns `FIELD_STATISTIC` in the
    summary. `page` says where the page has it: as a column of its table of records, in its data
    alone (which its CSV download holds), among the facts of a pair, or nowhere. `cost` is its
    heading in the table of costs, of which `over_cells` says what stands there; with
    `cost_if_known` the column is left out where no cell has a value. `parts` are the names that
    divide the value of a dictionary: `phase_seconds` with the part `update` is the column
    `update_seconds`. A column stands in the order of declaration, unless it comes `before` another.
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


class Declared(NamedTuple):
    """A column that a measure declares: its name, the field it is read from, and its type.

    The type is `float`, `int`, `str`, or `list` for texts that are joined; `part` is the key within
    the field's dictionary, if it is one.
    """

    name: str
    field: str
    type: type
    measure: Measure
    part: str = ""


def declared(model: type[BaseModel]) -> list[Declared]:
    """The columns that the fields of `model` declare, in their order.

    Raises `TypeError` where a field comes before a column that there isn't.
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
    """`float` of `float | None` and of `dict[str, float]`; a literal is text."""
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
