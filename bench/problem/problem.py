"""All that a method may touch: prunable weights, metered calibration data and gradients."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from bench.common.errors import MethodError
from bench.jobs.allocation import Allocation
from bench.jobs.budget import Meter
from bench.problem.calibration import Examples
from bench.problem.gradients.sweep import ROWS_MEMORY
from bench.problem.passes import MEMORY, Passes
from bench.problem.selection import select
from bench.problem.stopwatch import Stopwatch
from bench.problem.weights import Masks, Scores, Weights, flatten


@dataclass(frozen=True)
class Target:
    """What a job asks for: this sparsity of the prunable weights, spread by this allocation."""

    sparsity: float
    allocation: Allocation


class Problem(Passes):
    """A dense model to be pruned, with calibration data behind a meter.

    Everything random about a job follows from `seed`: the calibration examples are a prefix of one
    shuffled order, the same for every method. `weights` are the model's own tensors: read, never
    write. The test split is not here.
    """

    def __init__(
        self,
        model: nn.Module,
        prunable: Mapping[str, str],
        examples: Examples,
        target: Target,
        seed: int,
        meter: Meter,
        memory: int = MEMORY,
        support: Masks | None = None,
        rows_memory: int = ROWS_MEMORY,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        """As `Passes`, with what the job asks for."""
        super().__init__(
            model, prunable, examples, seed, meter, memory, support, rows_memory, stopwatch
        )
        self.target = target

    @property
    def model(self) -> nn.Module:
        """The model whose weights are pruned, for the harness to watch: read, never write."""
        return self._model

    @property
    def support(self) -> Masks | None:
        """The weights that are left, the others are gone for good; None where all are."""
        return self._support

    @property
    def sparsity(self) -> float:
        """The fraction of the prunable weights that is gone already."""
        if self._support is None:
            return 0.0
        return 1 - float(flatten(self._support).double().mean())

    def select(
        self, scores: Scores, sparsity: float | None = None, within: Masks | None = None
    ) -> Masks:
        """Masks that remove the smallest scores by the job's allocation, with exact counts.

        They stay inside `within`, by default the weights that are left.
        """
        if missing := sorted(self._prunable.keys() ^ scores.keys()):
            raise MethodError(f"scores and prunable layers differ in {', '.join(missing)}")
        goal = self.target.sparsity if sparsity is None else sparsity
        with self.phase("selection"):
            return select(scores, self.target.allocation, goal, within or self._support)

    def at(self, weights: Weights, support: Masks) -> "Problem":
        """The same problem at other weights, of which those outside `support` are gone for good.

        Charges one recomputation. Gradients of weights outside the support are zero from then on.
        """
        self._meter.charge("recomputations", 1)
        moved = copy.copy(self)
        moved._support = support
        moved._model = copy.deepcopy(self._model)
        with torch.no_grad():
            for name, weight in weights.items():
                moved._model.get_parameter(name).copy_(weight)
        return moved
