"""A pair that can't be used is said in one sentence, and its study's other pairs go on."""

import json
from pathlib import Path

import pytest

PLUGIN = """
import torch
import torch.nn.functional as F
from torch import nn
from bench.pairs.checkpoint import SuppliedWeights
from bench.pairs.mlpnet import MLPNet
from bench.pairs import PAIRS
from bench.pairs.pair import MNIST, Pair
from bench.jobs.recipe import Recipe

RECIPE = PAIRS["mlpnet-mnist5k"].dense


class Dropping(MLPNet):
    def forward(self, x):
        return super().forward(F.dropout(x, 0.5))


def pair(name, **changed):
    settings = dict(name=name, model=MLPNet, dataset="mnist5k", normalisation=MNIST,
                    prunable=r"fc\\\\d\\.weight", dense=RECIPE)
    return Pair(**(settings | changed))


PAIRS = {
    "typed": pair("typed", normalisation=0.5),
    "dropping": pair("dropping", model=Dropping),
    "nowhere": pair("nowhere", dense=SuppliedWeights("nowhere.safetensors", "nobody")),
    "no-data": pair("no-data", dataset="mnist6k"),
}
"""

STUDY = """
plugins = ["own.py"]
pairs = [{pairs}]
allocations = ["global"]
sparsities = [0.5]
seeds = [0]
[budget]
calibration_examples = 10
[methods]
magnitude = {{}}
random = {{}}
"""

REASONS = {
    "typed": "normalisation must be a Normalisation(mean, std) or None, not 0.5",
    "dropping": "two runs in evaluation mode differ",
    "nowhere": "The checkpoint nowhere.safetensors is not on this machine",
    "no-data": "There is no dataset 'mnist6k'. Did you mean 'mnist5k'",
}


@pytest.fixture
def study(tmp_path: Path):
    (tmp_path / "own.py").write_text(PLUGIN.replace("\\\\", "\\"))

    def write(*pairs: str) -> Path:
        path = tmp_path / "own.toml"
        path.write_text(STUDY.format(pairs=", ".join(f'"{pair}"' for pair in pairs)))
        return path

    return write


def test_bad_pairs_harm_themselves_alone(study, bench, tmp_path) -> None:
    done = bench("run", study(*REASONS, "mlpnet-mnist5k"), "--results", tmp_path / "results")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    said = " ".join(done.stderr.split())
    assert said.count("The study's other pairs go on.") == len(REASONS)
    records = [json.loads(p.read_text()) for p in (tmp_path / "results/records/own").glob("*.json")]
    good = [record for record in records if record["pair"] == "mlpnet-mnist5k"]
    assert [record["status"] for record in good] == ["ok", "ok"]
    for bad, reason in REASONS.items():
        assert reason in said
        lost = [record for record in records if record["pair"] == bad]
        assert [record["status"] for record in lost] == ["failed", "failed"]
        assert all(reason in record["reason"] for record in lost)
    assert (tmp_path / "results/reports/own/report.html").exists()


def test_all_bad_pairs_are_said_at_once(study, bench, tmp_path) -> None:
    done = bench("run", study(*REASONS), "--results", tmp_path / "results")
    assert done.returncode == 2
    said = " ".join(done.stderr.split())
    assert all(reason in said for reason in REASONS.values())
    assert "Traceback" not in done.stderr


def test_the_device_meta_is_refused(study, bench, tmp_path) -> None:
    done = bench("run", study("typed"), "--device", "meta", "--results", tmp_path / "results")
    assert done.returncode == 2
    assert "Device 'meta' is not on this machine" in " ".join(done.stderr.split())
