"""The sparsity of each layer in the records, as the mean over seeds."""

from collections.abc import Sequence

import pandas as pd

from bench.jobs.cell import Cell
from bench.report.columns import GROUP

Key = tuple[str, str, str, str, float]


def layer_means(
    cells: Sequence[Cell], means: pd.DataFrame
) -> tuple[dict[str, list[str]], list[list[float | None] | None]]:
    """The names of each pair's layers, and for each row of `means` their sparsities.

    A row is in the order of its pair's names; None stands for a row without any result, and for a
    layer that its records don't name.
    """
    names: dict[str, list[str]] = {}
    found: dict[Key, dict[str, list[float]]] = {}
    for cell in cells:
        job, record = cell.job, cell.record
        if record is None or record.status != "ok":
            continue
        key = (job.pair, job.allocation, job.protocol, cell.label, job.sparsity)
        own = found.setdefault(key, {})
        known = names.setdefault(job.pair, [])
        for name, value in record.layer_sparsity.items():
            own.setdefault(name, []).append(value)
            if name not in known:
                known.append(name)
    rows: list[list[float | None] | None] = []
    for key in means[GROUP].itertuples(index=False, name=None):
        layers = found.get(key)
        rows.append([_mean(layers.get(name)) for name in names[key[0]]] if layers else None)
    return names, rows


def _mean(values: list[float] | None) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
