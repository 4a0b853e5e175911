"""What the page's script reads: records and their summary as compact JSON."""

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from bench.report.figures.palette import PART_COLOURS, looks
from bench.report.frame import PANEL, PART_SECONDS, RESOURCES, Cell
from bench.report.layers import layer_means
from bench.report.page.glyphs import glyph, shades

_RECORD = (
    *("label", *PANEL, "sparsity", "seed", "status", "reason", "accuracy", "top5", "loss"),
    *("compression", "speedup", "flops", "prune_seconds", "peak_bytes", "nonzero"),
    *PART_SECONDS,
    *(f"spent_{name}" for name in RESOURCES),
    *("notes", "key"),
)
_MEAN = (
    *(*PANEL, "label", "sparsity", "status", "problems", "ok", "expected"),
    *("accuracy_mean", "accuracy_std", "accuracy_min", "accuracy_max"),
    *("compression_mean", "speedup_mean", "flops_mean", "prune_seconds_median", "peak_bytes_max"),
    *(f"{name}_median" for name in PART_SECONDS),
)
_TEXT = {"label", *PANEL, "status", "reason", "problems", "notes"}
_DIGITS = 6


def content(cells: Sequence[Cell], table: pd.DataFrame, means: pd.DataFrame) -> dict[str, Any]:
    """Columns of records and of means over seeds, layers, looks and dense accuracies.

    A column of text that repeats is a list of `values` and an index for each row.
    """
    style = looks(zip(means.label, means.method, strict=True))
    names, rows = layer_means(cells, means)
    dense = table.groupby("pair", sort=False).dense_accuracy.mean()
    return {
        "records": {name: _column(table[name], name) for name in _RECORD},
        "means": {name: _column(means[name], name) for name in _MEAN},
        "seeds": _seeds(table, means),
        "layers": {"names": names, "rows": rows},
        "looks": {label: glyph(look) for label, look in style.items()},
        "parts": {part: shades(colour) for part, (colour, _) in PART_COLOURS.items()},
        "dense": {str(pair): _number(value) for pair, value in dense.items()},
    }


def inline(value: Any) -> str:
    """JSON that can stand inside a script element: nothing in it can end or open a tag."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _column(values: pd.Series, name: str) -> Any:
    if name not in _TEXT:
        return [value if isinstance(value, str) else _number(value) for value in values]
    codes, texts = pd.factorize(values.astype("object").where(values.notna(), ""))
    return {"values": [str(text) for text in texts], "index": codes.tolist()}


def _number(value: Any) -> float | int | None:
    """A number with six significant digits, whole ones as such; None where there is none."""
    if pd.isna(value):
        return None
    short = float(f"{value:.{_DIGITS}g}") if value % 1 else value
    return int(short) if short % 1 == 0 else float(short)


def _seeds(table: pd.DataFrame, means: pd.DataFrame) -> list[list[list[float | int | None]]]:
    """For each row of the means: seed and accuracy of every cell that is ok."""
    good = table[table.status == "ok"]
    found: dict[Any, list[list[float | int | None]]] = {}
    columns = [*PANEL, "label", "sparsity", "seed", "accuracy"]
    for *key, seed, accuracy in good[columns].itertuples(index=False, name=None):
        found.setdefault(tuple(key), []).append([int(seed), _number(accuracy)])
    keys = means[columns[:-2]].itertuples(index=False, name=None)
    return [sorted(found.get(key, [])) for key in keys]
