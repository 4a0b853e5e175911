"""What each method costs for an estimate of the dense model and for each cell after it.

Seconds are those of one machine; so they are counted in units of one plain backward pass, batched,
over the same examples. Two numbers of examples, one twice the other, show how a cost grows.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tabulate import tabulate

from bench.jobs.budget import Budget, Meter
from bench.measurements.facts import write_facts, write_table
from bench.pairs import PAIRS
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.prepare import prepare
from bench.problem.cache import Cache, Reuse
from bench.problem.calibration import Calibration
from bench.problem.chunks import CHUNK
from bench.problem.passes import Settings
from bench.problem.problem import Problem, Target
from methods import METHODS, build
from methods.method import Method

EXAMPLES = {"mlpnet-mnist": 1000, "resnet20-cifar10": 200}
"""The larger number of examples by pair; the smaller one is half of it."""
SPARSITY = 0.9
"""The sparsity of the cell."""
ROUNDS = 2
"""How often each cost is measured; the smallest counts."""
PLENTY = Budget(**dict.fromkeys(Budget.model_fields, 10**9))
"""A budget that nothing exceeds."""


@dataclass(frozen=True)
class Cost:
    """Seconds of an estimate, and of the rest that each cell takes.

    For a method that doesn't split, the estimate is what its cells can share: their gradients.
    """

    estimate: float
    cell: float


def write(out: Path) -> list[Path]:
    """Write `costs.csv`, `costs.md` and for each pair its facts into the folder `out`."""
    rows, files = [], []
    for pair, examples in EXAMPLES.items():
        dense = prepare(PAIRS[pair], torch.device("cpu"))
        rows += table(dense, examples)
        settings = {"examples": examples, "sparsity": SPARSITY, "rounds": ROUNDS}
        (out / pair).mkdir(exist_ok=True)
        files.append(write_facts(dense, settings, out / pair))
    costs = pd.DataFrame(rows)
    page = out / "costs.md"
    page.write_text(tabulate(costs.round(2).to_dict("list"), "keys", "github") + "\n")
    return [write_table(costs, out / "costs.csv"), page, *files]


def table(dense: Dense, examples: int) -> list[dict[str, Any]]:
    """Return a row of costs for each method that prunes once, in plain backward passes.

    `growth` is the factor by which a cost in seconds rises when the examples double, from half to
    all of them.
    """
    few, many = examples // 2, examples
    plain = plain_pass(dense, many)
    rows = []
    for name, kind in METHODS.items():
        if kind.trains:
            continue
        costs = {count: cost(_with(name, count), dense, count) for count in (few, many)}
        row: dict[str, Any] = {"pair": dense.pair.name, "method": name}
        for part in ("estimate", "cell"):
            half, whole = (getattr(costs[count], part) for count in (few, many))
            row |= {part: whole / plain, f"{part} growth": whole / half}
        rows.append(row)
    return rows


def cost(method: Method, dense: Dense, examples: int) -> Cost:
    """Return the seconds of the method with so many examples, each the least of some rounds."""
    measured = [_measured(method, dense, examples) for _ in range(ROUNDS)]
    return Cost(min(one.estimate for one in measured), min(one.cell for one in measured))


def plain_pass(dense: Dense, examples: int) -> float:
    """Return the seconds of one batched forward and backward pass over so many examples.

    Gradients are of the prunable weights, summed over the examples of a chunk.
    """
    model = copy.deepcopy(dense.model)
    for name in dense.prunable:
        model.get_parameter(name).requires_grad_(True)
    inputs, labels = Calibration(dense.calibration, 0, Meter(PLENTY)).first(examples)

    def once() -> None:
        for some, their in zip(inputs.split(CHUNK), labels.split(CHUNK), strict=True):
            model.zero_grad()
            dense.objective.loss(model(some), their).backward()

    return min(_seconds(once) for _ in range(ROUNDS + 1))


def _with(name: str, examples: int) -> Method:
    fields = METHODS[name].__dataclass_fields__
    return build(name, {"samples": examples} if "samples" in fields else {})


def _measured(method: Method, dense: Dense, examples: int) -> Cost:
    problem = Problem(
        dense.model,
        dense.prunable,
        Calibration(dense.calibration, 0, Meter(PLENTY)),
        Target(SPARSITY, "global"),
        Settings(reuse=Reuse(Cache(2**34), dense), objective=dense.objective),
    )
    found: list[Any] = []
    if method.splits:
        estimate = _seconds(lambda: found.append(method.estimate(problem)))
        return Cost(estimate, _seconds(lambda: method.apply(problem, found[0])))
    estimate = _seconds(lambda: problem.gradients_by_layer(examples))
    return Cost(estimate, _seconds(lambda: method.prune(problem)))


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
