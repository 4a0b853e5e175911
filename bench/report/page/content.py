"""What the page's script reads: records and their summary as compact JSON."""

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from bench.jobs.cell import Cell
from bench.jobs.measure import Measure
from bench.jobs.metric import ACCURACY
from bench.report.columns import GROUP, PANEL, columns, heading, metric_of
from bench.report.figures.kind import Kind
from bench.report.figures.palette import PART_COLOURS, looks
from bench.report.frame import record_type
from bench.report.layers import layer_means
from bench.report.page.glyphs import glyph, shades

_FIRST = ("label", *PANEL, "sparsity", "seed", "status", "reason")
_DIGITS = 6


def content(
    cells: Sequence[Cell], table: pd.DataFrame, means: pd.DataFrame, kinds: Sequence[Kind]
) -> dict[str, Any]:
    """Columns of records and of means over seeds, layers, looks and dense models' metrics.

    Which columns there are follows from the declarations of the records' fields, as do the headings
    and units of the table of records in `listed`; the charts follow from those of `kinds`. A column
    of text that repeats is a list of `values` and an index for each row.
    """
    style = looks(zip(means.label, means.method, strict=True))
    names, rows = layer_means(cells, means)
    of_pair = dict(iter(table.groupby("pair", sort=False)))
    metrics = {str(pair): metric_of(part) for pair, part in of_pair.items()}
    known = columns(record_type(cells))
    listed = {name: one for name, one in known.on_page("table").items() if name in table}
    shown = [*_FIRST, *known.on_page("table", "data"), "key"]
    return {
        "records": {name: _column(table[name]) for name in shown if name in table},
        "listed": [_listed(*item) for item in listed.items()],
        "means": {name: _column(means[name]) for name in means},
        "kinds": [kind.declaration() for kind in kinds if kind.form],
        "seeds": _seeds(table, means),
        "layers": {"names": names, "rows": rows},
        "looks": {label: glyph(look) for label, look in style.items()},
        "parts": {part: shades(colour) for part, (colour, _) in PART_COLOURS.items()},
        "dense": {
            str(pair): _number(part[metrics[str(pair)].dense].mean())
            for pair, part in of_pair.items()
        },
        "judged": {
            pair: {kind.name: kind.judged_by(metric).declaration() for kind in kinds if kind.form}
            for pair, metric in metrics.items()
            if metric is not ACCURACY
        },
    }


def _listed(name: str, measure: Measure) -> dict[str, str]:
    return {"name": name, "heading": heading(measure), "unit": measure.unit}


def inline(value: Any) -> str:
    """JSON that can stand inside a script element: nothing in it can end or open a tag."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _column(values: pd.Series) -> Any:
    if pd.api.types.is_numeric_dtype(values):
        return [_number(value) for value in values]
    texts = [str(text) for text in values.astype("object").where(values.notna(), "")]
    if texts and len(set(texts)) == len(texts):
        return texts
    codes, distinct = pd.factorize(pd.Series(texts, dtype="object"))
    return {"values": list(distinct), "index": codes.tolist()}


def _number(value: Any) -> float | int | None:
    """A number with six significant digits, whole ones as such; None where there is none."""
    if pd.isna(value):
        return None
    short = float(f"{value:.{_DIGITS}g}") if value % 1 else value
    return int(short) if short % 1 == 0 else float(short)


def _seeds(table: pd.DataFrame, means: pd.DataFrame) -> list[list[list[float | int | None]]]:
    """For each row of the means: seed and metric of every cell that is ok."""
    good = table[table.status == "ok"]
    found: dict[Any, list[list[float | int | None]]] = {}
    for _, part in good.groupby("pair", sort=False):
        for *key, seed, value in part[[*GROUP, "seed", metric_of(part).column]].itertuples(
            index=False, name=None
        ):
            found.setdefault(tuple(key), []).append([int(seed), _number(value)])
    keys = means[GROUP].itertuples(index=False, name=None)
    return [sorted(found.get(key, [])) for key in keys]
