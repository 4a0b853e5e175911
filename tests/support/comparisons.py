"""Complete cells with known differences, for the tests of comparisons."""

from typing import Any

import numpy as np

from bench.comparison import Gathered
from bench.jobs.cell import Cell
from support.records import make_cell, make_job

METHODS = ("magnitude", "obd", "woodfisher")


def gathered(cells: list[Cell]) -> Gathered:
    return Gathered(cells, 0, 0)


def grid(seeds: int = 3, methods: tuple[str, ...] = METHODS, **changes: Any) -> list[Cell]:
    """Complete cells: obd is worse than magnitude, woodfisher better, with little noise."""
    noise = np.random.default_rng(0)
    return [
        make_cell(
            method,
            make_job(method, allocation=allocation, sparsity=sparsity, seed=seed, **changes),
            accuracy=round(95 - 20 * sparsity**4 + 2 * METHODS.index(method), 2)
            + round(noise.normal() / 20, 2),
        )
        for method in methods
        for allocation in ("global", "layerwise")
        for sparsity in (0.5, 0.8, 0.9)
        for seed in range(seeds)
    ]


def altered(cells: list[Cell], method: str, **changes: Any) -> list[Cell]:
    """The cells with the records of one method changed."""
    return [
        cell._replace(record=cell.record.model_copy(update=changes))
        if cell.label == method and cell.record
        else cell
        for cell in cells
    ]
