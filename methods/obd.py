"""Optimal Brain Damage with a diagonal Fisher (LeCun et al. 1989; Theis et al. 2018)."""

from dataclasses import dataclass

from bench.problem import Problem
from bench.weights import Scores
from methods.method import Count, Method


@dataclass(frozen=True)
class OBD(Method):
    """Remove the weights whose loss alone raises the quadratic model least: w² F_qq / 2.

    F_qq = (1/m) Σ g_iq² over the per-example gradients of m examples, the diagonal of the empirical
    Fisher. Cost: m backward passes, O(d) memory beside one chunk of gradients.

    Differs from the paper: the diagonal is the empirical Fisher's instead of the Hessian's.
    """

    samples: Count = 1000

    def scores(self, problem: Problem) -> Scores:
        """w² F_qq / 2 for each weight."""
        weights = problem.weights
        total = {name: weight.new_zeros(weight.numel()) for name, weight in weights.items()}
        for chunk in problem.signals(self.samples):
            for name, signal in chunk.items():
                total[name] += signal.gradients().square_().sum(0)
        return {
            name: weight.square() * total[name].view_as(weight) / (2 * self.samples)
            for name, weight in weights.items()
        }
