"""Published values beside ours, as tables."""

from collections.abc import Sequence

import pandas as pd

from bench.common.errors import UserError
from bench.report.numerals import DASH, percent
from bench.report.tables.tables import Entry, Footnotes, Row, Table

COLUMNS = ("pair", "label", "sparsity", "ours", "theirs", "difference", "verdict", "source")


def published_tables(verdicts: pd.DataFrame | None) -> list[Table]:
    """A table for each pair that `verdicts` names; none where there are no verdicts.

    `sparsity` is a fraction, `ours`, `theirs` and `difference` are percent of the test split.
    Raises `UserError` where a column is missing.
    """
    if verdicts is None or verdicts.empty:
        return []
    if absent := [name for name in COLUMNS if name not in verdicts.columns]:
        raise UserError(
            f"Verdicts need the columns {', '.join(COLUMNS)}; missing: {', '.join(absent)}."
        )
    return [_table(str(pair), part) for pair, part in verdicts.groupby("pair", sort=False)]


def _table(pair: str, verdicts: pd.DataFrame) -> Table:
    footnotes = Footnotes()
    columns = verdicts[list(COLUMNS[1:])].itertuples(index=False, name=None)
    rows: Sequence[Row] = [
        Row(
            str(label),
            [
                Entry(percent(sparsity)),
                Entry(_number(ours)),
                Entry(_number(theirs)),
                Entry(_number(difference, sign="+")),
                Entry(str(verdict), mark=footnotes.mark(str(source)) if source else ""),
            ],
        )
        for label, sparsity, ours, theirs, difference, verdict, source in columns
    ]
    return Table(
        pair=pair,
        kind="published",
        setting=pair,
        caption=f"Published top-1 test accuracy in percent beside ours, {pair}; the footnotes name "
        "where each value was published.",
        corner="method",
        columns=["sparsity\n(%)", "ours", "published", "difference", "verdict"],
        rows=rows,
        notes=footnotes.listed(dash=False),
    )


def _number(value: float, sign: str = "") -> str:
    return DASH if pd.isna(value) else f"{value:{sign}.2f}"
