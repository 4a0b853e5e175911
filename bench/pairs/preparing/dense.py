"""The dense model of a pair, ready to be pruned, and what was measured of it."""

import copy
import functools
from dataclasses import dataclass

import torch
from torch import nn

from bench.jobs.budget import Budget, Meter
from bench.pairs.batchnorm import recalibrate
from bench.pairs.evaluate import Evaluation, evaluate
from bench.pairs.pair import Pair
from bench.problem.calibration import Calibration
from bench.problem.objective import Objective
from bench.problem.objectives import OBJECTIVES
from bench.problem.problem import Problem, Target
from datasets.inputs.split_inputs import Inputs


@dataclass(frozen=True, eq=False)
class Dense:
    """The dense model of a pair on its device, in evaluation mode, and what was measured of it.

    If `single`, the model is in half precision and methods work on a copy in single precision. No
    parameter of the model has gradients here; those named in `frozen` have none in training either.
    """

    pair: Pair
    device: torch.device
    model: nn.Module
    prunable: dict[str, str]
    checkpoint_sha256: str
    data_sha256: str
    train: Inputs
    validation: Inputs
    test: Inputs
    evaluation: Evaluation
    flops: int
    pair_sha256: str
    single: bool = False
    frozen: frozenset[str] = frozenset()

    @property
    def calibration(self) -> Inputs:
        """The training split in the precision in which methods see it."""
        return self.train.typed(torch.float32) if self.single else self.train

    @property
    def objective(self) -> Objective:
        """What the model is trained, pruned and evaluated by."""
        return OBJECTIVES[self.pair.objective]

    @property
    def parameters(self) -> int:
        """The number of all parameters, prunable or not."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @functools.lru_cache(maxsize=64)  # noqa: B019 - a handful of pairs live as long as the process
    def recalibrated(self, examples: int, seed: int) -> Evaluation:
        """Return the dense model's evaluation after BatchNorm is renewed as for pruned models.

        `examples` is the number of calibration examples; 0 renews nothing.
        """
        if not examples:
            return self.evaluation
        model = copy.deepcopy(self.model)
        meter = Meter(Budget(calibration_examples=examples))
        target = Target(sparsity=0.0, allocation="global")
        problem = Problem(model, self.prunable, Calibration(self.train, seed, meter), target)
        recalibrate(model, problem.examples(examples)[0])
        return evaluate(model, self.test, self.objective)
