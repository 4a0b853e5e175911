"""What a row of cells costs beside its evaluations: one estimate for each method and seed."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from bench.common.errors import UserError
from bench.executors.execute import execute
from bench.jobs.budget import Meter
from bench.jobs.store import RecordStore
from bench.pairs import PAIRS
from bench.pairs.evaluate import evaluate
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.prepare import prepare
from bench.problem.calibration import Calibration
from bench.problem.problem import Problem, Target
from bench.study.study import Study
from methods import build

pytestmark = [pytest.mark.speed, pytest.mark.timeout(1800)]
SAMPLES, IMAGES = 200, 1000
METHODS: dict[str, dict[str, Any]] = {
    "magnitude": {},
    "obd": {"samples": SAMPLES},
    "l-obs": {"samples": SAMPLES},
    "kfac": {"samples": SAMPLES},
    "woodfisher": {"samples": SAMPLES},
    "woodtaylor": {"samples": SAMPLES},
}


@pytest.fixture(scope="module")
def dense() -> Dense:
    """The published ResNet-20 with a tenth of its test images, so that estimates weigh more."""
    try:
        whole = prepare(PAIRS["resnet20-cifar10"], torch.device("cpu"))
    except UserError as error:
        pytest.skip(str(error))

    class Fewer:
        labels = whole.test.labels[:IMAGES]

        def __len__(self) -> int:
            return IMAGES

        def batch(self, positions):
            return whole.test.batch(positions)

    return dataclasses.replace(whole, test=Fewer())  # type: ignore[arg-type]


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def test_a_study_costs_its_evaluations_and_one_estimate_each(benchmark, dense, tmp_path) -> None:
    """Seven sparsities: at most 1.3 times the bare evaluations and one bare estimate a method."""
    study = Study(
        name="seven",
        title="Seven sparsities",
        pairs=[dense.pair.name],
        methods=METHODS,
        allocations=["global"],
        sparsities=[0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
        seeds=[0],
        budget={"calibration_examples": SAMPLES, "backward_passes": SAMPLES},
    )
    cells = study.cells()

    def bare() -> None:
        for name, fields in METHODS.items():
            calibration = Calibration(dense.train, 0, Meter(study.budget))
            target = Target(0.5, "global")
            problem = Problem(dense.model, dense.prunable, calibration, target)
            build(name, fields).estimate(problem)
        for _ in cells:
            evaluate(dense.model, dense.test)

    def ours(folder) -> None:
        store = RecordStore(folder, study.name)
        store.prepare()
        pairs = {dense.pair.name: dense}
        records = execute(study.name, cells, pairs, store, lambda *_: None)
        assert {record.status for record in records} == {"ok"}

    took: dict[str, list[float]] = {"bare": [], "ours": []}
    for number in range(2):
        took["bare"].append(seconds(bare))
        took["ours"].append(seconds(lambda: ours(tmp_path / str(number))))  # noqa: B023
    ratio = min(took["ours"]) / min(took["bare"])
    benchmark.extra_info["study / (evaluations + estimates)"] = round(ratio, 3)
    benchmark.pedantic(lambda: None, rounds=1)
    print(f"\nstudy / (evaluations + one estimate each) = {ratio:.3f}")
    assert ratio <= 1.3
