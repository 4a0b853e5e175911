"""Random pruning: what any criterion must beat (Blalock et al. 2020; Liu et al. 2022)."""

from dataclasses import dataclass

import torch

from bench.problem.problem import Problem
from bench.problem.weights import Scores
from methods.method import Method


@dataclass(frozen=True)
class Random(Method):
    """Remove weights uniformly at random: score u ~ U(0, 1), independent for each weight.

    The mask follows from the job's seed. All weights are equally likely to be removed, except that
    the allocation may fix how many each layer loses. It uses no data. Cost: O(d).
    """

    @property
    def uses_labels(self) -> bool:
        """False: the method uses no data at all."""
        return False

    def scores(self, problem: Problem) -> Scores:
        """Return independent uniform numbers, shaped like the weights."""
        generator = problem.generator("random scores")
        return {
            name: torch.rand(weight.shape, generator=generator).to(weight.device)
            for name, weight in problem.weights.items()
        }
