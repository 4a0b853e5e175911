"""What a kind of figure is: its data, its axes, and who draws it. `kinds` declares them all."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from bench.jobs.metric import ACCURACY, Metric
from bench.report.columns import GROUP, metric_of
from bench.report.figures.palette import Look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Scale = Literal["linear", "log", "kept"]
"""`kept` has equal steps where what is left of a fraction falls by equal factors."""


@dataclass(frozen=True)
class Axis:
    """One axis: the column of the summary that is drawn along it, its title and its scale.

    `title` says in brackets what is counted; `narrow` stands for it where panels are narrow. A
    value is multiplied by `times` where it is written, such as by 100 for a fraction in percent.
    `unit` is how a value is written, see `bench.jobs.measure`. `ticks` are the values that may be
    marked, `few_ticks` those where there is little room; without any, the drawing chooses.
    """

    title: str
    column: str = ""
    scale: Scale = "linear"
    narrow: str = ""
    times: float = 1.0
    unit: str = ""
    ticks: tuple[float, ...] = ()
    few_ticks: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        """The title without what stands in brackets, for an axis whose ticks have a unit."""
        return self.title.partition(" (")[0]


@dataclass(frozen=True)
class Kind:
    """One kind of figure, declared once for print and for the page.

    Data: each row of the summary is a point at the columns of `x` and `y`, and `band` are the
    columns of its worst and best seed; or each is a bar that `parts` divides, named parts and their
    columns, with the column `whole` beside it and shares instead of lengths if `share`. `front`
    asks for the Pareto front, of low values if `lower`; a panel without a point says `without`.

    Print: `printed` makes the figure of a sheet, or None where the records hold nothing for it;
    `linked` figures stand in the Markdown report. `above` is a second scale above the x axis.

    Page: `form` is the name of the `FORMS` in `page/script` by which it is drawn in the section of
    this name, and `choice` what a reader chooses it by among the kinds of that section.
    """

    name: str
    x: Axis
    y: Axis
    band: tuple[str, str] = ("accuracy_min", "accuracy_max")
    parts: Mapping[str, str] = field(default_factory=dict)
    whole: str = ""
    share: bool = False
    front: bool = False
    lower: bool = False
    without: str = "no result"
    printed: "Callable[[Sheet], Figure | None] | None" = None
    linked: bool = False
    above: Axis | None = None
    form: str = ""
    section: str = ""
    choice: str = ""

    def judged_by(self, metric: Metric) -> "Kind":
        """The kind for a pair with this metric: in place of accuracy its own axis and name.

        It is logarithmic where lower is better, as pruning multiplies such a metric.
        """
        if self.y.column != f"{ACCURACY.column}_mean" or metric is ACCURACY:
            return self
        column = f"{metric.column}_mean"
        axis = Axis(metric.axis, column, "log", narrow=metric.narrow, unit=metric.unit)
        band = f"{metric.column}_min", f"{metric.column}_max"
        name = metric.name if self.name == ACCURACY.name else self.name
        return replace(self, name=name, y=axis, band=band, lower=metric.lower)

    def points(self, means: pd.DataFrame) -> pd.DataFrame:
        """The rows of the summary as points: `GROUP`, method, ok, status, x, y, low and high.

        x is missing where there is no result, and where a logarithmic axis has no place for it.
        """
        x = means[self.x.column].astype("float64")
        if self.x.scale == "log":
            x = x.where((means.ok > 0) & (x > 0))
        low, high = self.band
        return means[[*GROUP, "method", "ok", "status"]].assign(
            x=x, y=means[self.y.column], low=means[low], high=means[high]
        )

    def has_data(self, means: pd.DataFrame) -> bool:
        """Whether a bar has a known part; points and lines say themselves where there are none."""
        columns = list(self.parts.values())
        return not columns or bool(means[columns].notna().any(axis=None))

    def declaration(self) -> dict[str, Any]:
        """What the page's script reads of this kind."""
        return {
            **{"name": self.name, "form": self.form, "section": self.section},
            **{"x": _axis(self.x), "y": _axis(self.y), "band": self.band},
            **{"parts": self.parts, "whole": self.whole},
            **{"share": self.share, "front": self.front, "lower": self.lower},
        }


def _axis(axis: Axis) -> dict[str, Any]:
    return {
        **{"title": axis.title, "name": axis.name, "column": axis.column, "scale": axis.scale},
        **{"times": axis.times, "unit": axis.unit, "ticks": axis.ticks},
    }


@dataclass(frozen=True)
class Section:
    """A chart of the page: its heading, its name in the list of contents, and its note.

    `switch` names the choice among its kinds. `sparsities` says whether it shows one sparsity that
    the reader chooses, with `all` as a choice or without, or always all of them. Beneath it stands
    the `legend` of all charts, or what can't be shown of a pair where it `says_gaps`; `style` is a
    class of its style sheet. In its texts `{metric}` is the pairs' metric, `{Metric}` the same as a
    first word, and `{better}` what a better result is.
    """

    name: str
    contents: str
    heading: str
    note: str
    switch: str = ""
    sparsities: Literal["one", "one or all", "all"] = "one"
    style: str = ""
    legend: bool = False
    says_gaps: bool = False

    def named_after(self, metrics: Collection[Metric]) -> "Section":
        """The section with the names of these metrics in its texts."""
        metric = " or ".join(dict.fromkeys(one.noun for one in metrics)) or ACCURACY.noun
        better = "better" if any(one.lower for one in metrics) else "more accurate"
        words = {"metric": metric, "Metric": metric[0].upper() + metric[1:], "better": better}
        texts = (self.contents, self.heading, self.note)
        contents, heading, note = (text.format(**words) for text in texts)
        return replace(self, contents=contents, heading=heading, note=note)


@dataclass(frozen=True)
class Sheet:
    """One figure of one pair: its kind, its file without a suffix, and the pair's part of the data.

    `means` and `cells` are rows of the results of `summary` and `frame`, `layers` a list of
    sparsities in the order of `names` for each row of `means`. `dense` is the metric of the dense
    model, NaN where it isn't known.
    """

    kind: Kind
    path: Path
    means: pd.DataFrame
    cells: pd.DataFrame
    dense: float
    style: dict[str, Look]
    layers: pd.Series
    names: Sequence[str]
    small: bool = False

    @property
    def metric(self) -> Metric:
        """The metric of the pair."""
        return metric_of(self.cells)
