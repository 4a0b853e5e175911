"""Methods side by side, paired by seed: at each sparsity, and by the area under the curve."""

from collections.abc import Hashable, Sequence
from typing import Any

import pandas as pd

from bench.common.statistics.contest import contest
from bench.common.statistics.inference import LEVEL, area, holm, paired_difference
from bench.jobs.metric import ACCURACY, Metric
from bench.report.best import fair
from bench.report.columns import PANEL, metric_of

AREA = "area"
COLUMNS = (
    *("quantity", *PANEL, "sparsity", "label", "n", "mean", "std"),
    *("baseline", "paired", "difference", "low", "high", "p", "p_holm", "significant"),
    *("p_best", "standing"),
)


def common_sparsities(cells: pd.DataFrame) -> list[float]:
    """Where every method of the panel that has any result has one, ascending."""
    good = cells[cells.status == "ok"]
    methods = good.label.nunique()
    counts = good.groupby("sparsity").label.nunique()
    return [float(str(sparsity)) for sparsity, count in counts.items() if count == methods]


def areas(cells: pd.DataFrame, sparsities: Sequence[float]) -> pd.DataFrame:
    """The area under each curve [seeds, labels], in the unit of the panel's metric.

    The trapezoids over `sparsities` divided by their range. A seed without a result at one of them
    has no area.
    """
    good = cells[(cells.status == "ok") & cells.sparsity.isin(sparsities)]
    curves = good.pivot(index=["label", "seed"], columns="sparsity", values=metric_of(cells).column)
    curves = curves.reindex(columns=list(sparsities)).dropna()
    values = [area(sparsities, row) for row in curves.to_numpy()]
    return _in_order(pd.Series(values, index=curves.index, dtype="float64").unstack("label"), cells)


def compare_panel(cells: pd.DataFrame, baseline: str | None) -> pd.DataFrame:
    """All comparisons of one pair, allocation and protocol: rows with the columns `COLUMNS`.

    `cells` are rows of the report's `frame`. `quantity` is the metric's name or `area`; the latter
    needs two common sparsities. Without a baseline there are no differences.
    """
    good = cells[cells.status == "ok"]
    parts, metric = [], metric_of(cells)
    for sparsity, here in good.groupby("sparsity"):
        values = here.pivot(index="seed", columns="label", values=metric.column)
        rows = compare_column(_in_order(values, cells), baseline, metric, comparable=fair(here))
        parts.append(rows.assign(quantity=metric.name, sparsity=float(str(sparsity))))
    sparsities = common_sparsities(cells)
    curves = areas(cells, sparsities) if len(sparsities) > 1 else pd.DataFrame()
    if len(curves):
        rows = compare_column(curves, baseline, metric, comparable=fair(good))
        parts.append(rows.assign(quantity=AREA, sparsity=float("nan")))
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    where = {name: cells[name].iloc[0] for name in PANEL}
    return pd.concat(parts, ignore_index=True).assign(**where).reindex(columns=list(COLUMNS))


def compare_column(
    values: pd.DataFrame,
    baseline: str | None,
    metric: Metric = ACCURACY,
    *,
    comparable: bool = True,
) -> pd.DataFrame:
    """One row for each method of `values` [seeds, labels], in which gaps are NaN.

    `difference` to the baseline has a two-sided 95 % t interval over the seeds that both have;
    `p_holm` is corrected over the methods of this column. `standing` is `best` where the method
    with the best mean is ahead of every other one by the rule of `contest`, as in
    the report (`p_best` is the greatest of those corrected p-values), then `second` for the next
    mean. Nobody is where the results aren't `comparable`, such as under unequal budgets.
    """
    rows = []
    for label in values:
        own = values[label].dropna()
        row: dict[str, Any] = {"label": label, "n": len(own), "mean": own.mean(), "std": own.std()}
        rows.append(row | _against(values, label, baseline))
    table = pd.DataFrame(rows)
    table["p_holm"] = holm(list(table.p))
    table["significant"] = table.p_holm < LEVEL
    return table.assign(**_standing(metric.sign * values, comparable))


def _against(values: pd.DataFrame, label: Hashable, baseline: str | None) -> dict[str, Any]:
    """The paired difference of a method to the baseline; NaN for the baseline itself."""
    nothing = float("nan")
    keys = ("paired", "difference", "low", "high", "p")
    if label == baseline or baseline not in values:
        return {"baseline": baseline, **dict.fromkeys(keys, nothing)}
    both = values[[label, baseline]].dropna()
    result = paired_difference(both[label], both[baseline])
    low, high = result.mean - result.half, result.mean + result.half
    numbers = (result.n, result.mean, low, high, result.p)
    return {"baseline": baseline, **dict(zip(keys, numbers, strict=True))}


def _standing(values: pd.DataFrame, comparable: bool) -> dict[str, list[Any]]:
    """Who is ahead of every other method, and who follows; high values are good."""
    found = contest(values.to_numpy(dtype="float64").T)
    p_best, standing = [float("nan")] * len(found.order), [""] * len(found.order)
    if found.p_values:
        p_best[found.order[0]] = float(pd.Series(found.p_values).max(skipna=False))
    if found.clear and comparable:
        standing[found.order[0]], standing[found.order[1]] = "best", "second"
    return {"p_best": p_best, "standing": standing}


def _in_order(values: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """The columns in the order of the study, without methods that have no value."""
    return values.reindex(columns=[label for label in cells.label.unique() if label in values])
