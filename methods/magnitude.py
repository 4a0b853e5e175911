"""Magnitude pruning (Han et al. 2015, Learning both Weights and Connections)."""

from dataclasses import dataclass

from bench.problem import Problem
from bench.weights import Scores
from methods.method import Method


@dataclass(frozen=True)
class Magnitude(Method):
    """Remove the weights that are smallest in absolute value: score |w|."""

    def scores(self, problem: Problem) -> Scores:
        """|w|; touches no data."""
        return {name: weight.abs() for name, weight in problem.weights.items()}
