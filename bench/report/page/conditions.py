"""What the page says beside the curves: budgets, failures, configuration and environments."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from bench.jobs.cell import Cell
from bench.jobs.job import canonical_json
from bench.report.columns import PANEL, RESOURCES, Columns, heading
from bench.report.numerals import percent
from bench.report.panels import panels


class Share(NamedTuple):
    """The most that one cell spent of a resource, its limit, and how many cells went over."""

    spent: int
    limit: int

    @property
    def percent(self) -> float:
        """Of the limit; nothing spent of nothing allowed is 0."""
        return 100 * self.spent / self.limit if self.limit else 0.0


class Audit(NamedTuple):
    """The budget of one pair, allocation and protocol, and what each label spent of it."""

    pair: str
    allocation: str
    protocol: str
    kinds: int
    resources: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Share | None], int]]


class Trouble(NamedTuple):
    """Cells that came to the same end for the same reason."""

    status: str
    reason: str
    label: str
    cells: Sequence[str]


def audits(table: pd.DataFrame, means: pd.DataFrame) -> list[Audit]:
    """An audit for each panel; `rows` are label, shares in order of `resources`, cells over."""
    found = []
    for part, own in panels(table, means):
        limits = part[[f"limit_{name}" for name in RESOURCES]]
        spent = part[[f"spent_{name}" for name in RESOURCES]].max().fillna(0)
        used = [
            name for name in RESOURCES if limits[f"limit_{name}"].max() or spent[f"spent_{name}"]
        ]
        by_label = dict(iter(part.groupby("label", sort=False)))
        rows = [_audited(label, by_label[label], used) for label in dict.fromkeys(own.label)]
        first = part.iloc[0]
        kinds = len(limits.drop_duplicates())
        found.append(Audit(first.pair, first.allocation, first.protocol, kinds, used, rows))
    return found


def _audited(
    label: str, part: pd.DataFrame, resources: Sequence[str]
) -> tuple[str, list[Share | None], int]:
    shares = []
    for name in resources:
        spent, limit = part[f"spent_{name}"].max(), part[f"limit_{name}"].max()
        shares.append(None if pd.isna(spent) else Share(int(spent), int(limit)))
    return label, shares, int((part.status == "over-budget").sum())


def troubles(table: pd.DataFrame) -> list[Trouble]:
    """What failed, was skipped, went over its budget or hasn't run, by status and reason."""
    found: dict[tuple[str, str, str], list[str]] = {}
    several = table.protocol.nunique() > 1
    columns = ["status", "reason", "label", *PANEL, "sparsity", "seed"]
    bad = table.loc[table.status != "ok", columns]
    for status, reason, label, *panel, sparsity, seed in bad.itertuples(index=False, name=None):
        where = ", ".join(panel if several else panel[:2])
        cell = f"{where}, {percent(sparsity)} %, seed {seed}"
        found.setdefault((status, reason, label), []).append(cell)
    order = {"failed": 0, "over-budget": 1, "skipped": 2, "missing": 3}
    listed = [Trouble(*key, cells) for key, cells in found.items()]
    return sorted(listed, key=lambda trouble: order[trouble.status])


def configurations(cells: Sequence[Cell]) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Label, method and every hyper-parameter of each method of the study."""
    found: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for cell in cells:
        values = cell.job.hyperparameters
        fields = [(name, _said(value)) for name, value in values.items()]
        found[(cell.label, cell.job.method, canonical_json(values))] = fields
    return [(label, method, fields) for (label, method, _), fields in found.items()]


def _said(value: Any) -> str:
    return value if isinstance(value, str) else canonical_json(value)


def environments(cells: Sequence[Cell]) -> list[tuple[list[tuple[str, str]], int]]:
    """Every environment that records came from, as name and value, and how many came from it."""
    counts: Counter[tuple[tuple[str, str], ...]] = Counter()
    for cell in cells:
        if cell.record:
            found: dict[str, Any] = cell.record.environment.model_dump()
            versions = found.pop("versions")
            values = [*found.items(), *versions.items()]
            counts[tuple((name, "unknown" if v is None else str(v)) for name, v in values)] += 1
    return [(list(environment), count) for environment, count in counts.most_common()]


def facts(table: pd.DataFrame, declared: Columns) -> list[tuple[str, list[tuple[str, str]]]]:
    """Pair by pair: what records say of it, such as dense accuracy, sizes and checkpoint."""
    return [(str(pair), _facts(part, declared)) for pair, part in table.groupby("pair", sort=False)]


def _facts(part: pd.DataFrame, declared: Columns) -> list[tuple[str, str]]:
    result = []
    for name, measure in declared.on_page("pair").items():
        if name not in part:
            continue
        values = part[name]
        known = list((values.round(4) if values.dtype == "float64" else values).dropna().unique())
        said = [f"{value:,}" if not isinstance(value, str) else value for value in known]
        result.append((heading(measure), " or ".join(said[:5]) or "no record yet"))
    return result
