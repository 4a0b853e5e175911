"""Numbers of a text, and the cells of studies that they are said to come from."""

import csv
import re
import statistics
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from bench.cli.committed import in_theme
from bench.jobs.metric import METRICS
from support.checkout import ROOT

RESULTS = ROOT / "results"
NUMBER = re.compile(r"(?<![\w.-])\d+\.\d+(?:\s±\s\d+\.\d+)?(?!\w)")
"""A decimal number, with its spread where it has one; `1e-5` and whole numbers are none."""


def bindings() -> dict[str, dict[str, Any]]:
    """For each paragraph, named by its first words: sources, settings and what isn't bound."""
    return tomllib.loads((RESULTS / "findings.toml").read_text())


def paragraphs(text: str) -> dict[str, str]:
    """The paragraphs and list items of the text that begin with bold words, by these words."""
    found = {}
    for part in re.split(r"\n\n|\n(?=- )", text):
        line = " ".join(part.split())
        if lead := re.match(r"(?:- )?\*\*(.*?)\*\*", line):
            found[lead[1]] = line
    return found


def bound(paragraph: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The source, the number and the cell of every binding."""
    for source, lines in paragraph.items():
        if source not in ("settings", "unbound"):
            for line in lines:
                number, _, cell = line.partition(" = ")
                yield source, number, cell


def value(source: str, cell: str, number: str) -> str:
    """What the source holds in this cell, written with as many decimals as the number."""
    decimals = len(number.partition(" ")[0].partition(".")[2])
    if source.endswith(".csv"):
        return f"{_measured(source, cell):.{decimals}f}"
    if source.startswith("published/"):
        return f"{_published(source.partition('/')[2], cell):.{decimals}f}"
    if cell == "dense":
        return f"{_dense(source):.{decimals}f}"
    if cell.startswith("t "):
        return f"{_paired_t(source, *cell.removeprefix('t ').split(' - ')):.{decimals}f}"
    means = [_row(source, term) for term in cell.split(" - ")]
    mean = means[0]["mean"] - sum(row["mean"] for row in means[1:])
    spread = f" ± {means[0]['std']:.{decimals}f}" if "±" in number else ""
    return f"{mean:.{decimals}f}{spread}"


@cache
def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _file(name: str) -> Path:
    path = in_theme(RESULTS, name)
    assert path is not None, name
    return path


def _row(study: str, term: str) -> dict[str, float]:
    label, sparsity, *allocation = term.split(" | ")
    (row,) = [
        row
        for row in _rows(_file(f"{study}/summary.csv"))
        if row["label"] == label
        and round(100 * float(row["sparsity"]), 6) == float(sparsity)
        and row["allocation"] == (allocation or ["global"])[0]
    ]
    judged = "score" if row.get("score_mean") else "accuracy"
    return {name: float(row[f"{judged}_{name}"] or "nan") for name in ("mean", "std")}


def _published(table: str, cell: str) -> float:
    method, sparsity, model = cell.split(" | ")
    wanted = (table, model, method, float(sparsity))
    (row,) = [
        row
        for row in _rows(RESULTS / "published" / "published.csv")
        if (row["table"], row["model"], row["method"], round(100 * float(row["sparsity"]), 6))
        == wanted
    ]
    return float(row["value"])


def _measured(name: str, cell: str) -> float:
    kind, *wanted = cell.split(" | ")
    how, _, column = kind.partition(" ")
    conditions = [term.partition(" ")[::2] for term in wanted]
    values = [
        float(row[column])
        for row in _rows(_file(name))
        if all(row[field] == text for field, text in conditions)
    ]
    return {"min": min, "max": max, "mean": statistics.mean}[how](values)


@cache
def _records(study: str) -> list[Any]:
    from bench.jobs.store import RecordStore

    store = RecordStore(RESULTS, study)
    return [store.unpacked(key) for key in store.shown_keys()]


def _dense(study: str) -> float:
    records = _records(study)
    return statistics.mean(getattr(one, METRICS[one.metric].dense) for one in records)


def _paired_t(study: str, one: str, other: str) -> float:
    """Student's t of the difference of two cells under the global allocation, paired by seed."""
    first, second = (
        {
            record.seed: record.accuracy
            for record in _records(study)
            if f"{record.label} | {100 * record.sparsity:g}" == term
            and record.allocation == "global"
        }
        for term in (one, other)
    )
    differences = [first[seed] - second[seed] for seed in first]
    spread = statistics.stdev(differences) / len(differences) ** 0.5
    return statistics.mean(differences) / spread
