"""The Combinatorial Brain Surgeon (Yu et al. 2022)."""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from bench.common.errors import Skip
from bench.problem.gradients.per_example import JoinedGradients
from bench.problem.gradients.targets import Fisher
from bench.problem.problem import Problem
from bench.problem.weights import Weights, flatten, unflatten
from methods.combinatorial.feasible import Feasible
from methods.combinatorial.swaps import Removal, SwapSearch
from methods.curvature.low_rank import LowRankInverse, joint_move
from methods.gradients import FromGradients
from methods.method import Count, Method, Positive
from methods.search import Choice, Damping, Space, UpdateScale
from methods.surgeon import saliencies

TOGETHER = 25
"""How many masks are judged in one matrix product, which bounds its memory: 100 bytes a weight."""


@dataclass(frozen=True)
class CBS(FromGradients, Method):
    """Choose the set of weights that is cheapest to remove together, then move the survivors.

    With the empirical Fisher F = (1/m) Σ g_i g_iᵀ over m = `samples` gradients, the set P is chosen
    for its loss w_PᵀFw_P, in which the effects of weights can cancel (CBS-S). The survivors then
    make the exact joint OBS move of F + λI, λ = `damping`, times `update_scale` (CBS-U).

    P is found by swaps from a `start` (see `SwapSearch` in combinatorial/swaps.py: `reach` is the
    paper's ρ, `least` its ε, `misses` its τ) in at most `passes` passes. The start is `magnitude`,
    `woodfisher`, or `randomised`: the best of magnitude pruning and of `constructions` random
    draws, each of which ranks weights by magnitude inside √d random buckets (1,000 at most). The
    `judge` decides which mask is best: the quadratic `model`, or the `loss` of the masked network
    on the same examples. The loss then judges the mask after each pass too, and every mask it
    judges costs a tuning trial. Cost: m × batch backward passes; O(md) time per pass and O(m) per
    swap tried; O(md) memory.

    Differs from the paper: counts are exact, and hold in each layer if the allocation says so; a
    search ends with the first pass without a swap. The authors' code uses the judge `loss`, on
    5,000 examples for the start and on the whole training set for the passes.
    """

    samples: Count = 1000
    batch: Count = 1
    damping: Damping = 1e-3
    fisher: Annotated[Fisher, Choice(("empirical", "true"))] = "empirical"
    start: Literal["randomised", "magnitude", "woodfisher"] = "randomised"
    constructions: Count = 100
    reach: Count = 10
    least: Positive = 1e-4
    misses: Count = 20
    passes: Count = 100
    judge: Literal["model", "loss"] = "model"
    update_scale: UpdateScale = 0.9

    @property
    def uses_labels(self) -> bool:
        """False if the labels are drawn from the model and no loss is asked for."""
        return self.fisher == "empirical" or self.judge == "loss"

    def space(self) -> Space:
        """Empty if the judge is the loss: then the masks it judges are the job's tuning trials."""
        return {} if self.judge == "loss" else super().space()

    def prune(self, problem: Problem) -> Weights:
        """Select the set of weights to remove, then move the survivors.

        Raises `Skip` if the gradients don't fit into memory together.
        """
        gradients = problem.gradients_by_layer(self.samples, self.batch, self.fisher)
        if not isinstance(gradients, JoinedGradients):
            raise Skip("the swaps need all gradients at once, and these don't fit into memory")
        with problem.phase("selection"):
            keep = self.selected(problem, gradients)
        weights = flatten(problem.weights)
        if self.update_scale > 0:
            with problem.phase("update"):
                removed = weights.masked_fill(keep, 0)
                move = joint_move(gradients, self.damping, removed, keep)
                weights = weights + self.update_scale * move
        return unflatten(weights.masked_fill(~keep, 0), like=problem.weights)

    def selected(self, problem: Problem, gradients: JoinedGradients) -> Tensor:
        """Return the best mask [d] found by swaps from the best start."""
        removal = Removal(gradients, flatten(problem.weights))
        loss = self._loss(problem)
        starts = self.starts(problem, gradients)
        feasible = Feasible(problem)
        search = SwapSearch(self.reach, self.least, self.misses)
        path = [min(starts, key=loss) if self.judge == "loss" else _cheapest(starts, removal)]
        for _ in range(self.passes):
            keep = path[-1]
            for group in feasible.groups():
                keep = search.improved(removal, keep, group)
            if torch.equal(keep, path[-1]):
                break
            path.append(keep)
        return path[-1] if self.judge == "model" else min(path, key=loss)

    def starts(self, problem: Problem, gradients: JoinedGradients) -> Iterator[Tensor]:
        """Iterate over the masks [d] from which the search may start."""
        weights, feasible = flatten(problem.weights), Feasible(problem)
        if self.start == "woodfisher":
            yield feasible.largest(saliencies(weights, LowRankInverse(gradients, self.damping)))
            return
        yield feasible.largest(weights.abs())
        if self.start == "randomised":
            generator = problem.generator("randomised magnitude pruning")
            sizes = [(group, weights[group].abs()) for group in feasible.groups()]
            ordered = [(group, size, size.argsort(stable=True)) for group, size in sizes]
            for _ in range(self.constructions):
                scores = torch.zeros_like(weights)
                for group, size, order in ordered:
                    scores[group] = _bucket_ranks(size, order, generator)
                yield feasible.largest(scores)

    def _loss(self, problem: Problem) -> Callable[[Tensor], float]:
        """Return the function that gives the loss of the network with a mask [d]."""
        weights = problem.weights

        def loss(keep: Tensor) -> float:
            masked = flatten(weights).masked_fill(~keep, 0)
            return problem.loss(unflatten(masked, like=weights), self.samples * self.batch)

        return loss


def _cheapest(masks: Iterator[Tensor], removal: Removal) -> Tensor:
    """Return the first of the masks [d] with the least loss by the quadratic model."""
    best, least = None, math.inf
    while together := list(itertools.islice(masks, TOGETHER)):
        losses = removal.losses(torch.stack(together))
        if best is None or float(losses.min()) < least:
            best, least = together[int(losses.argmin())], float(losses.min())
    assert best is not None
    return best


def _bucket_ranks(sizes: Tensor, order: Tensor, generator: torch.Generator) -> Tensor:
    """Return each weight's rank by size in its random bucket, as a fraction: [n] to [n].

    `order` [n] are the places of the sizes in ascending order.
    """
    count = max(1, min(int(len(sizes) ** 0.5), 1000))
    bucket = (torch.randperm(len(sizes), generator=generator) % count).to(sizes.device)
    order = order[bucket[order].argsort(stable=True)]
    held = bucket.bincount(minlength=count)
    first = (held.cumsum(0) - held)[bucket[order]]
    places = torch.arange(len(sizes), device=sizes.device) - first
    ranks = torch.empty_like(sizes)
    ranks[order] = ((places + 0.5) / held[bucket[order]]).to(sizes.dtype)
    return ranks
