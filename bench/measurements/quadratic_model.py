"""How well quadratic models predict what pruning does to the loss, on the published MLPNet.

Every approximation predicts δᵀBδ/2 for the same steps δ. The loss is measured at fractions t of
each step on the examples that the curvature is from, and for the whole step on the test split too.
"""

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from bench.jobs.budget import Budget, Meter
from bench.measurements.facts import write_facts, write_table
from bench.measurements.forms import APPROXIMATIONS, forms
from bench.measurements.quadratic_figures import path_figure, ratio_figure
from bench.measurements.steps import Step, steps
from bench.pairs import PAIRS
from bench.pairs.evaluate import evaluate
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.prepare import prepare
from bench.problem.calibration import Calibration
from bench.problem.problem import Problem, Target
from bench.problem.weights import Weights, flatten, unflatten
from bench.report.figures import canvas
from methods import build
from methods.method import Method

PAIR = "mlpnet-mnist"
"""The pair whose dense model is measured."""
SAMPLES = 400
"""The number of examples from which curvature and losses are computed."""
SEEDS = (0, 1, 2)
"""The seeds that choose the examples."""
SPARSITIES = (0.5, 0.8, 0.9, 0.95)
"""The sparsities to which the steps prune."""
FRACTIONS = (0.125, 0.25, 0.5, 1.0)
"""The fractions of each step at which the loss is measured."""
CRITERIA: dict[str, dict[str, Any]] = {
    "magnitude": {},
    "obd": {"samples": SAMPLES},
    "kfac": {"samples": SAMPLES, "damping": 1e-3},
    "woodfisher": {"samples": SAMPLES},
}
"""The methods that choose masks and moves, with their fields."""
BUDGET = Budget(
    calibration_examples=SAMPLES,
    backward_passes=20 * SAMPLES,
    hessian_vector_products=SAMPLES * len(SPARSITIES) * 2 * len(CRITERIA),
    tuning_trials=len(SPARSITIES) * 2 * len(CRITERIA) * len(FRACTIONS) + 1,
)
"""A budget that suffices for all measurements of one seed."""


def write(out: Path) -> list[Path]:
    """Write `steps.csv`, `ratios.csv`, `facts.json` and two figures into the folder `out`."""
    dense = prepare(PAIRS[PAIR], torch.device("cpu"))
    criteria = {label: build(label, fields) for label, fields in CRITERIA.items()}
    rows = [row for seed in SEEDS for row in measured(dense, criteria, seed)]
    table = pd.DataFrame(rows)
    ratios = overall_ratios(table)
    settings = {
        "samples": SAMPLES,
        "seeds": SEEDS,
        "criteria": CRITERIA,
        "test_loss": dense.evaluation.loss,
    }
    files = [
        write_table(table, out / "steps.csv"),
        write_table(ratios, out / "ratios.csv"),
        write_facts(dense, settings, out),
    ]
    with canvas.settings():
        files += canvas.save(ratio_figure(ratios), out / "ratios")
        files += canvas.save(path_figure(table), out / "path")
    return files


def measured(
    dense: Dense,
    criteria: dict[str, Method],
    seed: int,
    samples: int = SAMPLES,
    sparsities: Sequence[float] = SPARSITIES,
) -> Iterator[dict[str, Any]]:
    """Yield one row per step and fraction: the predictions, and the actual change of the loss."""
    calibration = Calibration(dense.train, seed, Meter(BUDGET))
    problem = Problem(dense.model, dense.prunable, calibration, Target(0.0, "global"))
    predict = forms(problem, samples)
    slope = problem.gradients(samples).mean(0).double()
    before = problem.loss(problem.weights, samples)
    for step in steps(problem, criteria, sparsities):
        curvatures = {name: form(step.move) / 2 for name, form in predict.items()}
        first = float(slope @ step.move.double())
        for fraction in FRACTIONS:
            predicted = {name: value * fraction**2 for name, value in curvatures.items()}
            yield {
                "seed": seed,
                "criterion": step.criterion,
                "compensated": step.compensated,
                "sparsity": step.sparsity,
                "fraction": fraction,
                "actual": problem.loss(partly(problem, step, fraction), samples) - before,
                "actual_test": on_test_split(dense, problem, step) if fraction == 1 else None,
                "first_order": first * fraction,
                **predicted,
            }


def partly(problem: Problem, step: Step, fraction: float) -> Weights:
    """Return the weights at this fraction of the step."""
    return unflatten(flatten(problem.weights) + fraction * step.move, like=problem.weights)


def on_test_split(dense: Dense, problem: Problem, step: Step) -> float:
    """Return the change of the mean loss on the test split over the whole step."""
    model = copy.deepcopy(dense.model)
    model.load_state_dict(partly(problem, step, 1.0), strict=False)
    return evaluate(model, dense.test, dense.objective).loss - dense.evaluation.loss


def overall_ratios(table: pd.DataFrame) -> pd.DataFrame:
    """Return predicted over actual change of whole steps: median and range over seeds.

    `actual` is the mean change; a ratio is missing where the loss did not rise.
    """
    whole = table[table.fraction == 1]
    rows = []
    keys = ["criterion", "compensated", "sparsity"]
    for key, group in whole.groupby(keys, sort=False):
        risen = group.actual.where(group.actual > 0)
        for name in APPROXIMATIONS:
            ratio = group[name] / risen
            rows.append(
                {
                    **dict(zip(keys, key, strict=True)),
                    "approximation": name,
                    "actual": group.actual.mean(),
                    "actual_test": group.actual_test.mean(),
                    "ratio": ratio.median(),
                    "ratio_min": ratio.min(),
                    "ratio_max": ratio.max(),
                }
            )
    return pd.DataFrame(rows)
