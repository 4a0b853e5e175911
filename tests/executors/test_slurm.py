"""A job array, as processes of this machine: the records of one process, and a killed task."""

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from support.checkout import ROOT
from support.grids import run, study
from support.running import Running

from bench.common.errors import UserError
from bench.executors.options import Options, executor_for
from bench.executors.task import Task, Work

pytest.importorskip("submitit", reason="the extra slurm isn't installed")
pytestmark = pytest.mark.timeout(900)

PLUGIN = ROOT / "tests" / "support" / "placed.py"
MEASURED = {
    "prune_seconds",
    "phase_seconds",
    "reused_seconds",
    "yardstick_seconds",
    "peak_bytes",
    "finished",
}
OPTIONS = ("--executor", "slurm:local", "--jobs", "2", "--threads", "1")


@pytest.fixture
def placed(tmp_path) -> Path:
    """A study of ten jobs that take a second."""
    path = tmp_path / "cells.toml"
    path.write_text(
        f'plugins = ["{PLUGIN}"]\n'
        'pairs = ["mlpnet-mnist5k"]\n'
        'allocations = ["global"]\n'
        "sparsities = [0.9]\n"
        f"seeds = {list(range(10))}\n"
        "[budget]\n"
        f'[methods]\nplaced = {{ folder = "{tmp_path}", seconds = 1.0 }}\n'
    )
    return path


def test_an_array_gives_the_records_of_one_process(pairs, tmp_path) -> None:
    grid = study({"magnitude": {}, "woodfisher": {"samples": 50}}, 2)
    here = run(grid, tmp_path / "here", pairs)
    where = Options(executor="slurm:local", jobs=2, threads=torch.get_num_threads())
    executor = executor_for(where, tmp_path / "array")
    executor.prepare()
    array = run(grid, tmp_path / "array", pairs, executor)
    assert len(list((tmp_path / "array" / "slurm").glob("*/*_submitted.pkl"))) == 2
    assert array.keys() == here.keys()
    for name, record in array.items():
        assert record.model_dump(exclude=MEASURED) == here[name].model_dump(exclude=MEASURED)


def tasks_of(run: Running) -> list[psutil.Process]:
    """The processes of the array's tasks."""
    started = psutil.Process(run.process.pid).children(recursive=True)
    return [process for process in started if "submitit.core._submit" in process.cmdline()]


@pytest.mark.slow
def test_a_rerun_does_what_a_killed_task_left(placed, tmp_path) -> None:
    first = Running(placed, tmp_path, *OPTIONS)
    first.wait_for(2)
    tasks_of(first)[0].kill()
    said = first.end()
    assert first.process.returncode == 1, said
    done = {name for name, text in first.records.items() if json.loads(text)["status"] == "ok"}
    assert 2 <= len(done) < 10 and len(first.records) == 10
    reasons = {record["reason"] for record in first.fields if record["status"] == "failed"}
    assert all("of the array ended before it: see " in reason for reason in reasons)
    kept = {name: first.records[name] for name in done}
    again = Running(placed, tmp_path, *OPTIONS, "--timeout", "300")
    said = again.end()
    assert again.process.returncode == 0, said
    assert f"{len(done)} of 10 jobs were recorded already" in said
    assert kept.items() <= again.records.items()
    assert all(record["status"] == "ok" for record in again.fields)


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_ends_the_array(placed, tmp_path, times) -> None:
    run = Running(placed, tmp_path, *OPTIONS)
    run.wait_for(1)
    tasks = tasks_of(run)
    for _ in range(times):
        run.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    said = run.end()
    assert run.process.returncode == 130 and "Traceback" not in said
    _, alive = psutil.wait_procs(tasks, timeout=60)
    assert len(tasks) == 2 and not alive
    assert f"{len(run.records)} of 10 jobs are recorded" in said or times == 2
    assert 1 <= len(run.records) < 10
    assert all(record["status"] == "ok" for record in run.fields)


def test_a_share_refuses_another_dense_model(pairs, tmp_path) -> None:
    grid = study({"magnitude": {}})
    changed = {name: replace(dense, checkpoint_sha256="0" * 64) for name, dense in pairs.items()}
    executor = executor_for(Options(executor="slurm:local", jobs=1, threads=1), tmp_path)
    (record,) = run(grid, tmp_path, changed, executor).values()
    assert record.status == "failed" and "let BENCH_DATA be a folder" in record.reason


@pytest.mark.parametrize(
    ("option", "message"),
    [("partition", "takes KEY=VALUE"), ("time=1:00:00", "takes minutes, not '1:00:00'")],
)
def test_a_bad_option_is_said(tmp_path, option, message) -> None:
    with pytest.raises(UserError, match=message):
        executor_for(Options(executor="slurm", slurm=[option]), tmp_path)


def test_a_machine_without_slurm_is_said(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="Slurm can't be used from this machine"):
        executor_for(Options(executor="slurm"), tmp_path).prepare()


SBATCH = """#!/bin/sh
cp "$1" {folder}/script
echo "Submitted batch job 1"
"""


def test_the_options_reach_sbatch(tmp_path, monkeypatch) -> None:
    from bench.executors.slurm.cluster import Slurm

    for name, text in (("srun", "#!/bin/sh\n"), ("sbatch", SBATCH.format(folder=tmp_path))):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    options = ["partition=gpu", "time=90", "account=us"]
    executor = Slurm(tmp_path / "slurm", "slurm", 4, "cuda", 8, (), None, options)
    grid = study({"magnitude": {}}, 100)
    tasks = [Task(cell) for cell in grid.cells()]
    shares = executor._submit(tasks, Work(grid.name, tmp_path, 2**30), {}, tmp_path / "stop")
    assert sum(len(keys) for keys in shares.values()) == 100
    script = (tmp_path / "script").read_text()
    for line in (
        "partition=gpu",
        "time=90",
        "account=us",
        "cpus-per-task=8",
        "gpus-per-node=1",
        f"array=0-{len(shares) - 1}%4",
    ):
        assert f"#SBATCH --{line}" in script, script
    assert "export OMP_NUM_THREADS=8" in script
