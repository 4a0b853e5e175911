"""A study: a TOML file that expands to the jobs of a grid."""

import itertools
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bench.common.errors import UserError, unknown
from bench.common.names import file_fault, label_fault, refuse_faults
from bench.common.plain_text import utf8
from bench.common.statistics.gate import Gate
from bench.jobs.allocation import Allocation
from bench.jobs.budget import Budget
from bench.jobs.cell import Cell
from bench.jobs.job import Job
from bench.jobs.protocol import PROTOCOLS, ProtocolName
from bench.jobs.recipe import Recipe
from bench.jobs.schedule import Gradual
from bench.pairs import PAIRS
from bench.study import grid
from bench.study.figure import Against

Sparsity = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
"""The fraction of the prunable weights to remove, from 0 to below 1."""

TABLES: dict[str, type[BaseModel]] = {
    "budget": Budget,
    "training": Recipe,
    "gradual": Gradual,
    "gate": Gate,
    "figure": Against,
}
"""The tables that a study file may have, with the models that validate them."""


class Study(BaseModel):
    """The content of a study file; every method runs under the same `budget`.

    `methods` maps the label that tables show to the method's fields; a label that isn't the
    method's own name is completed by `method = "..."`. `sparsities` are fractions removed. Each
    method runs in those of the `protocols` that it can. `training` is the one recipe of all
    training, `gradual` the one schedule of all gradual pruning. `recalibration` is the number of
    examples that renew BatchNorm statistics after pruning, of the dense model too. `plugins` are
    paths relative to the file's folder. `gate` says what `check` calls a regression, `figure` what
    the report draws in addition. `controls` adds sanity controls to every method. Tuning trials in
    the budget tune every method for each of its jobs.
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
    protocols: list[ProtocolName] = Field(["one-shot"], min_length=1)
    training: Recipe | None = None
    gradual: Gradual | None = None
    recalibration: int = Field(0, ge=0)
    budget: Budget
    controls: bool = False
    plugins: list[str] = []
    gate: Gate = Gate()
    figure: Against | None = None

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        hint = "a study's name is that of the folder of its records"
        refuse_faults([(name, file_fault(name))], hint)
        return name

    @field_validator("methods")
    @classmethod
    def _heads_rows(cls, methods: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        hint = "a method's label heads its row in every table"
        refuse_faults(((label, label_fault(label)) for label in methods), hint)
        return methods

    @field_validator("pairs", "allocations", "sparsities", "seeds", "protocols")
    @classmethod
    def _distinct(cls, values: list[Any]) -> list[Any]:
        if len(set(values)) < len(values):
            raise ValueError("the same value is listed twice")
        return values

    @model_validator(mode="after")
    def _trainable(self) -> "Study":
        """Check that training has a recipe and steps to use, and that gradual pruning fits in."""
        trained = [name for name in self.protocols if PROTOCOLS[name].trains]
        for table, users in (
            ("training", trained),
            ("gradual", [name for name in trained if PROTOCOLS[name].scheduled]),
        ):
            if users and getattr(self, table) is None:
                raise ValueError(f"the protocol {users[0]} needs a table [{table}]")
            if not users and getattr(self, table) is not None:
                raise ValueError(f"no protocol of the study uses the table [{table}]")
        if trained and not self.budget.training_steps:
            raise ValueError(f"the protocol {trained[0]} needs budget.training_steps above 0")
        if self.gradual is not None and self.training is not None:
            self._check_schedule(self.gradual, self.training.epochs)
        return self

    @model_validator(mode="after")
    def _prunes_once(self) -> "Study":
        """Check tuning and controls: they need protocols that prune once, and not each other."""
        grid.check_extras(self.protocols, self.budget.tuning_trials, controls=self.controls)
        return self

    def _check_schedule(self, gradual: Gradual, epochs: int) -> None:
        if gradual.end > epochs:
            raise ValueError(
                f"gradual pruning ends after {gradual.end:g} epochs, the training after {epochs}"
            )
        if min(self.sparsities) < gradual.initial_sparsity:
            raise ValueError(
                f"gradual pruning starts at the sparsity {gradual.initial_sparsity:g}, above the "
                f"target {min(self.sparsities):g}"
            )

    def cells(self) -> list[Cell]:
        """Return all jobs of the grid.

        Raises `UserError` for unknown names and impossible fields.
        """
        for pair in self.pairs:
            if pair not in PAIRS:
                raise unknown("pair", pair, PAIRS)
        variants = [
            variant
            for label, fields in self.methods.items()
            for variant in grid.variants(label, fields, self.protocols, controls=self.controls)
        ]
        grid.refuse_equal_labels(variants)
        if self.budget.tuning_trials:
            grid.check_spaces(variants)
        used = {variant.protocol for variant in variants}
        if unused := [name for name in self.protocols if name not in used]:
            raise UserError(f"No method of the study runs in the protocol {unused[0]}.")
        if self.figure is not None:
            self.figure.check({variant.label: variant.hyperparameters for variant in variants})
        axes = (self.pairs, self.allocations, variants, self.sparsities, self.seeds)
        cells = [
            Cell(
                variant.label,
                self._job(variant, pair, allocation, sparsity, seed),
                family=variant.family,
            )
            for pair, allocation, variant, sparsity, seed in itertools.product(*axes)
        ]
        grid.refuse_twins((cell.job.key, cell.label) for cell in cells)
        return cells

    def _job(
        self, variant: grid.Variant, pair: str, allocation: Allocation, sparsity: float, seed: int
    ) -> Job:
        protocol = PROTOCOLS[variant.protocol]
        return Job(
            pair=pair,
            method=variant.method,
            hyperparameters=variant.hyperparameters,
            allocation=allocation,
            sparsity=sparsity,
            seed=seed,
            protocol=variant.protocol,
            recalibration=self.recalibration,
            training=self.training if protocol.trains else None,
            schedule=self.gradual if protocol.scheduled else None,
            control=variant.control,
            budget=self.budget,
        )


def built_in() -> dict[str, Path]:
    """Return the paths of the studies that come with the suite, by name."""
    folder = Path(str(files("bench.study") / "built_in"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_study(name_or_path: str) -> Study:
    """Return the built-in study of this name, or the one in the file at this path.

    Raises `UserError` with all mistakes that the file has.
    """
    path = built_in().get(name_or_path)
    if path is None:
        path = Path(name_or_path)
        if path.suffix != ".toml":
            raise unknown("study", name_or_path, built_in())
        if not path.is_file():
            raise UserError(f"There is no study file {path}. Give a TOML file or a study's name.")
    try:
        content = tomllib.loads(utf8(path, "study file"))
    except (tomllib.TOMLDecodeError, OSError, RecursionError) as error:
        raise UserError(f"The study file {path} can't be read as TOML: {error}.") from error
    try:
        study = Study.model_validate({"name": path.stem, "title": path.stem, **content})
    except ValidationError as error:
        raise UserError(f"The study file {path} has mistakes:\n{_mistakes(error)}") from error
    plugins = [str(path.parent / plugin) for plugin in study.plugins]
    return study.model_copy(update={"plugins": plugins})


def _mistakes(error: ValidationError) -> str:
    """Return all mistakes at once, one per line, each with its key."""
    lines = []
    for item in error.errors():
        key = ".".join(map(str, item["loc"]))
        if item["type"] == "extra_forbidden":
            known = TABLES.get(key.partition(".")[0], Study).model_fields
            lines.append(f"  {key}: {unknown('key', key.rpartition('.')[2], known)}")
        elif item["type"] == "missing":
            lines.append(f"  {key}: this key is needed.")
        elif item["type"] == "value_error":
            reason = str(item["ctx"]["error"])
            end = "" if reason.endswith((".", "?")) else "."
            lines.append(f"  {key + ': ' if key else ''}{reason}{end}")
        else:
            lines.append(f"  {key}: {item['msg']}, not {item['input']!r}.")
    return "\n".join(lines)
