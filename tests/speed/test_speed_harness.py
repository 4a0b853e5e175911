"""What the harness takes beside the method: a grid of 10,000 trivial jobs, in one run."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.grids import run, study

from bench.executors.execute import execute
from bench.jobs.budget import Meter
from bench.jobs.cell import Cell
from bench.jobs.record import Record
from bench.jobs.store import RecordStore
from bench.pairs.evaluate import evaluate
from bench.problem.calibration import Calibration
from bench.problem.problem import Problem, Target
from bench.report import write_report
from bench.study.study import Study
from methods import build

pytestmark = [pytest.mark.speed, pytest.mark.timeout(3600)]
SPARSITIES = tuple(round(0.50 + 0.05 * step, 2) for step in range(10))
SEEDS = 1000


def seconds(action: Callable[[], Any]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


@pytest.fixture(scope="module")
def grid() -> Study:
    """10,000 jobs of magnitude pruning."""
    return study({"magnitude": {}}, SEEDS, SPARSITIES)


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def records(grid, pairs, results) -> list[Record]:
    """All of them, run for real."""
    return list(run(grid, results, pairs).values())


def test_a_job_costs_little_beside_its_method_and_evaluation(
    benchmark, pairs, tmp_path, record_property
) -> None:
    """One hundred jobs, less what a bare loop of pruning and evaluating takes."""
    (dense,) = pairs.values()
    hundred = study({"magnitude": {}}, 10, SPARSITIES)
    method = build("magnitude", {})

    def bare() -> None:
        for cell in hundred.cells():
            job = cell.job
            target = Target(job.sparsity, job.allocation)
            calibration = Calibration(dense.train, job.seed, Meter(job.budget))
            method.prune(Problem(dense.model, dense.prunable, calibration, target))
            evaluate(dense.model, dense.test)

    rounds = iter(range(100))
    took: dict[str, list[float]] = {"bare": [], "ours": []}

    def alternate() -> None:
        took["bare"].append(seconds(bare))
        folder = tmp_path / str(next(rounds))
        took["ours"].append(seconds(lambda: run(hundred, folder, pairs)))

    alternate()
    benchmark.pedantic(alternate, rounds=3)
    bare_job, our_job = (min(took[name]) / 100 for name in ("bare", "ours"))
    overhead = our_job - bare_job
    benchmark.extra_info |= {"overhead_seconds": overhead, "ratio": our_job / bare_job}
    print(
        f"\na job takes {our_job * 1000:.1f} ms, {bare_job * 1000:.1f} ms of them its method and "
        f"evaluation: {overhead * 1000:.1f} ms are the harness's, {1 / our_job:.0f} jobs a second"
    )
    assert overhead < 0.015


def test_ten_thousand_jobs(benchmark, grid, records, pairs, results) -> None:
    """Expansion, the look at what is finished, and the report: each in seconds."""
    store = RecordStore(results, grid.name)
    cells = grid.cells()
    assert len(records) == len(cells) == 10_000
    found = {cell.job.key: record for cell, record in zip(cells, records, strict=True)}
    cells = [Cell(cell.label, cell.job, found[cell.job.key]) for cell in cells]

    def resume() -> None:
        assert execute(grid.name, cells, pairs, store, lambda *_: None) == records

    def report() -> None:
        write_report(grid.title, grid.description, cells, results / "report", records=store.folder)

    took = {"expansion": seconds(grid.cells), "resume": seconds(resume)}
    took["report"] = benchmark.pedantic(lambda: seconds(report), rounds=1)
    size = sum(path.stat().st_size for path in store.folder.glob("*.json"))
    benchmark.extra_info |= took | {"bytes a record": size / len(records)}
    print(
        "\n10,000 jobs: "
        + ", ".join(f"{name} {value:.1f} s" for name, value in took.items())
        + f", {size / len(records):,.0f} bytes a record"
    )
    assert max(took.values()) < 60
