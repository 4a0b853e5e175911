"""The page put together: template, styles, scripts and data in one file."""

import base64
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bench.report.answer import answers
from bench.report.columns import columns
from bench.report.figures.palette import looks
from bench.report.frame import Cell, record_type
from bench.report.gaps import gaps
from bench.report.numerals import percent
from bench.report.page.bundle import chart_library
from bench.report.page.conditions import audits, configurations, environments, facts, troubles
from bench.report.page.content import content, inline
from bench.report.page.glyphs import glyph
from bench.report.tables.tables import Table

_HERE = Path(__file__).parent
STYLES = ("base.css", "parts.css", "tables.css")
SCRIPTS = (
    *("data.js", "state.js", "chart.js", "curves.js", "tradeoff.js", "phases.js"),
    *("layers.js", "records.js", "again.js", "start.js"),
)

_DRAWN = ("curves", "tradeoff", "layers")
_SECTIONS = (
    *(("curves", "Accuracy"), ("tradeoff", "Cost"), ("phases", "Time")),
    *(("layers", "Layers"), ("tables", "Tables")),
    *(("budget", "Budget"), ("problems", "Without result"), ("setup", "Configuration")),
    ("records", "Records"),
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
    refresh: int | None = None,
) -> str:
    """The whole HTML file; `records` is the address of the records' folder as seen from it.

    With `refresh` a browser loads it anew after so many seconds.
    """
    style = "\n".join((_HERE / "style" / name).read_text(encoding="utf-8") for name in STYLES)
    own = "\n".join((_HERE / "script" / name).read_text(encoding="utf-8") for name in SCRIPTS)
    own = f'"use strict";\n(() => {{\n{own}}})();'
    drawn = bool((means.ok > 0).any()) if len(means) else False
    divided = any(part.kind == "phases" for part in tables)
    scripts = [chart_library(), own] if drawn else [own]
    data = content(cells, table, means) | {"title": title, "folder": records}
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
            drawn=drawn,
            divided=divided,
            data_rows=len(table),
            data_allocations=table.allocation.nunique(),
            sections=_sections(drawn, divided) if cells else [],
            style=style,
            scripts=scripts,
            data=inline(data),
            policy=_policy(style, scripts),
        )
    )


def _sections(drawn: bool, divided: bool) -> list[tuple[str, str]]:
    """Anchor and name of the sections that there are."""
    absent = set() if drawn else {*_DRAWN, "phases"}
    absent |= set() if divided else {"phases"}
    return [section for section in _SECTIONS if section[0] not in absent]


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
