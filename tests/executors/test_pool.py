"""Worker processes give the records of one process, and outlive what kills one of them."""

import pytest
import torch
from support.checkout import ROOT
from support.grids import run, study

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
