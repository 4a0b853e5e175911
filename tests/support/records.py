"""Records as the harness would write them, for the tests of the reports."""

import random
from typing import Any

from bench.jobs.budget import Budget
from bench.jobs.cell import Cell
from bench.jobs.job import Job
from bench.jobs.record import Environment, Record

SPARSITIES = (0.5, 0.8, 0.9, 0.95, 0.98)
ACCURACY = {
    ("random", "global"): (80.0, 30.0, 15.0, 11.0, 10.0),
    ("random", "layerwise"): (79.0, 31.0, 14.0, 11.0, 10.0),
    ("magnitude", "global"): (93.4, 92.9, 90.3, 83.6, 33.0),
    ("magnitude", "layerwise"): (92.0, 85.0, 60.0, 29.0, 12.0),
    ("obd", "global"): (93.0, 91.0, 85.0, 73.0, 30.0),
    ("obd", "layerwise"): (92.6, 88.0, 66.0, 34.0, 14.0),
    ("woodfisher", "global"): (93.6, 93.2, 91.1, 84.2, 38.0),
    ("woodfisher", "layerwise"): (93.1, 90.5, 72.0, 41.0, 17.0),
}
SECONDS = {"random": 1e-3, "magnitude": 5e-4, "obd": 0.05, "woodfisher": 0.4}
SHARES = {
    True: {"gradients": 0.3, "inverse": 0.5, "selection": 0.1, "update": 0.05},
    False: {"gradients": 0.0, "inverse": 0.1, "selection": 0.7, "update": 0.1},
}
"""Of the pruning time, with gradients and without; what is missing to 1 is the rest."""
BUDGET = Budget(calibration_examples=1000, backward_passes=5000)
ENVIRONMENT = Environment(
    versions={"torch": "2.15"},
    platform="Linux",
    processor="Xeon",
    device="cpu",
    threads=2,
    commit=None,
)


def make_job(method: str = "obd", **changes: Any) -> Job:
    fields = {
        "pair": "resnet20-cifar10",
        "method": method,
        "hyperparameters": {},
        "allocation": "global",
        "sparsity": 0.9,
        "seed": 0,
        "protocol": "one-shot",
        "budget": BUDGET,
    }
    return Job(**(fields | changes))


def make_cell(label: str, job: Job, status: str | None = "ok", **results: Any) -> Cell:
    """A cell as the harness would have written it; the status None is one that has not run."""
    if status is None:
        return Cell(label, job, None)
    nonzero = round(268_336 * (1 - job.sparsity))
    measured = {
        "dense_accuracy": 93.5,
        "dense_loss": 0.25,
        "accuracy": 90.0,
        "top5": 99.0,
        "loss": 0.4,
        "nonzero": nonzero,
        "prune_seconds": SECONDS.get(job.method, 0.1),
        "peak_bytes": 30 * 2**20,
        "flops": 41_000_000 * nonzero // 268_336,
        "dense_flops": 41_000_000,
        "layer_sparsity": {"conv.weight": job.sparsity * 0.9, "fc.weight": job.sparsity},
    }
    known = {
        "prunable": 268_336,
        "parameters": 269_722,
        "test_examples": 10_000,
        "checkpoint_sha256": "e08b9b71ee33c3ab",
    }
    gradients = 1000 * (job.method not in ("random", "magnitude"))
    record = Record(
        key=job.key,
        study="example",
        label=label,
        status=status,
        spent=Budget(calibration_examples=gradients, backward_passes=gradients),
        source_sha256="0" * 64,
        environment=ENVIRONMENT,
        finished="2026-01-01T00:00:00Z",
        **{name: getattr(job, name) for name in Job.model_fields},
        **(known | (measured if status == "ok" else {}) | results),
    )
    return Cell(label, job, record)


def make_grid(pair: str = "resnet20-cifar10") -> list[Cell]:
    """4 methods × 2 allocations × 5 sparsities × 3 seeds with one of each thing that goes wrong."""
    noise = random.Random(0)
    cells = []
    for (method, allocation), accuracies in ACCURACY.items():
        for sparsity, mean in zip(SPARSITIES, accuracies, strict=True):
            for seed in range(3):
                job = make_job(
                    method, pair=pair, allocation=allocation, sparsity=sparsity, seed=seed
                )
                noisy = round(mean + noise.uniform(-1, 1) * (94.5 - mean) / 12, 2)
                cells.append(make_cell(method, job, accuracy=noisy, **_timing(method, noise)))
    return [_spoilt(cell) for cell in cells]


def _timing(method: str, noise: random.Random) -> dict[str, Any]:
    whole = SECONDS[method] * noise.uniform(0.9, 1.2)
    shares = SHARES[method not in ("random", "magnitude")]
    return {"prune_seconds": whole, "phase_seconds": {p: whole * s for p, s in shares.items()}}


def _spoilt(cell: Cell) -> Cell:
    job = cell.job
    match job.method, job.allocation, job.sparsity, job.seed:
        case "woodfisher", "layerwise", 0.9, _:
            return make_cell(cell.label, job, "over-budget", reason="asked for 9,000 passes")
        case "obd", "layerwise", 0.8, 1:
            return make_cell(cell.label, job, "failed", reason="OutOfMemory\nat layer_3")
        case "obd", "global", 0.98, _:
            return make_cell(cell.label, job, None)
        case "magnitude", "global", 0.95, 2:
            return make_cell(cell.label, job, None)
    return cell
