"""Shows one layer's curvature, exactly and as each method approximates it.

The last two layers of the published MLPNet are small enough for complete matrices. They show
whether K-FAC's factors are in the right order.
"""

import copy
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from bench.measurements import matrices
from bench.measurements.curvature_figures import pictures
from bench.measurements.facts import write_facts, write_table
from bench.measurements.matrices import best_scale, relative_error
from bench.pairs import PAIRS
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.prepare import prepare
from bench.problem.calibration import seeded
from bench.report.figures import canvas

PAIR = "mlpnet-mnist"
"""The pair whose dense model is measured."""
LAYERS = ("fc3", "fc2")
"""The layers whose curvature is shown."""
SAMPLES = 500
"""The number of examples from which each matrix is estimated."""
SEEDS = (0, 1, 2)
"""The seeds that choose the examples; figures show the first."""
FEW, RANK = 50, 10
"""The number of gradients and the rank of the two approximations of low rank."""
REFERENCES = ("Hessian", "true Fisher", "empirical Fisher")
"""The matrices against which errors are measured."""


def write(out: Path) -> list[Path]:
    """Write `errors.csv`, `facts.json` and a figure per layer into the folder `out`."""
    dense = prepare(PAIRS[PAIR], torch.device("cpu"))
    tables, files = [], []
    for layer in LAYERS:
        for seed in SEEDS:
            named = layer_matrices(dense.model, layer, *examples(dense, seed))
            errors = compared(named).assign(layer=layer, seed=seed)
            tables.append(errors)
            if seed == SEEDS[0]:
                with canvas.settings():
                    files += canvas.save(pictures(named, errors, layer), out / layer)
    settings = {"samples": SAMPLES, "seeds": SEEDS, "few": FEW, "rank": RANK}
    return [
        write_table(pd.concat(tables), out / "errors.csv"),
        write_facts(dense, settings, out),
        *files,
    ]


def examples(dense: Dense, seed: int) -> tuple[Tensor, Tensor]:
    """Return the seed's calibration examples: inputs [m, ...] and labels [m]."""
    order = torch.randperm(len(dense.train), generator=seeded(seed, "calibration examples"))
    return dense.train.batch(order[:SAMPLES])


def layer_matrices(
    model: torch.nn.Module, layer: str, inputs: Tensor, labels: Tensor, few: int = FEW
) -> dict[str, Tensor]:
    """Return the exact matrices [d, d] and their approximations by name, in double precision."""
    model, inputs = copy.deepcopy(model).double(), inputs.double()
    true = matrices.true(model, layer, inputs)
    empirical = matrices.empirical(model, layer, inputs, labels)
    return {
        "Hessian": matrices.hessian(model, layer, inputs, labels),
        "true Fisher": true.fisher,
        "empirical Fisher": empirical.fisher,
        "K-FAC true, S⊗A": matrices.kronecker(true),
        "K-FAC true, A⊗S": matrices.swapped(true),
        "K-FAC, S⊗A": matrices.kronecker(empirical),
        "K-FAC, A⊗S": matrices.swapped(empirical),
        "EKFAC true": matrices.eigenvalue_corrected(true),
        "EKFAC": matrices.eigenvalue_corrected(empirical),
        "nearest Kronecker": matrices.nearest_kronecker(true),
        "a block a unit": matrices.blocks(true.fisher, len(true.input)),
        "diagonal": matrices.blocks(true.fisher, 1),
        f"rank {RANK}": matrices.low_rank(true.fisher, RANK),
        f"{few} gradients": matrices.empirical(model, layer, inputs[:few], labels[:few]).fisher,
    }


def compared(named: dict[str, Tensor]) -> pd.DataFrame:
    """Return the relative Frobenius error of each matrix against each reference.

    The table also has the scale at which the matrix is nearest to the reference, and the error at
    that scale.
    """
    rows = []
    for name, matrix in named.items():
        for reference in REFERENCES:
            scale = best_scale(matrix, named[reference])
            rows.append(
                {
                    "matrix": name,
                    "reference": reference,
                    "error": relative_error(matrix, named[reference]),
                    "scale": scale,
                    "scaled_error": relative_error(scale * matrix, named[reference]),
                }
            )
    return pd.DataFrame(rows)
