"""Random pruning: what any criterion must beat."""

from dataclasses import dataclass

import torch

from bench.problem import Problem
from bench.weights import Scores
from methods.method import Method


@dataclass(frozen=True)
class Random(Method):
    """Remove weights uniformly at random; the mask changes with the job's seed."""

    def scores(self, problem: Problem) -> Scores:
        """Independent uniform numbers."""
        generator = problem.generator("random scores")
        return {
            name: torch.rand(weight.shape, generator=generator).to(weight.device)
            for name, weight in problem.weights.items()
        }
