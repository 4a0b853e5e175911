"""What all tests share: a small study on real data, run through the command line."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.checkout import ROOT
from support.grids import SMALL

if TYPE_CHECKING:
    import datasets
    from bench.pairs.preparing.dense import Dense

Bench = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def bench() -> Bench:
    """Calls `python -m bench` as a user would; no live output, the checkout as its folder."""

    def call(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bench", *map(str, arguments)]
        variables = os.environ | {"COLUMNS": "200", "NO_COLOR": "1"} | environment
        return subprocess.run(
            command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False
        )

    return call


@pytest.fixture
def small_study(tmp_path: Path) -> Path:
    """A study file of eight quick jobs on real images."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="module")
def pairs() -> "dict[str, Dense]":
    """The smallest real pair, ready to be pruned."""
    import torch
    from support.grids import PAIR

    from bench.executors.execute import prepare_pairs

    return prepare_pairs([PAIR], torch.device("cpu"), lambda *_: None)


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> "datasets.Dataset":
    """The data of all pairs: small images made in memory, and a data folder that is empty."""
    from support.toys import dataset

    import datasets

    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("BENCH_MIRROR", raising=False)
    made = dataset()
    monkeypatch.setattr(datasets, "load", lambda *_: made)
    return made


@pytest.fixture
def registries() -> Iterator[None]:
    """Puts the registries back after a test that adds to them."""
    from bench.pairs import PAIRS
    from datasets import DATASETS
    from methods import METHODS

    registries: tuple[dict[str, Any], ...] = (METHODS, PAIRS, DATASETS)
    kept = [dict(registry) for registry in registries]
    yield
    for registry, before in zip(registries, kept, strict=True):
        registry.clear()
        registry.update(before)
