"""What each method spent of its budget, as bars."""

from matplotlib.figure import Figure

from bench.report.columns import RESOURCES
from bench.report.figures import canvas
from bench.report.figures.kind import Sheet

_BAR, _OVER = "#7F7F7F", "#D55E00"


def budget_figure(sheet: Sheet) -> Figure | None:
    """The most that one cell of each label spent, in percent of its limit: a panel for each.

    Labels with cells over their budget are hatched. None where no resource has a limit.
    """
    cells, means = sheet.cells, sheet.means
    allowed = [name for name in RESOURCES if (cells[f"limit_{name}"] > 0).any()]
    if not allowed:
        return None
    labels = [str(label) for label in dict.fromkeys(means.label)]
    figure, grid = canvas.panels(1, len(allowed), 0.75 + 0.16 * len(labels))
    over = set(cells[cells.status == "over-budget"].label)
    for axes, name in zip(grid[0], allowed, strict=True):
        share = 100 * cells[f"spent_{name}"] / cells[f"limit_{name}"].where(lambda x: x > 0)
        most = share.groupby(cells.label, sort=False).max().reindex(labels)
        shares = most.astype("float64").fillna(0)
        bars = axes.barh(range(len(labels)), shares, height=0.62, color=_BAR)
        for bar, label in zip(bars, labels, strict=True):
            if label in over:
                bar.set(facecolor="white", edgecolor=_OVER, hatch="//////")
        axes.set_title(name.replace("_", " "), loc="left")
        axes.set_xlim(0, 105)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(sheet.kind.x.title)
    grid[0][0].set_yticks(range(len(labels)), [canvas.literal(label) for label in labels])
    grid[0][0].invert_yaxis()
    hatched = " Hatched: some cells went over their budget." if over else ""
    most_spent = "The most that one cell of a method spent of its budget."
    canvas.footer(figure, f"{means.pair.iloc[0]}. {most_spent}{hatched}")
    return figure
