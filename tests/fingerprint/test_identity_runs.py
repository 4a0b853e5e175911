"""From run to run: what was recorded is kept, or is stale with a sentence that says why."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.grids import study
from support.user_folders import edited, written
from support.user_pairs import STUDY as FILES

from bench.cli.grid import load_grid
from bench.executors.execute import execute, prepare_pairs
from bench.executors.perform import finished
from bench.jobs.record import Record
from bench.jobs.store import RecordStore
from bench.pairs import PAIRS
from bench.run.one_job import _snapshot
from methods import METHODS

NONE, PAIR = "", "the pair's settings or its model have changed"
CODE = "the code that its numbers depend on has changed"
EDITS = {
    "nothing": ([], NONE, 1),
    "comments": ([("plugin.py", "PAIRS =", "# of mine\nPAIRS =")], NONE, 1),
    "the accuracy expected": ([("plugin.py", "0.1),", "0.1), slack=0.5,")], NONE, 1),
    "normalisation": ([("plugin.py", "(0.25,)", "(0.5,)")], PAIR, 2),
    "prunable": ([("plugin.py", "f[12].weight", "f1.weight")], PAIR, 1),
    "ReLU into tanh": ([("networks.py", "torch.relu", "torch.tanh")], PAIR, 2),
    "the method's helper": ([("helper.py", "weight.abs()", "-weight.abs()")], CODE, 1),
    "the recipe": ([("plugin.py", "epochs=1", "epochs=2")], PAIR, 2),
}


@pytest.fixture
def results(tmp_path, monkeypatch) -> Path:
    """A folder for results, with data of its own; the datasets are those of this machine."""
    from bench.common.folders import data_folder

    own = tmp_path / "data"
    own.mkdir()
    (own / "datasets").symlink_to(data_folder() / "datasets")
    monkeypatch.setenv("BENCH_DATA", str(own))
    return tmp_path / "results"


def run(folder: Path, results: Path) -> tuple[Record, bool]:
    """The record of the one job of a study, and whether it was there already."""
    kept = dict(METHODS), dict(PAIRS)
    try:
        study, cells = load_grid(str(folder / "cells.toml"), [], [])
        pairs = prepare_pairs(["net"], torch.device("cpu"), lambda *_: None)
        store = RecordStore(results, study.name)
        store.prepare()
        found: list[tuple[Record, bool]] = []
        execute(study.name, cells, pairs, store, lambda *one: found.append(one))
    finally:
        for registry, before in zip((METHODS, PAIRS), kept, strict=True):
            registry.clear()
            registry.update(before)
    return found[0]


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_of_a_plugin_runs_the_job_again_or_not(tmp_path, results, caplog, what) -> None:
    edits, sentence, trained = EDITS[what]
    first, was_there = run(written(tmp_path, FILES), results)
    assert first.status == "ok", first.reason
    assert not was_there
    second, was_there = run(written(tmp_path, edited(FILES, *edits)), results)
    assert was_there == (sentence == NONE)
    assert (f"is stale, {sentence}: net own" in caplog.text) == (sentence != NONE)
    weights = list((tmp_path / "data" / "checkpoints").glob("net-*.safetensors"))
    assert len(weights) == trained
    assert (first.weights_sha256 == second.weights_sha256) == (sentence == NONE)
    assert run(written(tmp_path, edited(FILES, *edits)), results) == (second, True)


def test_an_unfinished_training_is_of_all_that_its_record_would_be(pairs, tmp_path) -> None:
    (dense,) = pairs.values()
    job = study({"magnitude": {}}).cells()[0].job
    hashes = ("pair_sha256", "checkpoint_sha256", "data_sha256")
    others = [dense, *(replace(dense, **{name: "0" * 64}) for name in hashes)]
    found = [_snapshot(job, other, tmp_path)._identity for other in others]
    assert all(one != other for one, other in itertools.combinations(found, 2))
    assert found[0] == _snapshot(job, dense, tmp_path)._identity


@pytest.mark.usefixtures("registries")
def test_what_no_hash_sees_is_seen_by_the_dense_model(
    tmp_path, results, monkeypatch, caplog
) -> None:
    first, _ = run(written(tmp_path, FILES), results)
    monkeypatch.setenv("BENCH_SCALE", "1.0000001")
    assert run(written(tmp_path, FILES), results) == (first, True)
    monkeypatch.setenv("BENCH_SCALE", "2.0")
    second, was_there = run(written(tmp_path, FILES), results)
    assert not was_there and second.checkpoint_sha256 != first.checkpoint_sha256
    assert "the model of pair net has changed: training its dense weights anew" in caplog.text
    assert "is stale, the checkpoint has changed" in caplog.text
    study, cells = load_grid(str(written(tmp_path, FILES) / "cells.toml"), [], [])
    dense = prepare_pairs(["net"], torch.device("cpu"), lambda *_: None)["net"]
    store = RecordStore(results, study.name)
    assert finished(store, cells[0], dense) == second
    evaluation = replace(dense.evaluation, loss=dense.evaluation.loss * 1.001)
    assert finished(store, cells[0], replace(dense, evaluation=evaluation)) is None
    assert f"and was {second.dense_loss:.6g}, though neither code nor weights" in caplog.text
    rounded = replace(dense.evaluation, loss=dense.evaluation.loss * 1.00001)
    assert finished(store, cells[0], replace(dense, evaluation=rounded)) == second


def test_the_command_line_says_what_is_stale(bench, tmp_path, results) -> None:
    folder = written(tmp_path, FILES)
    arguments = ("run", folder / "cells.toml", "--results", results)
    assert bench(*arguments).returncode == 0
    (folder / "networks.py").write_text(FILES["networks.py"].replace("torch.relu", "torch.tanh"))
    again = bench(*arguments)
    assert again.returncode == 0 and PAIR in again.stderr
    assert "recorded already" not in again.stderr
    assert len(list((tmp_path / "data" / "checkpoints").glob("net-*.safetensors"))) == 2
    checked = bench("check", folder / "cells.toml", "--results", results, "--baselines", tmp_path)
    assert "of other code than today" not in checked.stdout
    (folder / "plugin.py").write_text(FILES["plugin.py"].replace("(0.25,)", "(0.5,)"))
    checked = bench("check", folder / "cells.toml", "--results", results, "--baselines", tmp_path)
    assert "1 records are of other code than today's, or of a pair" in checked.stdout
