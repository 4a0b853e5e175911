"""Worker processes give the records of one process, and outlive what kills one of them."""

import pytest
import torch
from support.checkout import ROOT
from support.grids import run, study

from bench.common.errors import UserError
from bench.executors.here import Here
from bench.executors.options import EXECUTORS, Options, executor_for
from bench.executors.pool import Pool
from bench.study.plugins import load_plugin

PLUGIN = ROOT / "tests" / "support" / "faults.py"
SAME = ("status", "weights_sha256", "mask_sha256", "accuracy", "loss", "spent", "environment")


@pytest.mark.timeout(900)
def test_workers_give_the_records_of_one_process(pairs, tmp_path) -> None:
    grid = study({"magnitude": {}, "woodfisher": {"samples": 50}}, 2, (0.5, 0.9))
    threads = torch.get_num_threads()
    here = run(grid, tmp_path / "here", pairs)
    pooled = run(grid, tmp_path / "pool", pairs, Pool(2, ["cpu"], threads))
    assert pooled.keys() == here.keys()
    for name, record in pooled.items():
        for field in SAME:
            assert getattr(record, field) == getattr(here[name], field), (name, field)


@pytest.mark.timeout(900)
def test_what_happens_to_one_process_harms_its_job_alone(
    pairs, tmp_path, registries, caplog
) -> None:
    load_plugin(PLUGIN)
    grid = study(
        {
            "killed": {},
            "hanging": {},
            "hungry": {},
            "killed once": {"marker": str(tmp_path / "marker")},
            "magnitude": {},
        }
    )
    executor = Pool(2, ["cpu"], 1, [PLUGIN], timeout=20)
    records = {record.label: record for record in run(grid, tmp_path, pairs, executor).values()}
    assert {name: record.status for name, record in records.items()} == {
        "killed": "failed",
        "hanging": "failed",
        "hungry": "failed",
        "killed once": "ok",
        "magnitude": "ok",
    }
    assert "died twice" in records["killed"].reason and "-9" in records["killed"].reason
    assert records["hanging"].reason == "took longer than 20 seconds and was stopped"
    assert "memory" in records["hungry"].reason
    assert records["killed once"].weights_sha256 == records["magnitude"].weights_sha256
    assert caplog.text.count("a worker died") == 2


def test_a_new_executor_is_a_class_and_its_name(pairs, tmp_path, monkeypatch) -> None:
    class Backwards(Here):
        """This process, the last job first."""

        def __init__(self, detail: str) -> None:
            self.detail, self.done = detail, []

        def run(self, tasks, work, pairs, stop):
            for record in super().run(tasks[::-1], work, pairs, stop):
                self.done.append(record.sparsity)
                yield record

    monkeypatch.setitem(EXECUTORS, "backwards", lambda _, detail, __: Backwards(detail))
    executor = executor_for(Options(executor="backwards:loud"), tmp_path)
    assert executor.detail == "loud"
    run(study({"magnitude": {}}, sparsities=(0.5, 0.9)), tmp_path, pairs, executor)
    assert executor.done == [0.9, 0.5]


@pytest.mark.parametrize("name", ["locally", "local:2", "slurm:here", "backwards"])
def test_an_executor_that_is_not_there_is_said(name, tmp_path) -> None:
    with pytest.raises(UserError, match=f"There is no executor '{name}'"):
        executor_for(Options(executor=name), tmp_path)
