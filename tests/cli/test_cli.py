"""The command line as a user meets it: results, resuming, and a sentence for each mistake."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.checkout import ROOT

TABLE_ROWS = ("magnitude", "woodfisher", "dense")


def records(results: Path) -> dict[str, dict]:
    return {
        path.stem: json.loads(path.read_text())
        for path in (results / "records" / "small").glob("*.json")
    }


def test_run_records_reports_and_resumes(bench, small_study, tmp_path) -> None:
    results = tmp_path / "with space"
    done = bench("run", small_study, "--results", results, "--sparsity", "0.5")
    assert done.returncode == 0, done.stderr
    assert all(row in done.stdout for row in TABLE_ROWS)
    first = records(results)
    assert len(first) == 4

    damaged = results / "records" / "small" / f"{min(first)}.json"
    damaged.write_text(damaged.read_text()[:100])
    done = bench("run", small_study, "--results", results)
    assert done.returncode == 0, done.stderr
    assert f"{damaged.stem} is damaged" in done.stderr
    assert "3 of 8 jobs were recorded already" in done.stderr
    second = records(results)
    assert len(second) == 8
    again = {key: (r["accuracy"], r["loss"]) for key, r in second.items()}
    assert {key: (r["accuracy"], r["loss"]) for key, r in first.items()}.items() <= again.items()
    unchanged = [key for key in first if key != damaged.stem]
    assert all(first[key] == second[key] for key in unchanged)

    report = results / "reports" / "small"
    names = {str(path.relative_to(report)) for path in report.rglob("*") if path.is_file()}
    pair = "mlpnet-mnist5k"
    assert {"report.md", "summary.csv", "cells.csv", f"tables/{pair}.tex"} <= names
    assert {f"figures/{pair}-{kind}.pdf" for kind in ("accuracy", "time")} <= names


def test_a_record_has_what_a_reader_needs(bench, small_study, tmp_path) -> None:
    bench("run", small_study, "--results", tmp_path, "--seed", "1", "--method", "woodfisher")
    record = records(tmp_path)[min(records(tmp_path))]
    assert record["status"] == "ok"
    assert record["dense_accuracy"] > 92
    assert record["budget"]["backward_passes"] == record["spent"]["backward_passes"] == 50
    assert record["nonzero"] == record["prunable"] - round(record["sparsity"] * 32360)
    assert record["hyperparameters"]["damping"] == 1e-3
    assert record["environment"]["threads"] >= 1
    assert len(record["checkpoint_sha256"]) == 64
    assert record["prune_seconds"] > 0
    assert record["flops"] == 2 * record["nonzero"]


def test_a_failed_job_exits_with_1_and_runs_again(bench, small_study, tmp_path) -> None:
    broken = ["--set", "woodfisher.samples=51"]
    done = bench("run", small_study, "--results", tmp_path, *broken)
    assert done.returncode == 0  # over budget is an answer, not a failure
    assert "over-budget" in done.stdout and "asked for 51" in done.stderr

    plugin = tmp_path / "failing.py"
    plugin.write_text(
        "from dataclasses import dataclass\n"
        "from methods.method import Method\n"
        "@dataclass(frozen=True)\n"
        "class Failing(Method):\n"
        "    def scores(self, problem):\n"
        "        raise RuntimeError('no <luck> today')\n"
        "METHODS = {'failing': Failing}\n"
    )
    small_study.write_text(small_study.read_text() + "failing = {}\n")
    for _ in range(2):
        done = bench("run", small_study, "--results", tmp_path, "--plugin", plugin)
        assert done.returncode == 1
        assert "RuntimeError: no <luck> today" in done.stderr
        assert len(records(tmp_path)) == 16


def test_kill_9_loses_at_most_the_running_job(bench, small_study, tmp_path) -> None:
    small_study.write_text(
        small_study.read_text().replace("seeds = [0, 1]", f"seeds = {list(range(60))}")
    )
    command = [sys.executable, "-m", "bench", "run", str(small_study), "--results", str(tmp_path)]
    running = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    folder = tmp_path / "records" / "small"
    deadline = time.monotonic() + 120
    while len(list(folder.glob("*.json"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    before = {path.name: path.read_bytes() for path in folder.glob("*.json")}
    assert 5 <= len(before) < 240
    done = bench("run", small_study, "--results", tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{len(before)} of 240 jobs were recorded already" in done.stderr
    assert len(list(folder.glob("*.json"))) == 240
    assert all((folder / name).read_bytes() == content for name, content in before.items())


def test_code_and_checkpoint_changes_make_records_stale(small_study, tmp_path, monkeypatch) -> None:
    import torch

    from bench.executors import execute, perform
    from bench.jobs.store import RecordStore
    from bench.study.study import load_study

    study = load_study(str(small_study))
    cell = study.cells()[0]
    pairs = execute.prepare_pairs([cell.job.pair], torch.device("cpu"), lambda *_: None)
    store = RecordStore(tmp_path, study.name)
    store.prepare()
    execute.execute(study.name, [cell], pairs, store, lambda *_: None)
    dense = pairs[cell.job.pair]
    assert perform.finished(store, cell, dense) is not None
    monkeypatch.setattr(perform, "source_of", lambda _job: "0" * 64)
    assert perform.finished(store, cell, dense) is None


@pytest.mark.parametrize("kind", ["methods", "pairs", "studies", "datasets", "all"])
def test_list(bench, kind) -> None:
    done = bench("list", kind)
    assert done.returncode == 0, done.stderr
    shown = {"methods": "rigl", "pairs": "mlpnet-mnist5k", "studies": "quickstart"}
    for name, word in shown.items():
        assert (word in done.stdout) == (kind in (name, "all"))


MISTAKES = {
    "unknown study": (["run", "quickstrat"], "Did you mean 'quickstart'"),
    "unknown method": (["run", "quickstart", "--method", "magnitud"], "Did you mean 'magnitude'"),
    "unknown pair": (["run", "quickstart", "--pair", "mlp-mnist5k"], "'mlpnet-mnist5k'"),
    "unknown allocation": (["run", "quickstart", "--allocation", "globl"], "'global'"),
    "sparsity of no cell": (["run", "quickstart", "--sparsity", "0.7"], "no sparsity"),
    "sparsity above 1": (["run", "quickstart", "--sparsity", "1.5"], "below 1, not 1.5"),
    "sparsity as text": (["run", "quickstart", "--sparsity", "half"], "valid number"),
    "unknown field": (["run", "quickstart", "--set", "obd.sample=1"], "Did you mean 'samples'"),
    "unwritable results": (["run", "quickstart", "--results", "/proc/x"], "can't be written"),
    "absent device": (["run", "quickstart", "--device", "cuda:9"], "not on this machine"),
    "nonsense device": (["run", "quickstart", "--device", "tpu?"], "not on this machine"),
    "device without worker": (["run", "quickstart", "--device", "cpu,cpu"], "give --jobs 2"),
    "absent plugin": (["run", "quickstart", "--plugin", "no.py"], "no plugin file no.py"),
    "unknown dataset": (["fetch", "mnist6k"], "Did you mean 'mnist5k'"),
    "unknown command": (["rum"], "No such command"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_get_a_sentence_and_exit_code_2(bench, mistake) -> None:
    arguments, message = MISTAKES[mistake]
    done = bench(*arguments)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dataset_that_can_not_be_had_is_said_before_any_job(bench, tmp_path) -> None:
    variables = {"BENCH_DATA": str(tmp_path / "data"), "BENCH_MIRROR": "", "PATH": ""}
    offline = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = bench("run", "one-shot-mlpnet", "--results", tmp_path, **variables, **offline)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "train-images-idx3-ubyte" in done.stderr
    assert list((tmp_path / "records" / "one-shot-mlpnet").iterdir()) == []
