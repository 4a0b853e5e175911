"""The scales of the figures: sparsity by what is left, time by its logarithm, values one by one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

from bench.report.figures.kind import Axis
from bench.report.numerals import percent

_MOST_STEPS = 3
_MOST_TICKS = 6


def sparsity_axis(axes: Axes, sparsities: Sequence[float], columns: int) -> None:
    """Equal steps where what is left falls by equal factors; ticks at the study's sparsities."""
    axes.set_xscale("function", functions=(_removed, _sparsity))
    low, high = _removed(np.array([sparsities[0], sparsities[-1]]))
    margin = 0.06 * (high - low) or 0.1
    # Below 0 there is no sparsity, but the markers there need room.
    axes.set_xlim(*_sparsity(np.array([low - margin, high + margin])))
    kept = _apart(sparsities, 0.04 * max(2, columns), _removed(np.array(sparsities)))
    axes.set_xticks(kept, minor=False)
    axes.set_xticks(list(sparsities), minor=True)
    axes.set_xticklabels([percent(sparsity) for sparsity in axes.get_xticks()])


def linear_axis(axes: Axes, sparsities: Sequence[float], columns: int) -> None:
    """Equal steps of sparsity, in percent; ticks at the study's own."""
    width = sparsities[-1] - sparsities[0] or 0.1
    axes.set_xlim(sparsities[0] - 0.04 * width, sparsities[-1] + 0.04 * width)
    kept = _apart(sparsities, 0.04 * max(2, columns), np.asarray(sparsities, dtype=np.float64))
    axes.set_xticks(kept)
    axes.set_xticks(list(sparsities), minor=True)
    axes.set_xticklabels([percent(sparsity) for sparsity in kept])


def compression_axis(axes: Axes, means: pd.DataFrame, ratios: Axis, columns: int) -> None:
    """A second scale above a sparsity axis: all parameters over those kept, at ticks of `ratios`.

    The records give the share p of the parameters that is prunable, by 1 / (1 - p s) at their
    highest sparsity s; there is no such scale where it can't be known or nothing is prunable.
    """
    known = means.dropna(subset="compression_mean")
    known = known[(known.sparsity > 0) & (known.compression_mean > 1)]
    if known.empty:
        return
    top, ratio = known.sort_values("sparsity")[["sparsity", "compression_mean"]].iloc[-1]
    share = (1 - 1 / float(ratio)) / float(top)
    low, high = axes.get_xlim()
    ticks = {(1 - 1 / round_) / share: f"{round_}{ratios.unit}" for round_ in ratios.few_ticks}
    ticks = {
        position: text
        for position, text in ticks.items()
        if max(low, 0) <= position <= min(high, 1)
    }
    ends = _removed(np.array([low, high]))
    ticks = _thinned(ticks, 0.04 * max(2, columns) * float(ends[1] - ends[0]))
    above = axes.twiny()
    above.set_xscale("function", functions=(_removed, _sparsity))
    above.set_xlim(low, high)
    above.set_xticks(list(ticks), list(ticks.values()), fontsize=7, color="#505050")
    above.grid(visible=False)
    above.tick_params(length=2, pad=1.5)


def _thinned(ticks: dict[float, str], gap: float) -> dict[float, str]:
    """From the first on, those whose labels don't run into the one before."""
    kept: dict[float, str] = {}
    last = -np.inf
    for position, text in ticks.items():
        here = float(_removed(np.array(position)))
        if here - last >= gap:
            kept[position], last = text, here
    return kept


def _apart(
    sparsities: Sequence[float], least: float, positions: NDArray[np.float64]
) -> list[float]:
    """The sparsities whose labels don't run into one another: both ends, then from the top down."""
    gap = least * float(positions[-1] - positions[0])
    kept = [len(sparsities) - 1]
    for index in reversed(range(1, len(sparsities) - 1)):
        if min(positions[kept[-1]] - positions[index], positions[index] - positions[0]) >= gap:
            kept.append(index)
    ends = [0] if len(sparsities) > 1 else []
    return [sparsities[index] for index in [*ends, *reversed(kept)]]


def _removed(sparsity: NDArray[np.float64]) -> NDArray[np.float64]:
    left = 1 - np.asarray(sparsity, dtype=np.float64)
    return -np.log10(np.maximum(left, 1e-12))


def _sparsity(removed: NDArray[np.float64]) -> NDArray[np.float64]:
    left: NDArray[np.float64] = np.power(10.0, -np.asarray(removed, dtype=np.float64))
    return 1 - left


def log_axis(axes: Axes, values: pd.Series, columns: int) -> None:
    """A logarithmic axis with few ticks, written with the prefixes k, M, G."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_locator(NullLocator())
    low, high = float(values.min()), float(values.max())
    steps = (1.0, 3.0) if high > 10 * low else (1.0, 2.0, 5.0)
    axes.xaxis.set_major_locator(LogLocator(subs=steps, numticks=12))
    margin = (high / low) ** 0.06 if high > low else 1.5
    axes.set_xlim(low / margin, high * margin)
    axes.tick_params(axis="x", labelsize=7 if columns > 2 else 8)


def time_axis(axes: Axes, seconds: pd.Series) -> None:
    """A tick at every whole decade, with its unit where labels have room: 1 ms, 0.1 s as 100 ms.

    `seconds` are above zero; without any there are no ticks.
    """
    if seconds.empty:
        axes.set_xticks([])
        return
    axes.set_xscale("log")
    low = int(np.floor(np.log10(seconds.min() * 0.8)))
    high = int(np.ceil(np.log10(seconds.max() * 1.25)))
    axes.set_xlim(10.0**low, 10.0**high)
    step = -(-(high - low) // _MOST_STEPS)
    unit = EngFormatter("s")
    axes.set_xticks(
        [10.0**decade for decade in range(low, high + 1)],
        ["" if (decade - low) % step else unit(10.0**decade) for decade in range(low, high + 1)],
    )
    # Minor ticks in every panel would take longer to draw than all that is measured.
    axes.xaxis.set_minor_locator(NullLocator())


@dataclass(frozen=True)
class Positions:
    """The position of each value, and the scale it is on."""

    of: Mapping[Any, float]
    scale: Literal["log", "linear", "names"]

    def label(self, grid: Sequence[Sequence[Axes]], name: str) -> None:
        """Scale, ticks at the values, and the name beneath the lowest panel of each column."""
        axes = grid[0][0]
        axes.set_xscale("log" if self.scale == "log" else "linear")
        ticks = {position: written(value) for value, position in self.of.items()}
        shown = dict(list(ticks.items())[:: -(-len(ticks) // _MOST_TICKS)])
        axes.set_xticks(list(shown), list(shown.values()))
        axes.xaxis.set_minor_locator(NullLocator())
        for column in zip(*grid, strict=True):
            lowest = [panel for panel in column if panel.axison][-1]
            lowest.set_xlabel(name)
            lowest.tick_params(axis="x", labelbottom=True, bottom=True)


def positions(values: Iterable[Any]) -> Positions:
    """A logarithmic scale for positive numbers that span a decade or more, else a linear one.

    Values of which some are no numbers, such as a width or `full`, stand side by side in the order
    given.
    """
    distinct = list(dict.fromkeys(values))
    numbers = [value for value in distinct if isinstance(value, int | float)]
    if len(numbers) < len(distinct):
        return Positions(
            {value: float(position) for position, value in enumerate(distinct)}, "names"
        )
    ordered = {value: float(value) for value in sorted(numbers)}
    wide = bool(ordered) and min(ordered.values()) > 0
    wide = wide and max(ordered.values()) >= 10 * min(ordered.values())
    return Positions(ordered, "log" if wide else "linear")


def written(value: Any) -> str:
    """A value as a tick: powers of ten beyond a thousandth as such, the rest as they are."""
    if not isinstance(value, int | float):
        return str(value)
    exponent = np.log10(value) if value > 0 else 0.0
    if not 1e-3 < value < 1e5 and value > 0 and np.isclose(exponent, round(exponent)):
        return f"$10^{{{round(exponent)}}}$"
    return f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"
