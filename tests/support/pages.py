"""The HTML report as text, and what is in it."""

import json
import re
from pathlib import Path

from bench.jobs.cell import Cell
from bench.report import write_page


def make_page(cells: list[Cell], out: Path, **more: object) -> str:
    """The page alone, without the figures, which take longer."""
    path = write_page(more.pop("title", "Example"), more.pop("description", ""), cells, out, **more)
    return path.read_text(encoding="utf-8")


def own(text: str) -> str:
    """The page without scripts, styles and data."""
    return re.sub(r"<(script|style).*?</\1>", "", text, flags=re.DOTALL)


def data(text: str) -> dict:
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    return json.loads(found)
