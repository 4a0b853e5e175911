"""A study: a TOML file that expands to the jobs of a grid."""

import itertools
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bench.budget import Budget
from bench.errors import UserError, unknown
from bench.gate import Gate
from bench.job import Allocation, Job, Protocol
from bench.pairs import PAIRS
from methods import build, configuration

ALLOCATIONS: tuple[str, ...] = get_args(Allocation)
Sparsity = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]


@dataclass(frozen=True)
class Entry:
    """A job of a study under the label that its tables show."""

    label: str
    job: Job


class Study(BaseModel):
    """What a study file may say; every method runs under the one `budget`.

    `methods` maps the label that tables show to the method's fields; a label that isn't the
    method's own name says so with `method = "..."`. `sparsities` are fractions removed.
    `recalibration` examples renew BatchNorm statistics after pruning, of the dense model too.
    `plugins` are paths from the file's own folder. `gate` says what `check` calls a regression.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    title: str
    description: str = ""
    pairs: list[str] = Field(min_length=1)
    methods: dict[str, dict[str, Any]] = Field(min_length=1)
    allocations: list[Allocation] = Field(min_length=1)
    sparsities: list[Sparsity] = Field(min_length=1)
    seeds: list[Annotated[int, Field(ge=0)]] = Field(min_length=1)
    protocol: Protocol = "one-shot"
    recalibration: int = Field(0, ge=0)
    budget: Budget
    plugins: list[str] = []
    gate: Gate = Gate()

    @field_validator("pairs", "allocations", "sparsities", "seeds")
    @classmethod
    def _distinct(cls, values: list[Any]) -> list[Any]:
        if len(set(values)) < len(values):
            raise ValueError("the same value is listed twice")
        return values

    def entries(self) -> list[Entry]:
        """All jobs of the grid; raises `UserError` for unknown names and impossible fields."""
        for pair in self.pairs:
            if pair not in PAIRS:
                raise unknown("pair", pair, PAIRS)
        configured = {label: _configured(label, fields) for label, fields in self.methods.items()}
        grid = itertools.product(
            self.pairs, self.allocations, configured, self.sparsities, self.seeds
        )
        entries = [
            Entry(
                label,
                Job(
                    pair=pair,
                    method=configured[label][0],
                    hyperparameters=configured[label][1],
                    allocation=allocation,
                    sparsity=sparsity,
                    seed=seed,
                    protocol=self.protocol,
                    recalibration=self.recalibration,
                    budget=self.budget,
                ),
            )
            for pair, allocation, label, sparsity, seed in grid
        ]
        _refuse_twins(entries)
        return entries


def _configured(label: str, fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The method's name and its full configuration."""
    values = dict(fields)
    name = values.pop("method", label)
    if not isinstance(name, str):
        raise UserError(f"methods.{label}.method must be a method's name, not {name!r}.")
    return name, configuration(build(name, values))


def _refuse_twins(entries: Sequence[Entry]) -> None:
    labels: dict[str, str] = {}
    for entry in entries:
        other = labels.setdefault(entry.job.key, entry.label)
        if other != entry.label:
            raise UserError(
                f"Methods {other!r} and {entry.label!r} are the same job twice: change a field or "
                "remove one."
            )


def built_in() -> dict[str, Path]:
    """The studies that come with the suite, by name."""
    folder = Path(str(files("bench") / "studies"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_study(name_or_path: str) -> Study:
    """The built-in study of this name, or the study file at this path; raises `UserError`."""
    path = built_in().get(name_or_path)
    if path is None:
        path = Path(name_or_path)
        if path.suffix != ".toml":
            raise unknown("study", name_or_path, built_in())
        if not path.is_file():
            raise UserError(f"There is no study file {path}. Give a TOML file or a study's name.")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UserError(f"The study file {path} can't be read as TOML: {error}.") from error
    try:
        study = Study.model_validate({"name": path.stem, "title": path.stem, **content})
    except ValidationError as error:
        raise UserError(f"The study file {path} has mistakes:\n{_mistakes(error)}") from error
    plugins = [str(path.parent / plugin) for plugin in study.plugins]
    return study.model_copy(update={"plugins": plugins})


def _mistakes(error: ValidationError) -> str:
    """All mistakes at once, one a line, each with its key."""
    lines = []
    for item in error.errors():
        key = ".".join(map(str, item["loc"]))
        if item["type"] == "extra_forbidden":
            tables: dict[str, type[BaseModel]] = {"budget": Budget, "gate": Gate}
            known = tables.get(key.partition(".")[0], Study).model_fields
            lines.append(f"  {key}: {unknown('key', key.rpartition('.')[2], known)}")
        elif item["type"] == "missing":
            lines.append(f"  {key}: this key is needed.")
        else:
            lines.append(f"  {key}: {item['msg']}, not {item['input']!r}.")
    return "\n".join(lines)


@dataclass(frozen=True)
class Filters:
    """The part of a grid that a run is limited to; an empty filter lets everything pass."""

    pairs: Sequence[str] = ()
    methods: Sequence[str] = ()
    allocations: Sequence[str] = ()
    sparsities: Sequence[float] = ()
    seeds: Sequence[int] = ()

    def apply(self, entries: Sequence[Entry]) -> list[Entry]:
        """The entries that pass; raises `UserError` for a value the grid doesn't have."""
        for sparsity in self.sparsities:
            if not 0 <= sparsity < 1:
                raise UserError(
                    f"A sparsity is the fraction removed, at least 0 and below 1, not {sparsity}."
                )
        left = list(entries)
        for kind, wanted, value in (
            ("pair", self.pairs, lambda entry: entry.job.pair),
            ("method", self.methods, lambda entry: entry.label),
            ("allocation", self.allocations, lambda entry: entry.job.allocation),
            ("sparsity", self.sparsities, lambda entry: entry.job.sparsity),
            ("seed", self.seeds, lambda entry: entry.job.seed),
        ):
            _refuse_absent(kind, wanted, [value(entry) for entry in entries])
            left = [entry for entry in left if not wanted or value(entry) in wanted]
        if not left:
            raise UserError("No job of the study passes all filters together: loosen one.")
        return left


def _refuse_absent(kind: str, wanted: Iterable[Any], present: Sequence[Any]) -> None:
    for value in wanted:
        if value not in present:
            names = [str(item) for item in dict.fromkeys(present)]
            raise unknown(f"{kind} of this study called", str(value), names)


def overridden(study: Study, assignments: Sequence[str]) -> Study:
    """The study with `METHOD.FIELD=VALUE` applied to each method of that label."""
    methods = {label: dict(fields) for label, fields in study.methods.items()}
    for assignment in assignments:
        target, equals, text = assignment.partition("=")
        label, dot, field = target.rpartition(".")
        if not (equals and dot):
            raise UserError(f"--set takes METHOD.FIELD=VALUE, not {assignment!r}.")
        if label not in methods:
            raise unknown("method of this study called", label, methods)
        methods[label][field] = _value(text)
    return study.model_copy(update={"methods": methods})


def _value(text: str) -> Any:
    """A number or a truth value where the text is one in TOML, else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
