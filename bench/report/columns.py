"""The columns of a study's data frame, as the fields of its records declare them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from bench.jobs.budget import Budget
from bench.jobs.findings import PARTS
from bench.jobs.measure import Declared, Measure, Statistic, declared
from bench.jobs.metric import ACCURACY, METRICS, Metric
from bench.jobs.record import Environment, Record

PANEL = ["pair", "allocation", "protocol"]
GROUP = [*PANEL, "label", "sparsity"]
IDENTITY = ("label", "key", "pair", "method", "allocation", "sparsity", "seed", "protocol")
SETTINGS = ("training", "schedule", "hyperparameters")
PART_SECONDS = tuple(f"{part}_seconds" for part in PARTS)
RESOURCES = tuple(Budget.model_fields)

RATIOS = {
    "compression": Measure("compression", "×", over_seeds=("mean",)),
    "speedup": Measure("speed-up", "×", over_seeds=("mean",)),
}
"""What `frame` computes of several fields."""

# In the order in which a reader compares: how good, how small, how long, how large, how many.
_PAGE_UNITS = ("%", "nats", "×", "s", "bytes", "FLOPs", "")


class OverSeeds(NamedTuple):
    """A column of the summary: its name, the column of the frame, and what is taken of it."""

    name: str
    column: str
    statistic: Statistic


@dataclass(frozen=True)
class Columns:
    """The columns that one type of record declares; each has a name in the frame.

    `numbers` and `counts` are fractional and whole numbers of a record, `texts` what else it says;
    `environment` are columns of its environment.
    """

    numbers: Sequence[Declared]
    counts: Sequence[Declared]
    texts: Sequence[Declared]
    environment: Sequence[Declared]

    @property
    def names(self) -> list[str]:
        """All columns of the frame, in order."""
        return [
            *(*IDENTITY, "control", "status", "reason"),
            *(column.name for column in (*self.numbers, *self.counts)),
            *RATIOS,
            *(f"spent_{name}" for name in RESOURCES),
            *(f"limit_{name}" for name in RESOURCES),
            *(column.name for column in self.environment),
            *SETTINGS,
            *(column.name for column in self.texts),
        ]

    @property
    def measures(self) -> dict[str, Measure]:
        """The declaration of every column of the frame that was measured, in the frame's order."""
        return {
            **_measures((*self.numbers, *self.counts)),
            **RATIOS,
            **{f"spent_{name}": measure for name, measure in _measures(declared(Budget)).items()},
            **_measures((*self.environment, *self.texts)),
        }

    @property
    def over_seeds(self) -> list[OverSeeds]:
        """The columns of the summary, in order."""
        found = [
            OverSeeds(f"{name}_{statistic}", name, statistic)
            for name, measure in self.measures.items()
            for statistic in measure.over_seeds
        ]
        # FLOPs stand behind the ratios that are made of them.
        return sorted(found, key=lambda one: one.column == "flops")

    def on_page(self, *where: str) -> dict[str, Measure]:
        """The columns that the page has in these places, in the order of its table."""
        found = [(name, one) for name, one in self.measures.items() if one.page in where]
        return dict(sorted(found, key=lambda item: _PAGE_UNITS.index(item[1].unit)))

    @property
    def if_known(self) -> list[str]:
        """The columns that a frame of pairs judged by accuracy doesn't have."""
        every = (*self.numbers, *self.counts, *self.texts)
        return [column.name for column in every if column.measure.if_known]

    @property
    def costs(self) -> dict[str, Measure]:
        """The columns of the table of costs, what every record knows before what only some do."""
        found = [(name, measure) for name, measure in self.measures.items() if measure.cost]
        return dict(sorted(found, key=lambda item: item[1].cost_if_known))


def columns(model: type[Record] = Record) -> Columns:
    """The columns that records of this type have; a field without a `Measure` has none."""
    every = declared(model)
    return Columns(
        numbers=[column for column in every if column.type is float],
        counts=[column for column in every if column.type is int],
        texts=[column for column in every if column.type in (str, list)],
        environment=declared(Environment),
    )


def metric_of(cells: pd.DataFrame) -> Metric:
    """The metric of some rows of the frame, which are of one pair.

    A frame without a column of metrics is of pairs that are judged by accuracy.
    """
    return METRICS[cells.metric.iloc[0]] if "metric" in cells and len(cells) else ACCURACY


def heading(measure: Measure) -> str:
    """The label, with the sign of percent where numbers stand without it."""
    return f"{measure.label} (%)" if measure.unit == "%" else measure.label


def _measures(found: Iterable[Declared]) -> dict[str, Measure]:
    return {column.name: column.measure for column in found}
