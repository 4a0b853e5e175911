"""Tells why CHITA++ of the authors and ours end at different accuracies; see side-by-side.md.

Every form of the search below gets the same settings and, at each stage, gradients of the same
examples. `PYTHONPATH=.:CHITA python results/published/side_by_side_stages.py theirs ours`.
"""

import argparse
import contextlib
import functools
import importlib
import io
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from side_by_side import BASE, GRADIENTS, ITERATIONS, RIDGE, Repeated, problem_of, timed
from torch import Tensor

from bench.pairs import PAIRS
from bench.pairs.evaluate import evaluate
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.prepare import prepare
from bench.problem.gradients.per_example import DenseGradients
from bench.problem.problem import Problem
from bench.problem.weights import flatten, unflatten
from methods.chita import CHITA, _within
from methods.combinatorial.feasible import Feasible
from methods.combinatorial.quadratic import Point, Quadratic, descent

ROUNDS = 3
ONE_STAGE = CHITA(samples=GRADIENTS, damping=RIDGE)
STAGES = replace(ONE_STAGE, batch=16, first_order=1.0, fresh=True, base=BASE)


class Unsolved(CHITA):
    """Our search without its exact solutions: steps of iterative hard thresholding alone."""

    def _searched(
        self, model: Quadratic, point: Point, feasible: Feasible, pool: Tensor, active: Tensor
    ) -> Point:
        """Return where as many steps as theirs end."""
        step = functools.partial(descent, steps=ITERATIONS)
        return _within(active, step, model.among(active), point, feasible)


@dataclass(frozen=True)
class Stage:
    """What a search is given at one stage: the weights w̄ [d] and the gradients G [m, d] there."""

    problem: Problem
    feasible: Feasible
    gradients: DenseGradients
    weights: Tensor
    sparsity: float
    iterations: int
    method: CHITA

    @property
    def first_order(self) -> float:
        """The weight α of the mean gradient in Q."""
        return self.method.first_order / self.method.batch

    @property
    def model(self) -> Quadratic:
        """The quadratic model Q of the loss."""
        target = self.gradients.times(self.weights) - self.first_order
        return Quadratic(self.gradients, target, self.weights, RIDGE)

    def theirs(self, start: Tensor) -> Tensor:
        """Return the weights [d] that their search finds from a start [d]."""
        matrix, centre = self.gradients.matrix.double().numpy(), self.weights.double().numpy()
        search = importlib.import_module("CHITA_opt.L0_card_const").Active_IHTCDLS_PP
        count = self.iterations
        with contextlib.redirect_stdout(io.StringIO()):
            found = search(
                *(matrix @ centre, matrix, start.double().numpy()),
                int((1 - self.sparsity) * len(centre)),
                alpha=self.first_order * matrix.sum(axis=0),
                lambda2=RIDGE * len(matrix) / 2,
                beta_tilde1=np.zeros_like(centre),
                beta_tilde2=np.copy(centre),
                **{"iht_max_itr": count, "act_max_itr": count, "ftol": 1e-7, "ctol": 1e-4},
                **{"kimp": 1.5, "act_itr": 1, "cd_itr": 0, "sea1_max_itr": 5, "sea2_max_itr": 10},
            )[0]
        return torch.from_numpy(found).float()

    def solved(self, found: Tensor) -> Tensor:
        """Return the exact minimiser of Q on the support of the weights [d]."""
        return self.model.solution(found != 0).weights

    def ours(self, **fields: Any) -> Tensor:
        """Return the weights [d] that our search finds, with some other fields."""
        method = replace(self.method, **fields)
        return method._found(self.problem, self.feasible, self.gradients)

    def unsolved(self) -> Tensor:
        """Return the weights [d] that it finds without exact solutions."""
        method = Unsolved(**asdict(self.method))
        return method._found(self.problem, self.feasible, self.gradients)


def in_rounds(stage: Stage) -> Tensor:
    """Their search and the exact solution in turn, up to `ROUNDS` times, like ours."""
    found = stage.solved(stage.theirs(stage.weights))
    for _ in range(ROUNDS - 1):
        again = stage.theirs(found)
        if torch.equal(again != 0, found != 0):
            break
        found = stage.solved(again)
    return found


FORMS: dict[str, Callable[[Stage], Tensor]] = {
    "theirs": lambda stage: stage.theirs(stage.weights),
    "theirs-solved": lambda stage: stage.solved(stage.theirs(stage.weights)),
    "theirs-in-rounds": in_rounds,
    "ours": lambda stage: stage.ours(),
    "ours-one-round": lambda stage: stage.ours(rounds=1),
    "ours-unsolved": Stage.unsolved,
}


def walk(dense: Dense, form: str, options: argparse.Namespace, seed: int) -> None:
    """Run all stages with one form of the search, and print where they end.

    With `beside`, print also Q at the end of each of these forms, from the same weights and
    gradients, and how many weights are in their support and not in that of `form`.
    """
    examples = Repeated(dense.calibration, 5)
    method = replace(STAGES if options.stages > 1 else ONE_STAGE, stages=options.stages)
    problem = here = problem_of(dense, examples, options.sparsity, seed)
    inside, weights, total, back = Feasible(problem).inside, problem.weights, 0.0, 0
    for number, sparsity in enumerate(method.sparsities(options.sparsity)):
        skip = number * GRADIENTS * method.batch
        gradients = DenseGradients(here.gradients(GRADIENTS, method.batch, "empirical", skip=skip))
        given = flatten(weights).clone()
        feasible = Feasible(here, sparsity, inside)
        stage = Stage(here, feasible, gradients, given, sparsity, options.iterations, method)
        found, seconds = timed(lambda stage=stage: FORMS[form](stage))  # type: ignore[misc]
        total += seconds
        back += int(((given == 0) & (found != 0)).sum())
        if options.beside:
            ends = {form: found} | {name: FORMS[name](stage) for name in options.beside}
            values = {name: f"{stage.model.value(end):.6f}" for name, end in ends.items()}
            apart = {name: int(((end != 0) & (found == 0)).sum()) for name, end in ends.items()}
            print(
                f"stage {number} at {sparsity:.4f}: Q {values}, other weights {apart}", flush=True
            )
        weights = unflatten(found, like=weights)
        here = problem.at(weights, unflatten(inside, like=weights))
    accuracy = evaluate(here.model, dense.test).accuracy
    print(
        f"{options.sparsity} seed {seed} {form}: {accuracy:.2f} %, "
        f"kept {int((found != 0).sum())}, came back {back}, search {total:.1f} s",
        flush=True,
    )


def main() -> None:
    """Read the command line, and run the forms in turn, on one thread."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("forms", nargs="+", choices=FORMS)
    parser.add_argument("--beside", nargs="*", choices=FORMS, default=[])
    parser.add_argument("--sparsity", type=float, default=0.95)
    for name, count in {"stages": 15, "iterations": ITERATIONS, "seeds": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=count)
    options = parser.parse_args()
    torch.set_num_threads(1)
    dense = prepare(PAIRS["mlpnet-mnist"], torch.device("cpu"))
    dense.model.requires_grad_(False)
    for seed in range(options.seeds):
        for form in options.forms:
            walk(dense, form, options, seed)


if __name__ == "__main__":
    main()
