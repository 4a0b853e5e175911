"""The summary of a study's grid over seeds: what failed or hasn't run is counted and named."""

from typing import Any

import pandas as pd

from bench.jobs.record import Record
from bench.report.columns import GROUP, PANEL, columns


def summary(table: pd.DataFrame, model: type[Record] = Record) -> pd.DataFrame:
    """One row for each pair, allocation, protocol, label and sparsity of `frame`'s result.

    The columns `FIELD_STATISTIC` are what the fields of the records, which are of the type `model`,
    declare to be taken over the seeds that are ok: `accuracy_std` is the sample standard deviation
    (NaN for one seed). `ok` of `expected` seeds have a result; `status` is `ok`, `partial`, or what
    the cell came to instead, and `problems` says why. Methods, pairs and allocations are in the
    order of their first appearance.
    """
    wanted: dict[str, tuple[str, str]] = {
        name: (column, statistic)
        for name, column, statistic in columns(model).over_seeds
        if column in table
    }
    wanted |= {"ok": ("status", "count"), "expected": ("status", "size")}
    measured = list(dict.fromkeys(source for source, _ in wanted.values()))
    good = table[measured].where(table.status == "ok")
    keys = [table[name] for name in GROUP]
    result = good.groupby(keys, sort=False, observed=True).agg(**wanted)
    result["method"] = table.groupby(GROUP, sort=False).method.first()
    problems = _problems(table)
    result["status"] = [
        _status(ok, expected, problems.get(key, []))
        for key, ok, expected in zip(result.index, result.ok, result.expected, strict=True)
    ]
    result["problems"] = [_sentence(problems.get(key, [])) for key in result.index]
    return _in_order(result.reset_index())


Missing = tuple[int, str, str]


def _problems(table: pd.DataFrame) -> dict[Any, list[Missing]]:
    """Seed, status and reason of every cell that isn't ok, by group."""
    found: dict[Any, list[Missing]] = {}
    bad = table[table.status != "ok"]
    for *key, seed, status, reason in bad[[*GROUP, "seed", "status", "reason"]].itertuples(
        index=False, name=None
    ):
        found.setdefault(tuple(key), []).append((seed, status, reason))
    return found


def _status(ok: int, expected: int, problems: list[Missing]) -> str:
    if ok:
        return "ok" if ok == expected else "partial"
    return next((status for _, status, _ in problems if status != "missing"), "missing")


def _sentence(problems: list[Missing]) -> str:
    """Such as `seeds 0, 2: failed (no memory); seed 1: has not run`."""
    seeds: dict[tuple[str, str], list[str]] = {}
    for seed, status, reason in problems:
        seeds.setdefault((status, reason), []).append(str(seed))
    parts = []
    for (status, reason), which in seeds.items():
        fate = "has not run" if status == "missing" else status
        because = f" ({reason})" if reason else ""
        parts.append(f"seed{'s' * (len(which) > 1)} {', '.join(which)}: {fate}{because}")
    return "; ".join(parts)


def _in_order(result: pd.DataFrame) -> pd.DataFrame:
    """Pairs, allocations, protocols and labels by first appearance, sparsities ascending."""
    ranks = {name: pd.factorize(result[name])[0] for name in [*PANEL, "label"]}
    order = pd.DataFrame({**ranks, "sparsity": result.sparsity}).sort_values(GROUP).index
    result = result.loc[order].reset_index(drop=True)
    rest = [name for name in result.columns if name not in {*GROUP, "method"}]
    return result[[*PANEL, "label", "method", "sparsity", *rest]]
