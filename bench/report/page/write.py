"""The page put together: template, styles, scripts and data in one file."""

import base64
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bench.jobs.cell import Cell
from bench.jobs.metric import Metric
from bench.report.answer import answers
from bench.report.columns import columns, metric_of
from bench.report.figures.kind import Kind, Section
from bench.report.figures.kinds import SECTIONS
from bench.report.figures.palette import looks
from bench.report.frame import record_type
from bench.report.gaps import gaps
from bench.report.numerals import percent
from bench.report.page.bundle import chart_library
from bench.report.page.conditions import audits, configurations, environments, facts, troubles
from bench.report.page.content import content, inline
from bench.report.page.glyphs import glyph
from bench.report.tables.tables import Table

_HERE = Path(__file__).parent
STYLES = ("base.css", "parts.css", "tables.css")
_FIRST, _LAST = ("data.js", "state.js", "chart.js"), ("records.js", "again.js", "start.js")
_CONTENTS = (
    *(("tables", "Tables"), ("budget", "Budget"), ("problems", "Without result")),
    *(("setup", "Configuration"), ("records", "Records")),
)


def page(
    title: str,
    description: str,
    progress: str,
    cells: Sequence[Cell],
    table: pd.DataFrame,
    means: pd.DataFrame,
    tables: Sequence[Table],
    records: str | None,
    kinds: Sequence[Kind],
    refresh: int | None = None,
) -> str:
    """The whole HTML file; `records` is the address of the records' folder as seen from it.

    With `refresh` a browser loads it anew after so many seconds.
    """
    style = "\n".join((_HERE / "style" / name).read_text(encoding="utf-8") for name in STYLES)
    own = "\n".join(path.read_text(encoding="utf-8") for path in scripts_of_page())
    own = f'"use strict";\n(() => {{\n{own}}})();'
    drawn = bool((means.ok > 0).any()) if len(means) else False
    metrics = [metric_of(part) for _, part in table.groupby("pair", sort=False)]
    charts = _charts(means, kinds, metrics) if drawn else []
    scripts = [chart_library(), own] if drawn else [own]
    data = content(cells, table, means, kinds) | {"title": title, "folder": records}
    methods = dict(zip(means.label, means.method, strict=True))
    return (
        _template()
        .get_template("report.html")
        .render(
            title=title,
            refresh=refresh,
            paragraphs=[part for part in description.split("\n\n") if part.strip()],
            progress=progress,
            counts=table.status.value_counts().to_dict(),
            answers=answers(table),
            tables=tables,
            audits=audits(table, means),
            troubles=troubles(table),
            gaps=[
                (pair, sentence)
                for pair, own in means.groupby("pair", sort=False)
                for sentence in gaps(own)
            ],
            configurations=configurations(cells),
            environments=environments(cells),
            facts=facts(table, columns(record_type(cells))),
            looks={label: glyph(look) for label, look in looks(methods.items()).items()},
            charts=charts,
            data_rows=len(table),
            data_allocations=table.allocation.nunique(),
            contents=[*((c.section.name, c.section.contents) for c in charts), *_CONTENTS]
            if cells
            else [],
            style=style,
            scripts=scripts,
            data=inline(data),
            policy=_policy(style, scripts),
        )
    )


class Chart(NamedTuple):
    """A section of the page that has a chart, and the kinds that it can show."""

    section: Section
    kinds: Sequence[Kind]


def _charts(means: pd.DataFrame, kinds: Sequence[Kind], metrics: Sequence[Metric]) -> list[Chart]:
    """The charts of which some kind has something to show."""
    found = []
    for section in SECTIONS:
        own = [kind for kind in kinds if kind.form and kind.section == section.name]
        if any(kind.has_data(means) for kind in own):
            found.append(Chart(section.named_after(metrics), own))
    return found


def scripts_of_page() -> list[Path]:
    """The page's scripts in the order in which they are read: a form of charts is one of them."""
    known = {path.name: path for path in sorted((_HERE / "script").glob("*.js"))}
    forms = [name for name in known if name not in (*_FIRST, *_LAST)]
    return [known[name] for name in (*_FIRST, *forms, *_LAST)]


def address(folder: Path, page_folder: Path) -> str:
    """The folder as a relative address for a page in `page_folder`."""
    return quote(Path(os.path.relpath(folder, page_folder)).as_posix())


def _template() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    return environment


def _policy(style: str, scripts: Sequence[str]) -> str:
    """Nothing from the network, and no script but these, whatever the text of a record holds."""
    allowed = " ".join(_hash(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
