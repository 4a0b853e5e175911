"""Tables as GitHub Markdown and as plain text for a terminal."""

import re
from collections.abc import Sequence

from tabulate import tabulate

from bench.report.tables.tables import Row, Table, TableCell

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_PLAIN = {"best": "*%s*", "second": "_%s_", "": "%s"}


def escape(text: str) -> str:
    """Plain text as GitHub Markdown on one line, with no markup or HTML of its own."""
    line = printable(text)
    marked = re.sub(r"[\\`*_{}\[\]#|~$^!]", lambda sign: "\\" + sign[0], line)
    return re.sub(r"[&<>]", lambda sign: _ENTITIES[sign[0]], marked)


def printable(text: str) -> str:
    """The text on one line and without control characters, such as those that colour a terminal."""
    return "".join(sign for sign in " ".join(text.split()) if sign.isprintable())


def markdown(table: Table) -> str:
    """Caption, table and footnotes; the caption is a paragraph above the table."""
    body = [_row(row, len(table.columns)) for row in (*table.lead, *table.rows)]
    heads = [_corner(table), *(escape(column) for column in table.columns)]
    align = ["left", *["right"] * len(table.columns)]
    grid = tabulate(body, heads, tablefmt="pipe", colalign=align, disable_numparse=True)
    notes = [_note(mark, text) for mark, text in table.notes]
    return "\n\n".join([escape(table.caption), grid, *(["<br>\n".join(notes)] if notes else [])])


def _corner(table: Table) -> str:
    over = f", by {escape(table.over)}" if table.over else ""
    return escape(table.corner) + over


def _row(row: Row, columns: int) -> list[str]:
    return [escape(row.heading), *(_written(cell) for cell in _repeated(row, columns))]


def _repeated(row: Row, columns: int) -> Sequence[TableCell]:
    """The cells of a row; one that holds for all columns is repeated, as none can span."""
    return list(row.table_cells) * columns if len(row.table_cells) == 1 else row.table_cells


def _written(cell: TableCell) -> str:
    spread = f" ± {escape(cell.spread)}" if cell.spread else ""
    mark = f"<sup>{cell.mark}</sup>" if cell.mark else ""
    text = escape(cell.text)
    marked = {"best": f"**{text}**", "second": f"<ins>{text}</ins>"}
    return marked.get(cell.rank, text) + spread + mark


def _note(mark: str, text: str) -> str:
    raised = f"<sup>{mark}</sup>" if mark.isalpha() else mark
    return f"{raised} {escape(text)}"


def plain(table: Table) -> str:
    """Caption, table and footnotes for a terminal."""
    body = [_plain_row(row, len(table.columns)) for row in (*table.lead, *table.rows)]
    heads = [table.corner, *(column.replace("\n", " ") for column in table.columns)]
    align = ["left", *["right"] * len(table.columns)]
    grid = tabulate(body, heads, tablefmt="simple", colalign=align, disable_numparse=True)
    notes = [f"{mark} {printable(text)}" for mark, text in table.notes]
    return "\n".join([grid, *notes])


def _plain_row(row: Row, columns: int) -> list[str]:
    table_cells = (
        _PLAIN[cell.rank] % cell.text
        + (f" ± {cell.spread}" if cell.spread else "")
        + (f" [{cell.mark}]" if cell.mark else "")
        for cell in _repeated(row, columns)
    )
    return [printable(row.heading), *table_cells]


def document(title: str, description: str, status: str, sections: Sequence[str]) -> str:
    """A whole page: title, description, how much of the study has run, and the sections."""
    paragraphs = [escape(part) for part in description.split("\n\n") if part.strip()]
    return "\n\n".join([f"# {escape(title)}", *paragraphs, status, *sections]) + "\n"
