"""Small studies on a real pair, run in a test's own process."""

from pathlib import Path

from bench.executors.execute import execute
from bench.executors.task import Executor
from bench.jobs.record import Record
from bench.jobs.store import RecordStore
from bench.pairs.preparing.dense import Dense
from bench.study.study import Study

PAIR = "mlpnet-mnist5k"
SMALL = """
pairs = ["mlpnet-mnist5k"]
allocations = ["global"]
sparsities = [0.5, 0.9]
seeds = [0, 1]

[budget]
calibration_examples = 50
backward_passes = 50

[methods]
magnitude = {}
woodfisher = { samples = 50, damping = 1e-3 }
"""
"""The text of a study file of eight quick jobs on real images."""


def study(methods: dict, seeds: int = 1, sparsities: tuple[float, ...] = (0.9,)) -> Study:
    return Study(
        name="grid",
        title="Grid",
        pairs=[PAIR],
        methods=methods,
        allocations=["global"],
        sparsities=list(sparsities),
        seeds=list(range(seeds)),
        budget={"calibration_examples": 50, "backward_passes": 50},
    )


def run(
    grid: Study, results: Path, pairs: dict[str, Dense], executor: Executor | None = None
) -> dict[str, Record]:
    """The records by label, sparsity and seed; each is on disk, and no claim is left."""
    store = RecordStore(results, grid.name)
    store.prepare()
    records = execute(grid.name, grid.cells(), pairs, store, lambda *_: None, executor=executor)
    assert {record.key for record in records} == set(store.keys())
    assert records == [store.read(record.key) for record in records]
    assert not list((store.folder / ".claims").iterdir())
    return {f"{record.label} {record.sparsity} {record.seed}": record for record in records}
