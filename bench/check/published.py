"""Numbers that papers report, each with its source, and what is known of how they were obtained."""

import csv
import functools
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from bench.common.errors import UserError, unknown
from bench.jobs.metric import ACCURACY, METRICS, Metric

FOLDER = Path(__file__).resolve().parent.parent.parent / "results" / "published"


class Value(BaseModel):
    """One row of `published.csv`: a metric, at a sparsity that is a fraction removed.

    Accuracies are in percent. `dense_accuracy` is the dense model's, of whatever metric it is.
    `std` is the standard error over the column's runs, where the source gives one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: Literal["top1", "top5", "perplexity", "mse"]
    source: str = Field(min_length=1)
    table: str = Field(min_length=1)
    model: str = Field(min_length=1)
    dataset: str = Field(min_length=1)
    dense_accuracy: float | None = Field(ge=0, allow_inf_nan=False)
    layers: str | None
    method: str = Field(min_length=1)
    sparsity: float = Field(ge=0, lt=1)
    value: float = Field(ge=0, allow_inf_nan=False)
    std: float | None = Field(ge=0, allow_inf_nan=False)
    protocol: str = Field(min_length=1)

    @field_validator("dense_accuracy", "value")
    @classmethod
    def _percent(cls, number: float | None, info: ValidationInfo) -> float | None:
        """An accuracy is at most 100; the metric's column is read before."""
        of_accuracy = info.data.get("metric") in ("top1", "top5")
        if of_accuracy and number is not None and number > 100:
            raise PydanticCustomError("percent", "Input should be less than or equal to 100")
        return number

    @property
    def judged_by(self) -> Metric:
        """The metric, accuracy for the top-5 too."""
        return METRICS[self.metric] if self.metric in ("perplexity", "mse") else ACCURACY

    @property
    def pair(self) -> str:
        """The name of the pair that it belongs to."""
        return f"{self.model}-{self.dataset}"

    @property
    def column(self) -> tuple[str, str, str]:
        """Table, pair and published method: what names the column."""
        return self.table, self.pair, self.method


class Column(BaseModel):
    """What a published column was obtained with, and which method of ours answers it, if any.

    `prunable` is the count of prunable weights, where it is known. `runs` are behind each value.
    `differences` are the ones in words that no field can show.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    table: str
    pair: str
    method: str
    ours: str | None = None
    protocol: str
    allocation: str
    hyperparameters: dict[str, Any] = {}
    prunable: int | None = Field(None, ge=1)
    runs: int = Field(1, ge=1)
    differences: list[str] = []


class PublishedValues:
    """All published values of a folder, each with its column."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """Reads `published.csv` and `columns.toml`; raises `UserError` with the line at fault."""
        self.values = _values(folder / "published.csv")
        self.columns = _columns(folder / "columns.toml")
        for value in self.values:
            if value.column not in self.columns:
                raise UserError(
                    f"{folder / 'columns.toml'} has no column for {' / '.join(value.column)}, "
                    "which published.csv names: say there how it was obtained."
                )

    def select(self, table: str | None, pairs: set[str]) -> list[tuple[Value, Column]]:
        """The values of these pairs, of one table or of all; raises `UserError` for no such table.

        A table that is named but has nothing of these pairs is a mistake too.
        """
        tables = dict.fromkeys(value.table for value in self.values)
        if table is not None and table not in tables:
            raise unknown("published table", table, tables)
        found = [
            (value, self.columns[value.column])
            for value in self.values
            if value.pair in pairs and table in (None, value.table)
        ]
        if table is not None and not found:
            raise UserError(
                f"The published table {table} has no value of the pairs {', '.join(sorted(pairs))}."
            )
        return found


@functools.cache
def published_values() -> PublishedValues:
    """The numbers that come with the suite."""
    return PublishedValues()


def _values(path: Path) -> list[Value]:
    """The rows of the file; all mistakes at once, each with its line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The published numbers {path} can't be read: {error}.") from error
    reader = csv.DictReader(text.splitlines(), restkey="more")
    values, mistakes, lines = [], [], dict[Any, int]()
    for row in reader:
        try:
            value = Value.model_validate({n: v if v != "" else None for n, v in row.items()})
        except ValidationError as error:
            mistakes += [_mistake(reader.line_num, item) for item in error.errors()]
            continue
        first = lines.setdefault((value.column, value.sparsity, value.metric), reader.line_num)
        if first != reader.line_num:
            mistakes.append(f"  line {reader.line_num}: the same cell as line {first}.")
        values.append(value)
    if mistakes:
        raise UserError(f"The published numbers {path} have mistakes:\n" + "\n".join(mistakes))
    return values


def _mistake(line: int, item: Any) -> str:
    column = ".".join(map(str, item["loc"]))
    if item["type"] == "missing":
        return f"  line {line}, column {column}: this column is needed."
    if item["type"] == "extra_forbidden":
        return f"  line {line}, column {column}: there is no such column, or a comma too many."
    return f"  line {line}, column {column}: {item['msg']}, not {item['input']!r}."


def _columns(path: Path) -> dict[tuple[str, str, str], Column]:
    """The columns by table, pair and published method."""
    try:
        listed = tomllib.loads(path.read_text(encoding="utf-8")).get("column", [])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"The published columns {path} can't be read: {error}.") from error
    columns = dict[tuple[str, str, str], Column]()
    for number, fields in enumerate(listed, 1):
        try:
            column = Column.model_validate(fields)
        except ValidationError as error:
            item = error.errors()[0]
            key = ".".join(map(str, item["loc"]))
            raise UserError(f"Column {number} of {path}, {key}: {item['msg']}.") from error
        name = (column.table, column.pair, column.method)
        if name in columns:
            raise UserError(f"Column {number} of {path} is there twice: {' / '.join(name)}.")
        columns[name] = column
    return columns
