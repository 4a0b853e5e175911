"""Pruning steps: the moves from dense to pruned weights by several criteria."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from bench.problem.problem import Problem
from bench.problem.weights import flatten, unflatten
from methods.method import Method
from methods.surgeon import Surgeon, saliencies


@dataclass(frozen=True)
class Step:
    """The move [d] that prunes to a sparsity by a criterion.

    If `compensated`, the survivors move too, otherwise they stay as they were.
    """

    criterion: str
    compensated: bool
    sparsity: float
    move: Tensor


def steps(
    problem: Problem, methods: Mapping[str, Method], sparsities: Sequence[float]
) -> Iterator[Step]:
    """Yield each method's steps; for a method that moves survivors, both without and with that.

    Curvature is estimated once per method, at the dense weights.
    """
    start = flatten(problem.weights)
    for label, method in methods.items():
        inverse: Any = None
        if isinstance(method, Surgeon):
            inverse = method.inverse(problem)
            scores = unflatten(saliencies(start, inverse), like=problem.weights)
        else:
            scores = method.scores(problem)
        for sparsity in sparsities:
            keep = flatten(problem.select(scores, sparsity))
            yield Step(label, False, sparsity, -start.masked_fill(keep, 0))
            if isinstance(method, Surgeon):
                yield Step(label, True, sparsity, method.operate(start, inverse, keep) - start)
