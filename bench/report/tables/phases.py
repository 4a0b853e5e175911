"""Where pruning time goes: the median seconds of each phase."""

import pandas as pd

from bench.jobs.findings import PARTS
from bench.report.captions import only_protocol, setting, timed_on
from bench.report.columns import PART_SECONDS
from bench.report.numerals import DASH, seconds
from bench.report.tables.tables import Row, Table, TableCell

TOTAL = "total"


def phase_medians(cells: pd.DataFrame) -> pd.DataFrame:
    """Median seconds of each part, over the cells of a label that are ok and divide their time.

    One row per label, in the order of `cells`; the columns are `PARTS` and `total`, the median
    of the whole and so not quite the sum. NaN where nothing is known.
    """
    known = cells[(cells.status == "ok") & cells[PART_SECONDS[0]].notna()]
    columns = [*PART_SECONDS, "prune_seconds"]
    medians = known.groupby("label", sort=False)[columns].median()
    medians.columns = [*PARTS, TOTAL]
    return medians.reindex(list(dict.fromkeys(cells.label)))


def phase_table(cells: pd.DataFrame) -> Table | None:
    """Seconds by phase for one pair and allocation; None where no record divides them."""
    medians = phase_medians(cells)
    if medians[TOTAL].isna().all():
        return None
    first = cells.iloc[0]
    rows = [
        Row(str(label), [TableCell(DASH if pd.isna(value) else seconds(value)) for value in values])
        for label, *values in medians[[TOTAL, *PARTS]].itertuples(name=None)
    ]
    return Table(
        pair=str(first.pair),
        kind="phases",
        setting=setting(cells),
        caption=_caption(cells),
        corner="method",
        columns=[TOTAL, *PARTS],
        over="median seconds",
        allocation=str(first.allocation),
        protocol=only_protocol(cells),
        rows=rows,
        notes=[(DASH, "no record that divides its time")] if medians[TOTAL].isna().any() else [],
        abreast=len(PARTS) + 1,
    )


def _caption(cells: pd.DataFrame) -> str:
    return " ".join(
        part
        for part in (
            f"Where the time of pruning goes, {setting(cells)}: medians over the cells of all "
            "sparsities and seeds that are ok. Gradients are passes through the model, inverse is "
            "curvature and the scores made of it, selection is the mask, update the move of the "
            "survivors, rest what lies outside these four.",
            timed_on(cells),
        )
        if part
    )
