"""The cost table: what each method took and spent, beneath what it was allowed."""

import pandas as pd

from bench.report.captions import cost_caption, only_protocol, setting
from bench.report.frame import RESOURCES
from bench.report.numerals import DASH, seconds
from bench.report.tables.tables import Entry, Row, Table


def cost_table(cells: pd.DataFrame, means: pd.DataFrame) -> Table:
    """Time, memory and budget of each method over the cells that are ok, beneath the limits.

    Where anything trains, its time and FLOPs stand beside the time of pruning.
    """
    limits = cells[[f"limit_{name}" for name in RESOURCES]].max()
    allowed = [name for name in RESOURCES if limits[f"limit_{name}"]]
    trains = bool(cells.train_seconds.notna().any())
    labels = list(dict.fromkeys(means.label))
    parts = dict(iter(cells.groupby("label", sort=False)))
    heads = ["cells\nok", "median\nseconds", "peak\nMiB"]
    heads += ["training\nseconds", "training\nTFLOPs"] if trains else []
    lead = [Entry("")] * len(heads)
    lead += [Entry(f"{limits[f'limit_{name}']:,}") for name in allowed]
    return Table(
        pair=str(means.pair.iloc[0]),
        kind="cost",
        setting=setting(cells),
        caption=cost_caption(cells),
        corner="method",
        columns=[*heads, *(name.replace("_", "\n") for name in allowed)],
        allocation=str(means.allocation.iloc[0]),
        protocol=only_protocol(cells),
        lead=[Row("limit", lead)],
        rows=[Row(label, _cost(parts[label], allowed, trains)) for label in labels],
    )


def _cost(cells: pd.DataFrame, allowed: list[str], trains: bool) -> list[Entry]:
    good = cells[cells.status == "ok"]
    peak = good.peak_bytes.max()
    spent = [good[f"spent_{name}"].max() for name in allowed]
    return [
        Entry(f"{len(good)}/{len(cells)}"),
        Entry(seconds(good.prune_seconds.median())),
        Entry(DASH if pd.isna(peak) else f"{peak / 2**20:,.1f}"),
        *(_training(good) if trains else []),
        *(Entry(DASH if pd.isna(count) else f"{count:,}") for count in spent),
    ]


def _training(good: pd.DataFrame) -> list[Entry]:
    flops = good.train_flops.max()
    return [
        Entry(seconds(good.train_seconds.median())),
        Entry(DASH if pd.isna(flops) else f"{flops / 1e12:,.3g}"),
    ]
