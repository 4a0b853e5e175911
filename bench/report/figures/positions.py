"""Where the values of a hyper-parameter stand on an axis: by logarithm, by size, or one by one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

_MOST_TICKS = 6


@dataclass(frozen=True)
class Places:
    """The place of each value, and the scale it is on."""

    of: Mapping[Any, float]
    scale: Literal["log", "linear", "names"]

    def label(self, grid: Sequence[Sequence[Axes]], name: str) -> None:
        """Scale, ticks at the values, and the name beneath the lowest panel of each column."""
        axes = grid[0][0]
        axes.set_xscale("log" if self.scale == "log" else "linear")
        ticks = {place: written(value) for value, place in self.of.items()}
        shown = dict(list(ticks.items())[:: -(-len(ticks) // _MOST_TICKS)])
        axes.set_xticks(list(shown), list(shown.values()))
        axes.xaxis.set_minor_locator(NullLocator())
        for column in zip(*grid, strict=True):
            lowest = [panel for panel in column if panel.axison][-1]
            lowest.set_xlabel(name)
            lowest.tick_params(axis="x", labelbottom=True, bottom=True)


def places(values: Iterable[Any]) -> Places:
    """A logarithmic scale for positive numbers that span a decade or more, else a linear one.

    Values of which some are no numbers, such as a width or `full`, stand side by side in the order
    given.
    """
    distinct = list(dict.fromkeys(values))
    numbers = [value for value in distinct if isinstance(value, int | float)]
    if len(numbers) < len(distinct):
        return Places({value: float(place) for place, value in enumerate(distinct)}, "names")
    ordered = {value: float(value) for value in sorted(numbers)}
    wide = bool(ordered) and min(ordered.values()) > 0
    wide = wide and max(ordered.values()) >= 10 * min(ordered.values())
    return Places(ordered, "log" if wide else "linear")


def written(value: Any) -> str:
    """A value as a tick: powers of ten beyond a thousandth as such, the rest as they are."""
    if not isinstance(value, int | float):
        return str(value)
    exponent = np.log10(value) if value > 0 else 0.0
    if not 1e-3 < value < 1e5 and value > 0 and np.isclose(exponent, round(exponent)):
        return f"$10^{{{round(exponent)}}}$"
    return f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"
