"""The critical-difference diagram: mean ranks on a scale, bars over methods that don't differ."""

import textwrap
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.common.statistics.inference import Ranking, cliques
from bench.report.figures import canvas
from bench.report.figures.palette import Look

_LINE = "#404040"
_ROW_INCHES = 0.165
_LETTERS = 24


def write_diagram(
    labels: tuple[str, ...], ranking: Ranking, style: Mapping[str, Look], note: str, path: Path
) -> list[Path]:
    """Write `path`.pdf and `path`.png; `note` stands beneath the diagram."""
    with canvas.settings():
        return canvas.save(diagram(labels, ranking, style, note), path)


def diagram(
    labels: tuple[str, ...], ranking: Ranking, style: Mapping[str, Look], note: str
) -> Figure:
    """One column wide. The best method is on top and furthest to the left.

    Rows are counted downwards from the scale at 0: first the bars of the cliques, then the methods.
    """
    bars = cliques(list(ranking.ranks), ranking.critical_difference)
    first = 1.0 + 0.5 * len(bars)
    names = [textwrap.shorten(label, 2 * _LETTERS, placeholder=" …") for label in labels]
    lines = [len(textwrap.wrap(name, _LETTERS)) or 1 for name in names]
    order = sorted(range(len(labels)), key=lambda index: ranking.ranks[index])
    positions, row = {order[0]: first}, first
    for above, index in pairwise(order):
        row += (lines[above] + lines[index]) / 2
        positions[index] = row
    depth = row + 0.6
    figure, [[axes]] = canvas.panels(1, 1, height=_ROW_INCHES * (depth + 1.6) + 0.3)
    axes.set_ylim(depth, -1.6)
    _scale(axes, len(labels))
    _distance(axes, ranking.critical_difference)
    for number, (low, high) in enumerate(bars):
        axes.plot([low - 0.03, high + 0.03], [0.6 + 0.5 * number] * 2, color=_LINE, linewidth=2.6,
                  solid_capstyle="butt", gid="clique", zorder=3)  # fmt: skip
    for index, position in positions.items():
        _method(axes, float(ranking.ranks[index]), position, style[labels[index]])
    _names(axes, {positions[i]: (names[i], float(ranking.ranks[i])) for i in order})
    canvas.footer(figure, note)
    return figure


def _scale(axes: Axes, methods: int) -> None:
    """Ranks from 1 to the number of methods, along the top."""
    margin = 0.02 * methods
    axes.set_xlim(1 - margin, methods + margin)
    step = -(-methods // 10)
    axes.set_xticks(range(1, methods + 1, step))
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.spines["top"].set_visible(True)
    axes.spines["top"].set_position(("data", 0))
    axes.tick_params(axis="x", top=True, bottom=False, labeltop=True, labelbottom=False, pad=1)
    axes.grid(visible=False)


def _distance(axes: Axes, distance: float) -> None:
    """The critical difference as a length above the scale."""
    axes.errorbar(
        [1 + distance / 2], [-1.75], xerr=[[distance / 2]] * 2, color=_LINE, capsize=2.2,
        elinewidth=1.0, capthick=1.0, clip_on=False, gid="critical difference",
    )  # fmt: skip
    axes.annotate(
        f"CD = {distance:.2f}",
        (1 + distance, -1.75),
        xytext=(4, 0),
        textcoords="offset points",
        verticalalignment="center",
        annotation_clip=False,
    )


def _method(axes: Axes, rank: float, position: float, look: Look) -> None:
    """From the scale down to the method's row, and from there to its name on the left."""
    left = axes.get_xlim()[0]
    axes.plot([rank, rank, left], [0, position, position], color=_LINE, linewidth=0.6, zorder=1)
    axes.plot([rank], [position], color=look.colour, marker=look.marker, markersize=4.6, zorder=2)
    axes.plot([rank], [0], color=look.colour, marker="|", markersize=5, zorder=2, clip_on=False)


def _names(axes: Axes, rows: Mapping[float, tuple[str, float]]) -> None:
    axes.set_yticks(list(rows))
    axes.set_yticklabels(
        [
            canvas.literal(f"{textwrap.fill(name, _LETTERS)}  {rank:.2f}")
            for name, rank in rows.values()
        ]
    )
    axes.tick_params(axis="y", length=0, pad=2)
