"""The scales of the figures: sparsity by what is left, time by its logarithm."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from bench.report.tables import percent


def sparsity_axis(axes: Axes, sparsities: Sequence[float], columns: int) -> None:
    """Equal steps where what is left falls by equal factors; ticks at the study's sparsities."""
    axes.set_xscale("function", functions=(_removed, _sparsity))
    low, high = _removed(np.array([sparsities[0], sparsities[-1]]))
    margin = 0.06 * (high - low) or 0.1
    # Below 0 there is no sparsity, but the markers there need room.
    axes.set_xlim(*_sparsity(np.array([low - margin, high + margin])))
    axes.set_xticks(_apart(sparsities, 0.04 * max(2, columns)), minor=False)
    axes.set_xticks(list(sparsities), minor=True)
    axes.set_xticklabels([percent(sparsity) for sparsity in axes.get_xticks()])


def _apart(sparsities: Sequence[float], least: float) -> list[float]:
    """The sparsities whose labels don't run into one another, from the highest down."""
    places = _removed(np.array(sparsities))
    width = float(places[-1] - places[0])
    kept = [len(sparsities) - 1]
    for index in reversed(range(len(sparsities) - 1)):
        if places[kept[-1]] - places[index] >= least * width:
            kept.append(index)
    return [sparsities[index] for index in reversed(kept)]


def _removed(sparsity: NDArray[np.float64]) -> NDArray[np.float64]:
    left = 1 - np.asarray(sparsity, dtype=np.float64)
    return -np.log10(np.maximum(left, 1e-12))


def _sparsity(removed: NDArray[np.float64]) -> NDArray[np.float64]:
    left: NDArray[np.float64] = np.power(10.0, -np.asarray(removed, dtype=np.float64))
    return 1 - left


def time_axis(axes: Axes, seconds: pd.Series) -> None:
    """Whole decades, so that ticks have short labels."""
    axes.set_xscale("log")
    if seconds.empty:
        return
    low = np.floor(np.log10(seconds.min() * 0.8))
    high = np.ceil(np.log10(seconds.max() * 1.25))
    axes.set_xlim(10**low, 10**high)
