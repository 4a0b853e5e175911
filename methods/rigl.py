"""RigL (Evci et al. 2020, Rigging the Lottery: Making All Tickets Winners)."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bench.problem.problem import Target
from bench.problem.selection import select
from bench.problem.training.loop import Sparsifier, Training
from bench.problem.weights import Masks
from methods.method import Count, Fraction
from methods.sparse_training import SparseTraining


@dataclass(frozen=True)
class RigL(SparseTraining):
    """Train sparse from the first step; drop the smallest |w|, grow where |gradient| is largest.

    The first mask is random with the job's allocation. Every `interval` steps, until the fraction
    `end` of the training, each layer drops the fraction f of its weights and grows as many,
    starting from zero: f = fraction/2 · (1 + cos(π t / T_end)) if `decay` is `cosine`, otherwise
    always `fraction`. `growth` is by the dense `gradient` of one batch, or `random` with new random
    weights. Every layer keeps its number of weights. Cost: O(d log d) per change of the mask.

    Differs from the paper: the step at which the mask changes also updates the weights, and if too
    few weights have a gradient, dropped ones return.
    """

    start: Literal["dense", "scratch"] = "scratch"
    fraction: Fraction = 0.3
    interval: Count = 100
    end: Fraction = 0.75
    decay: Literal["cosine", "constant"] = "cosine"
    growth: Literal["gradient", "random"] = "gradient"

    def sparsifier(self, target: Target) -> Sparsifier:
        """Return the sparsifier that changes the mask at the planned steps."""
        return _Rewiring(self, target)


class _Rewiring(Sparsifier):
    def __init__(self, method: RigL, target: Target) -> None:
        self._method, self._target = method, target

    def before_step(self, training: Training) -> None:
        """Start from a random mask, and say when the mask will change no more."""
        if training.step == 0:
            training.set_masks(random_masks(training, self._target))
        if training.step == round(self._method.end * training.steps):
            training.pruning_ended()

    def on_gradients(self, training: Training) -> None:
        """Drop and grow weights of each layer, if this step ends an interval."""
        method, step, masks = self._method, training.step, training.masks
        last = method.end * training.steps
        if step == 0 or step % method.interval or step >= last or masks is None:
            return
        share = method.fraction
        if method.decay == "cosine":
            share *= (1 + math.cos(math.pi * step / last)) / 2
        training.set_masks(
            {name: self._rewired(training, name, masks[name], share) for name in masks}
        )

    def _rewired(self, training: Training, name: str, mask: Tensor, share: float) -> Tensor:
        """Return the layer's mask with the fraction `share` dropped and as many weights grown."""
        weight = training.parameters[name].detach()
        kept = int(mask.sum())
        count = min(round(share * kept), mask.numel() - kept)
        left, size = mask.flatten().clone(), weight.abs().flatten()
        dropped = size.masked_fill(~left, math.inf).argsort(stable=True)[:count]
        left[dropped] = False
        merit = self._merit(training, name).masked_fill(left, -math.inf)
        grown = merit.argsort(stable=True, descending=True)[:count]
        # A weight without a gradient would stay at zero: the largest of the dropped ones return
        # instead.
        grown = grown[merit[grown] > 0]
        returned = dropped[~torch.isin(dropped, grown)].flip(0)[: count - len(grown)]
        left[grown] = left[returned] = True
        if self._method.growth == "random":
            places = torch.unravel_index(grown, weight.shape)
            weight[places] = self._new_weights(training, weight, len(grown)).to(weight.dtype)
        return left.view_as(mask)

    def _merit(self, training: Training, name: str) -> Tensor:
        """Return the flattened priority of growing each weight of the layer.

        The largest are grown.
        """
        parameter = training.parameters[name]
        if self._method.growth == "random":
            draw = torch.rand(parameter.numel(), generator=training.generator)
            return draw.to(parameter.device)
        assert parameter.grad is not None
        return parameter.grad.abs().flatten()

    def _new_weights(self, training: Training, weight: Tensor, count: int) -> Tensor:
        """Return draws [count] from PyTorch's default initialisation of the layer, U(-b, b)."""
        bound = weight[0].numel() ** -0.5
        draw = torch.rand(count, generator=training.generator).to(weight.device)
        return float(bound) * (2 * draw - 1)


def random_masks(training: Training, target: Target) -> Masks:
    """Return random masks with the target's exact counts, inside the masks of the training."""
    scores = {
        name: torch.rand(weight.shape, generator=training.generator).to(weight.device)
        for name, weight in training.parameters.items()
    }
    return select(scores, target.allocation, target.sparsity, training.masks)
