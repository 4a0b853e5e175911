"""Two Ray nodes give the records of one process; a lost node or driver costs no record."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.checkout import ROOT
from support.running import Running

from bench.common.errors import UserError
from bench.executors.claims import claim
from bench.executors.execute import execute
from bench.executors.options import Options, executor_for
from bench.executors.pool import Pool
from bench.jobs.record import Record
from bench.jobs.store import RecordStore
from bench.study.plugins import load_plugin
from bench.study.study import load_study
from methods import METHODS

ray = pytest.importorskip("ray", reason="the extra ray isn't installed")
pytestmark = pytest.mark.timeout(900)

PLUGIN = ROOT / "tests" / "support" / "placed.py"
FAULTS = ROOT / "tests" / "support" / "faults.py"
HEAD = """
plugins = {plugins}
pairs = ["mlpnet-mnist5k"]
allocations = ["global"]
sparsities = [0.9]
seeds = {seeds}

[budget]
calibration_examples = 50
backward_passes = 50

[methods]
"""
MEASURED = {
    "prune_seconds",
    "phase_seconds",
    "reused_seconds",
    "yardstick_seconds",
    "peak_bytes",
    "finished",
}
StudyOf = Callable[..., Path]


class Nodes:
    """A Ray cluster on this machine: a head and one more node, with a core each."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        node = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
        head = node | {"include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self._node = node
        self.other: Any = None

    @property
    def executor(self) -> list[str]:
        """The options of a run on both nodes."""
        if self.other is None:
            self.other = self.cluster.add_node(**self._node)
        return ["--executor", f"ray:{self.cluster.address}", "--threads", "1"]

    def lose(self) -> None:
        """Kill all processes of the second node."""
        self.cluster.remove_node(self.other, allow_graceful=False)
        self.other = None


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    started = Nodes()
    yield started
    started.cluster.shutdown()


@pytest.fixture(scope="module")
def plugin() -> Iterator[None]:
    """Registers the plugin's methods in this process, and forgets them."""
    kept = dict(METHODS)
    load_plugin(PLUGIN)
    yield
    METHODS.clear()
    METHODS.update(kept)


@pytest.fixture
def study(tmp_path) -> StudyOf:
    """Writes a study file of these methods."""

    def write(methods: str, seeds: int = 1, plugins: tuple[Path, ...] = (PLUGIN,)) -> Path:
        path = tmp_path / "cells.toml"
        text = HEAD.format(plugins=[str(file) for file in plugins], seeds=list(range(seeds)))
        path.write_text(text + methods)
        return path

    return write


def run_here(path: Path, results: Path, pairs: dict) -> dict[str, Record]:
    """The records of one worker with one thread."""
    loaded = load_study(str(path))
    store = RecordStore(results, loaded.name)
    store.prepare()
    executor = Pool(1, ["cpu"], 1, [Path(plugin) for plugin in loaded.plugins])
    done = execute(loaded.name, loaded.cells(), pairs, store, lambda *_: None, executor=executor)
    return {record.key: record for record in done}


def test_a_lost_node_leaves_the_records_of_one_process(
    nodes, study, pairs, plugin, tmp_path
) -> None:
    seen = tmp_path / "seen"
    seen.mkdir()
    methods = f'placed = {{ folder = "{seen}" }}\nwoodfisher = {{ samples = 50 }}\n'
    path = study(methods, seeds=6)
    run = Running(path, tmp_path / "ray", *nodes.executor)
    run.wait_for(2)
    while len(list(seen.iterdir())) < 2:  # each node has had a job
        assert run.process.poll() is None, run.end()
        time.sleep(0.02)
    nodes.lose()
    assert len(run.records) < 12
    said = run.end()
    assert run.process.returncode == 0, said
    here = run_here(path, tmp_path / "here", pairs)
    store = RecordStore(tmp_path / "ray", "cells")
    assert set(store.keys()) == here.keys() and len(here) == 12
    for key, record in here.items():
        found = store.read(key)
        assert found is not None and found.status == "ok"
        assert found.model_dump(exclude=MEASURED) == record.model_dump(exclude=MEASURED)
    assert not list((store.folder / ".claims").iterdir())


@pytest.mark.slow
def test_a_rerun_does_what_a_killed_driver_left(nodes, study, plugin, tmp_path) -> None:
    path = study(f'placed = {{ folder = "{tmp_path}", seconds = 0.5 }}\n', seeds=10)
    run = Running(path, tmp_path, *nodes.executor)
    run.wait_for(2)
    run.process.send_signal(signal.SIGKILL)
    run.end()
    kept = run.records
    assert 2 <= len(kept) < 10
    keys = {cell.job.key for cell in load_study(str(path)).cells()}
    missing = min(keys - {Path(name).stem for name in kept})
    with claim(run.folder, missing) as ours:  # as another run that is at this job
        assert ours
        again = Running(path, tmp_path, *nodes.executor)
        again.wait_for(9)
        time.sleep(1)
        assert f"{missing}.json" not in again.records
    said = again.end()
    assert again.process.returncode == 0, said
    assert f"{len(kept)} of 10 jobs were recorded already" in said
    assert len(again.records) == 10 and kept.items() <= again.records.items()
    assert all(record["status"] == "ok" for record in again.fields)


@pytest.mark.slow
def test_what_dies_and_what_hangs_harms_its_job_alone(nodes, study, tmp_path) -> None:
    path = study("leaving = {}\nhanging = {}\nmagnitude = {}\n", plugins=(PLUGIN, FAULTS))
    run = Running(path, tmp_path, *nodes.executor, "--timeout", "20")
    said = run.end()
    assert run.process.returncode == 1, said
    records = {record["label"]: record for record in run.fields}
    assert {name: record["status"] for name, record in records.items()} == {
        "leaving": "failed",
        "hanging": "failed",
        "magnitude": "ok",
    }
    assert "its process died 4 times" in records["leaving"]["reason"]
    assert records["hanging"]["reason"] == "took longer than 20 seconds and was stopped"
    assert records["leaving"]["environment"]["threads"] == 1


@pytest.mark.slow
def test_ctrl_c_lets_the_running_jobs_finish(nodes, study, tmp_path) -> None:
    path = study(f'placed = {{ folder = "{tmp_path}", seconds = 2.0 }}\n', seeds=10)
    # More at a time than there is room for: those that wait are taken back.
    run = Running(path, tmp_path, *nodes.executor, "--jobs", "4")
    run.wait_for(1)
    run.process.send_signal(signal.SIGINT)
    said = run.end()
    assert run.process.returncode == 130
    left = len(run.records)
    assert 2 <= left <= 4 and "Traceback" not in said
    assert f"Stopped: {left} of 10 jobs are recorded. The same command goes on" in said


@pytest.mark.slow
def test_a_job_that_no_node_has_room_for_is_refused(nodes, study, tmp_path) -> None:
    path = study("magnitude = {}\n")
    run = Running(path, tmp_path, *nodes.executor, "--threads", "64")
    said = run.end()
    assert run.process.returncode == 2
    assert "No node of the Ray cluster has the 64 CPUs and 0 GPUs that a job takes" in said


MISTAKES = {
    "nobody there": (
        Options(executor="ray:127.0.0.1:9"),
        "can't be reached at 127.0.0.1:9",
    ),
    "no address": (Options(executor="ray:auto"), "'auto' is no HOST:PORT"),
    "a GPU by number": (
        Options(executor="ray", devices=["cuda:0"]),
        "cpu or cuda, not cuda:0",
    ),
    "unknown": (Options(executor="rai"), "Did you mean 'ray'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_get_a_sentence(tmp_path, mistake) -> None:
    where, message = MISTAKES[mistake]
    with pytest.raises(UserError, match=message):
        executor_for(where, tmp_path).prepare()


def test_data_of_another_digest_are_refused(pairs) -> None:
    from bench.executors.ray.transfer import PackedDense

    (dense,) = pairs.values()
    packed = PackedDense.of(dense)
    unpacked = packed.unpack(torch.device("cpu"))
    assert unpacked.evaluation == dense.evaluation and unpacked.prunable == dense.prunable
    for name, weight in dense.model.state_dict().items():
        assert torch.equal(unpacked.model.state_dict()[name], weight)
    with pytest.raises(UserError, match="give both the same files"):
        replace(packed, data_sha256="0" * 64).unpack(torch.device("cpu"))


@pytest.mark.parametrize(
    ("visible", "granted", "device"),
    [(None, ["1"], "cuda:1"), ("2,3", ["3"], "cuda:1"), ("2,3", ["2"], "cuda:0")],
)
def test_a_job_computes_on_the_gpu_that_it_was_granted(
    monkeypatch, visible, granted, device
) -> None:
    from bench.executors.ray.node import device_of

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert device_of("cuda", granted) == device
    assert device_of("cpu", []) == "cpu"
