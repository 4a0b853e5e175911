"""Published values beside a study's own, as the frame that its report takes."""

from collections.abc import Sequence

import pandas as pd

from bench.check.published import published
from bench.check.reproduction import judge
from bench.report import Cell
from bench.report.tables.published import COLUMNS


def published_beside(cells: Sequence[Cell]) -> pd.DataFrame:
    """A row for each published value that a cell of ours answers, with the verdict on it."""
    values = published().select(None, {cell.job.pair for cell in cells})
    rows = [
        (
            item.value.pair,
            item.ours.label,
            item.value.sparsity,
            item.ours.mean,
            item.value.value,
            item.difference,
            item.verdict + (f": {item.reason}" if item.reason else ""),
            f"{item.value.table}: {item.value.source}",
        )
        for item in judge(values, cells)
        if item.ours is not None
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
