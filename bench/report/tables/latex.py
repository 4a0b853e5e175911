"""Tables as LaTeX that needs the package booktabs and nothing else."""

import re
from collections.abc import Sequence
from itertools import pairwise

from bench.report.tables.markdown import printable
from bench.report.tables.tables import Row, Table, TableCell

# Stands between two hyphens, which would be set as one dash.
_APART = "\0"
_SPECIAL = {
    "\\": r"\textbackslash{}",
    **{sign: "\\" + sign for sign in "_%&#${}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # After `\\` a bracket or star would be read as its argument.
    **{"[": "{[}", "*": "{*}", _APART: "{}"},
    **{"–": "--", "—": "---", "…": r"\dots{}", "’": "'", "‘": "`", "“": "``", "”": "''"},
    **{"±": r"$\pm$", "×": r"$\times$", "−": "$-$", "≤": r"$\leq$", "≥": r"$\geq$"},
    **{"→": r"$\to$", "∞": r"$\infty$", "λ": r"$\lambda$", "μ": r"$\mu$", "σ": r"$\sigma$"},
    **{
        "χ": r"$\chi$",
        "α": r"$\alpha$",
        "β": r"$\beta$",
        "ε": r"$\epsilon$",
        "²": "$^2$",
        "·": r"$\cdot$",
    },
}


def escape(text: str) -> str:
    """Plain text as LaTeX; a sign that LaTeX may not have is named by its code point."""
    line = " ".join(text.replace(_APART, "").split())
    return "".join(_escape(sign) for sign in re.sub("-(?=-)", "-" + _APART, line))


def _escape(sign: str) -> str:
    if sign in _SPECIAL:
        return _SPECIAL[sign]
    # A Latin letter with an accent is in every font; others would stop the compiler.
    if " " <= sign <= "~" or "À" <= sign <= "ÿ":
        return sign
    return f"{{[}}U+{ord(sign):04X}]"


def document(
    tables: Sequence[Table], heading: str, command: str = "report", taken: set[str] | None = None
) -> str:
    """The tables of one pair, each a float, to be read with `\\input`; `command` wrote them.

    No two have a label in common, nor one that is in `taken`, to which theirs are added.
    """
    labels = set[str]() if taken is None else taken
    comment = printable(heading)
    origin = f"% Written from records by `python -m bench {command}`: do not edit."
    lines = [f"% {comment}", origin, ""]
    return "\n".join(lines) + "\n".join(latex(table, _label(table, labels)) for table in tables)


def _label(table: Table, taken: set[str]) -> str:
    """A new label: what the table is of, and a number where another one comes to the same."""
    stem = label = re.sub(r"[^A-Za-z0-9]+", "-", f"{table.kind} {table.setting}")
    count = 1
    while label in taken:
        count += 1
        label = f"{stem}-again-{count}"
    taken.add(label)
    return label


def latex(table: Table, label: str) -> str:
    """One table float; more columns than it wants abreast are set in blocks beneath one another."""
    blocks = [_tabular(table, columns) for columns in _blocks(len(table.columns), table.abreast)]
    lines = [
        r"\begin{table}[htbp]",
        r"\centering\small\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{escape(table.caption)}}}",
        rf"\label{{tab:{label}}}",
        r"\par\smallskip",
        "\n\n\\medskip\n".join(blocks),
        *([r"\par\smallskip", _notes(table.notes)] if table.notes else []),
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def _blocks(columns: int, abreast: int) -> list[range]:
    """The columns in as few blocks as do, of about equal width."""
    count = max(1, -(-columns // abreast))
    edges = [round(index * columns / count) for index in range(count + 1)]
    return [range(start, stop) for start, stop in pairwise(edges)]


def _tabular(table: Table, columns: range) -> str:
    heads = [escape(table.corner), *(_head(table.columns[index]) for index in columns)]
    over = rf" & \multicolumn{{{len(columns)}}}{{c}}{{{escape(table.over)}}} \\"
    lines = [
        rf"\begin{{tabular}}{{l{'r' * len(columns)}}}",
        r"\toprule",
        *([over, rf"\cmidrule(l){{2-{len(columns) + 1}}}"] if table.over else []),
        " & ".join(heads) + r" \\",
        r"\midrule",
        *(_row(row, columns) for row in table.lead),
        *([r"\midrule"] if table.lead else []),
        *(_row(row, columns) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines)


def _head(text: str) -> str:
    lines = [escape(line) for line in text.splitlines()]
    stacked = r"\\".join(lines)
    if len(lines) == 1:
        return stacked
    return rf"\begin{{tabular}}[b]{{@{{}}r@{{}}}}{stacked}\end{{tabular}}"


def _row(row: Row, columns: range) -> str:
    if len(row.table_cells) == 1:
        only = _written(row.table_cells[0])
        return rf"{escape(row.heading)} & \multicolumn{{{len(columns)}}}{{c}}{{{only}}} \\"
    table_cells = (_written(row.table_cells[index]) for index in columns)
    return " & ".join([escape(row.heading), *table_cells]) + r" \\"


def _written(cell: TableCell) -> str:
    text = escape(cell.text)
    spread = rf"{{\scriptsize$\,\pm\,${escape(cell.spread)}}}" if cell.spread else ""
    # The mark takes no room, so that digits stay under digits.
    mark = rf"\rlap{{$^{{\mathrm{{{cell.mark}}}}}$}}" if cell.mark else ""
    marked = {"best": rf"\textbf{{{text}}}", "second": rf"\underline{{{text}}}"}
    return marked.get(cell.rank, text) + spread + mark


def _notes(notes: Sequence[tuple[str, str]]) -> str:
    lines = [_note(mark, text) for mark, text in notes]
    body = "\\\\\n".join(lines)
    return f"\\parbox{{\\linewidth}}{{\\footnotesize\\raggedright\n{body}}}"


def _note(mark: str, text: str) -> str:
    raised = rf"$^{{\mathrm{{{mark}}}}}$" if mark.isalpha() else escape(mark)
    return f"{raised} {escape(text)}"
