"""A comparison as text, Markdown, CSV, LaTeX and a diagram."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from bench.common.errors import UserError
from bench.comparison.compare import Comparison, Ranked
from bench.comparison.conditions import warnings
from bench.comparison.paired import COLUMNS
from bench.comparison.ranks import spans
from bench.jobs.protocol import PROTOCOLS
from bench.report.columns import metric_of
from bench.report.figures.palette import looks
from bench.report.tables import latex, markdown
from bench.report.tables.tables import Table

_DIAGRAM = "critical-difference"


def comparison_text(comparison: Comparison) -> str:
    """The tables and what the rankings say as plain text for a terminal."""
    titles = {
        "compare-accuracy": "{line}, mean ± std; *best*, _second_",
        "compare-difference": "difference to {baseline}, ± half the 95 % interval",
        "compare-area": "area under the curve{sign}, and what was spent",
        "compare-ranks": "mean rank, 1 is best",
    }
    parts = [
        f"{table.setting}: {_titled(titles[table.kind], comparison, table)}"
        f"\n\n{markdown.plain(table)}"
        for table in comparison.tables
    ]
    ending = [*comparison.statements, comparison.conditions.stamp(), *comparison.notes]
    return "\n\n".join([*parts, *map(markdown.printable, ending)])


def _titled(title: str, comparison: Comparison, table: Table) -> str:
    """The title with the metric of the table's pair in it."""
    metric = metric_of(comparison.cells[comparison.cells.pair == table.pair])
    words = {"line": metric.line, "baseline": comparison.baseline}
    return title.format(**words, sign=f" ({metric.unit})" if metric.unit else "")


def write_comparison(comparison: Comparison, out: Path) -> list[Path]:
    """Write `compare.md`, `compare.csv`, `tables/compare.tex`, and the diagram where there is one.

    Returns the files. A diagram of an earlier comparison is removed where there is none now.
    Raises `UserError` if `out` can't be written.
    """
    try:
        return _write(comparison, out)
    except OSError as error:
        raise UserError(
            f"The comparison can't be written to {out}: {error.strerror or error}. "
            "Choose a folder you may write to."
        ) from error


def _write(comparison: Comparison, out: Path) -> list[Path]:
    figures = out / "figures"
    for folder in (out / "tables", figures):
        folder.mkdir(parents=True, exist_ok=True)
    files = {
        out / "compare.md": _page(comparison),
        out / "compare.csv": _rows(comparison).to_csv(index=False, lineterminator="\n"),
        out / "tables" / "compare.tex": latex.document(
            comparison.tables, f"Comparison: {comparison.title}", "compare"
        ),
    }
    for path, text in files.items():
        path.write_text(text, encoding="utf-8", newline="\n")
    names = _diagrams(comparison)
    for name in (_DIAGRAM, *(f"{_DIAGRAM}-{protocol}" for protocol in PROTOCOLS)):
        for kind in ("pdf", "png"):
            (figures / f"{name}.{kind}").unlink(missing_ok=True)
    drawn = [_draw(comparison, one, figures / name) for name, one in names.items()]
    return [*files, *itertools.chain.from_iterable(drawn)]


def _diagrams(comparison: Comparison) -> dict[str, Ranked]:
    """The rankings that are drawn, by the names of their files."""
    several = len(comparison.ranked) > 1
    return {
        f"{_DIAGRAM}-{one.protocol}" if several else _DIAGRAM: one
        for one in comparison.ranked
        if one.ranks.ranking is not None
    }


def _draw(comparison: Comparison, one: Ranked, path: Path) -> list[Path]:
    from bench.comparison.diagram import write_diagram

    ranks, cells = one.ranks, comparison.cells
    assert ranks.ranking is not None
    note = " ".join(
        [
            *warnings(one.conditions.differing),
            f"Mean rank over {ranks.blocks} blocks ({spans(one.cells)}); best on top. Bars join "
            "methods that Nemenyi's test doesn't tell apart at 5 %.",
            *one.statements[:1],
            f"Held equal: {one.conditions.held}.",
        ]
    )
    style = looks(zip(cells.label, cells.method, strict=True))
    return write_diagram(ranks.labels, ranks.ranking, style, note, path)


def _page(comparison: Comparison) -> str:
    sections = [" ".join(markdown.escape(note) for note in comparison.notes[1:])]
    sections.append(markdown.escape(comparison.conditions.stamp()))
    sections += [markdown.markdown(table) for table in comparison.tables]
    sections.append("## Ranks over all blocks")
    sections += [
        f"![critical-difference diagram](figures/{name}.png)" for name in _diagrams(comparison)
    ]
    sections.append(" ".join(markdown.escape(part) for part in comparison.statements))
    return markdown.document(
        f"Comparison: {comparison.title}",
        "",
        comparison.notes[0],
        [section for section in sections if section],
    )


def _rows(comparison: Comparison) -> pd.DataFrame:
    """All numbers in full precision, then the ranks and Nemenyi's p-values; `differing` marks."""
    rows = [row for one in comparison.ranked for row in _rank_rows(one)]
    extra = pd.DataFrame(rows, columns=list(COLUMNS))
    table = (
        pd.concat([comparison.numbers, extra], ignore_index=True) if rows else comparison.numbers
    )
    return table.assign(differing="; ".join(comparison.conditions.differing))


def _rank_rows(one: Ranked) -> Iterator[dict[str, object]]:
    """The mean ranks of one protocol, and Nemenyi's p-value of each two methods."""
    ranking, labels = one.ranks.ranking, one.ranks.labels
    if ranking is None:
        return
    for index, label in enumerate(labels):
        common = {"protocol": one.protocol, "label": label, "n": ranking.blocks}
        yield {"quantity": "mean rank", "mean": ranking.ranks[index], **common}
        for other, p in zip(labels, ranking.nemenyi[index], strict=True):
            if other != label:
                against = {"baseline": other, "p_holm": float("nan"), "p": p}
                yield {"quantity": "nemenyi", **common, **against}
