"""Writes what a measurement's numbers depend on, beside them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bench.pairs.preparing.dense import Dense
from bench.run.environment import environment


def write_facts(dense: Dense, settings: Mapping[str, Any], out: Path) -> Path:
    """Write `facts.json` into the folder `out`: the pair, its checkpoint, settings and machine."""
    facts = {
        "pair": dense.pair.name,
        "checkpoint_sha256": dense.checkpoint_sha256,
        "dense_accuracy": dense.evaluation.accuracy,
        **settings,
        "environment": environment(dense.device).model_dump(),
    }
    path = out / "facts.json"
    path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8", newline="\n")
    return path


def write_table(table: pd.DataFrame, path: Path) -> Path:
    """Write the table as CSV, floats with six significant digits."""
    table.to_csv(path, index=False, lineterminator="\n", float_format="%.6g")
    return path
