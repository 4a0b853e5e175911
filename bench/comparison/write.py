"""A comparison as text, Markdown, CSV, LaTeX and a diagram."""

from pathlib import Path

import pandas as pd

from bench.comparison.compare import Comparison
from bench.comparison.conditions import warnings
from bench.comparison.paired import COLUMNS
from bench.comparison.ranks import spans
from bench.errors import UserError
from bench.report import latex, markdown
from bench.report.palette import looks


def comparison_text(comparison: Comparison) -> str:
    """The tables and findings as plain text for a terminal."""
    titles = {
        "compare-accuracy": "top-1 test accuracy (%), mean ± std; *best*, _second_",
        "compare-difference": f"difference to {comparison.baseline}, ± half the 95 % interval; "
        "*significant*",
        "compare-area": "area under the curve (%), and what was spent",
        "compare-ranks": "mean rank, 1 is best",
    }
    parts = [
        f"{table.setting}: {titles[table.kind]}\n\n{markdown.plain(table)}"
        for table in comparison.tables
    ]
    ending = [*comparison.findings, comparison.conditions.stamp(), *comparison.notes]
    return "\n\n".join([*parts, *map(markdown.printable, ending)])


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
    figure = out / "figures" / "critical-difference"
    for folder in (out / "tables", figure.parent):
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
    for kind in ("pdf", "png"):
        figure.with_name(f"{figure.name}.{kind}").unlink(missing_ok=True)
    return [*files, *_draw(comparison, figure)]


def _draw(comparison: Comparison, path: Path) -> list[Path]:
    ranks = comparison.ranks
    if ranks.ranking is None:
        return []
    from bench.comparison.diagram import write_diagram

    cells = comparison.cells
    note = " ".join(
        [
            *warnings(comparison.conditions.differing),
            f"Mean rank over {ranks.blocks} blocks ({spans(cells)}); best on top. Bars join "
            "methods that Nemenyi's test doesn't tell apart at 5 %.",
            *comparison.findings[:1],
            f"Held equal: {comparison.conditions.held}.",
        ]
    )
    style = looks(zip(cells.label, cells.method, strict=True))
    return write_diagram(ranks.labels, ranks.ranking, style, note, path)


def _page(comparison: Comparison) -> str:
    sections = [" ".join(markdown.escape(note) for note in comparison.notes[1:])]
    sections.append(markdown.escape(comparison.conditions.stamp()))
    sections += [markdown.markdown(table) for table in comparison.tables]
    sections.append("## Ranks over all blocks")
    if comparison.ranks.ranking is not None:
        sections.append("![critical-difference diagram](figures/critical-difference.png)")
    sections.append(" ".join(markdown.escape(part) for part in comparison.findings))
    return markdown.document(
        f"Comparison: {comparison.title}",
        "",
        comparison.notes[0],
        [section for section in sections if section],
    )


def _rows(comparison: Comparison) -> pd.DataFrame:
    """All numbers in full precision, then the ranks and Nemenyi's p-values; `differing` marks."""
    ranking = comparison.ranks.ranking
    rows = []
    if ranking is not None:
        labels = comparison.ranks.labels
        for index, label in enumerate(labels):
            common = {"label": label, "n": ranking.blocks}
            rows.append({"quantity": "mean rank", "mean": ranking.ranks[index], **common})
            for other, p in zip(labels, ranking.nemenyi[index], strict=True):
                if other != label:
                    against = {"baseline": other, "p_holm": float("nan"), "p": p}
                    rows.append({"quantity": "nemenyi", **common, **against})
    extra = pd.DataFrame(rows, columns=list(COLUMNS))
    table = (
        pd.concat([comparison.numbers, extra], ignore_index=True) if rows else comparison.numbers
    )
    return table.assign(differing="; ".join(comparison.conditions.differing))
