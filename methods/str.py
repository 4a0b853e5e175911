"""STR (Kusupati et al. 2020, Soft Threshold Weight Reparameterization for Learnable Sparsity)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from bench.common.errors import Skip
from bench.jobs.allocation import pruned_counts, pruned_total
from bench.jobs.schedule import cubic
from bench.problem.problem import Target
from bench.problem.selection import select
from bench.problem.training.loop import Sparsifier, Training
from bench.problem.weights import flatten
from methods.method import Count, Fraction, Positive
from methods.sparse_training import SparseTraining

GAIN = 0.5
"""Share of a miss that the search makes up for at once; 1 would answer to noise."""

LIMIT = 30.0
"""No s is moved further at once; sigmoid(±30) is 0 and 1 in single precision."""


@dataclass(frozen=True)
class STR(SparseTraining):
    """Learn the thresholds: W̃ = sign(W) · relu(|W| - g(s)), g = sigmoid, s trained with W.

    `threshold`: one s a `layer`, or one `global` s, from `initial`, so low that nothing is removed;
    its gradient is scaled by `threshold_rate` (to no effect under AdamW). A constant force on
    every s, the gradient of the penalty -c Σ s, drives the sparsity up. Its strength c is searched
    in the course of the training: every `interval` steps it becomes what takes the weights of now
    to the sparsity that the cubic schedule wants an interval later, and makes up for what the pull
    of the loss on s took away. The target is reached after the fraction `rise` of the training and
    held until `settle`. Then one exact projection moves the thresholds to the requested count, and
    the rest of the training runs with the mask fixed. The record has the emergent sparsity too,
    that before the projection. Allocations other than `global` drive each layer's s by itself.
    Cost: O(d log d) for each search.

    Differs from the paper: weight decay on s drives it there, with a strength that is set
    beforehand, sparsity is an outcome, and s learns as fast as W.
    """

    threshold: Literal["layer", "global"] = "layer"
    initial: float = -10.0
    interval: Count = 20
    rise: Fraction = 0.7
    settle: Fraction = 0.85
    threshold_rate: Positive = 0.01

    def __post_init__(self) -> None:
        if self.settle < self.rise:
            raise ValueError(f"settle ({self.settle:g}) must not come before rise ({self.rise:g})")

    def sparsifier(self, target: Target) -> Sparsifier:
        """Learns thresholds with a searched strength, then projects.

        Raises `Skip` where one threshold would have to meet the counts of every layer.
        """
        if self.threshold == "global" and target.allocation != "global":
            raise Skip(f"one global threshold can't meet a {target.allocation} allocation")
        return _Thresholds(self, target)


class SoftThreshold(nn.Module):
    """W to sign(W) · relu(|W| - sigmoid(s)); `s` may be shared between layers."""

    def __init__(self, s: nn.Parameter) -> None:
        super().__init__()
        self.s = s

    def forward(self, weight: Tensor) -> Tensor:
        """The weights behind the threshold, shaped like `weight`."""
        return weight.sign() * (weight.abs() - self.s.sigmoid()).relu()


class _Thresholds(Sparsifier):
    def __init__(self, method: STR, target: Target) -> None:
        self._method, self._target = method, target
        self._s: dict[str, nn.Parameter] = {}
        self._force: dict[str, float] = {}
        self._bias: dict[str, float] = {}
        self._settled = False
        self._behind: list[tuple[nn.Module, str]] = []

    def attach(self, training: Training) -> None:
        device = next(iter(training.parameters.values())).device
        shared = nn.Parameter(torch.tensor(self._method.initial, device=device))
        for name, parameter in training.parameters.items():
            own = nn.Parameter(shared.detach().clone())
            self._s[name] = shared if self._method.threshold == "global" else own
            for layer, field in _uses(training.model, parameter):
                parametrize.register_parametrization(layer, field, SoftThreshold(self._s[name]))
                self._behind.append((layer, field))

    def before_step(self, training: Training) -> None:
        settle = round(self._method.settle * training.steps)
        if training.step < settle:
            if training.step % self._method.interval == 0:
                self._search(training)
            self._push(self._force)
        elif training.step == settle:
            self._project(training)
        if training.step == training.steps:
            self._finish(training)

    def on_gradients(self, training: Training) -> None:
        for s in set(self._s.values()):
            if s.grad is not None:
                s.grad *= self._method.threshold_rate

    def state(self) -> dict[str, Any]:
        return {"force": self._force, "bias": self._bias, "settled": self._settled}

    def restore(self, training: Training, state: dict[str, Any]) -> None:
        self._force, self._bias = state["force"], state["bias"]
        if state["settled"]:
            self._freeze()

    def _search(self, training: Training) -> None:
        """The force for the next interval, from what the sparsity is and what it should be then."""
        interval = self._method.interval
        now = self._shifts(training, self._planned(training, training.step))
        later = self._shifts(training, self._planned(training, training.step + interval))
        for name in self._s:
            # What was missed is the pull of the loss, which will be there in the next interval too.
            if training.step:
                self._bias[name] = self._bias.get(name, 0.0) + GAIN * now[name]
            self._force[name] = (later[name] + self._bias.get(name, 0.0)) / interval

    def _planned(self, training: Training, step: int) -> float:
        rise = self._method.rise * training.steps
        return cubic(step / rise if rise else 1.0, 0.0, self._target.sparsity)

    def _push(self, move: Mapping[str, float]) -> None:
        """Move each threshold's s once, however many layers share it."""
        with torch.no_grad():
            for s, name in {s: name for name, s in self._s.items()}.items():
                s.add_(move[name])

    def _critical(self, training: Training) -> dict[str, Tensor]:
        """By how much s must move to remove each weight: logit |W| - s, shaped like the weight."""
        return {
            name: weight.detach().abs().clamp(max=1).logit() - self._s[name].detach()
            for name, weight in training.parameters.items()
        }

    def _shifts(self, training: Training, sparsity: float) -> dict[str, float]:
        """The move of each layer's s that gives this sparsity with the weights of now."""
        critical = self._critical(training)
        shapes = {name: values.shape for name, values in critical.items()}
        counts = pruned_counts(self._target.allocation, shapes, sparsity)
        if counts is not None:
            return {name: _shift(values, counts[name]) for name, values in critical.items()}
        everything = flatten(critical)
        common = _shift(everything, pruned_total(sparsity, everything.numel()))
        return dict.fromkeys(critical, common)

    def _project(self, training: Training) -> None:
        """Note the sparsity reached, move the thresholds to the exact count, and fix the mask."""
        weights = training.parameters
        left = sum(
            int((weight.detach().abs() > self._s[name].sigmoid()).sum())
            for name, weight in weights.items()
        )
        training.emergent_sparsity = 1 - left / sum(w.numel() for w in weights.values())
        masks = select(self._critical(training), self._target.allocation, self._target.sparsity)
        self._push(self._shifts(training, self._target.sparsity))
        with torch.no_grad():
            for name, weight in weights.items():
                behind = weight.sign() * (weight.abs() - self._s[name].sigmoid()).relu()
                # A weight just at its threshold is left by the count, but would be zero.
                weight.copy_(torch.where(masks[name] & (behind == 0), weight, behind))
        self._freeze()
        training.set_masks(masks)
        training.pruning_ended()

    def _freeze(self) -> None:
        """Thresholds of exactly zero that no longer learn."""
        self._settled = True
        for s in set(self._s.values()):
            s.requires_grad_(False).fill_(-torch.inf)

    def _finish(self, training: Training) -> None:
        """Leave plain weights behind."""
        for layer, field in self._behind:
            parametrize.remove_parametrizations(layer, field, leave_parametrized=True)


def _uses(model: nn.Module, parameter: nn.Parameter) -> list[tuple[nn.Module, str]]:
    """All modules that have the parameter, with its name there: tied weights are in several."""
    return [
        (module, name)
        for module in model.modules()
        for name, found in module.named_parameters(recurse=False, remove_duplicate=False)
        if found is parameter
    ]


def _shift(critical: Tensor, count: int) -> float:
    """Half-way between the `count` smallest values and the others."""
    ordered = critical.flatten().clamp(-LIMIT, LIMIT).sort().values
    below = ordered[count - 1] if count else ordered[0] - 1
    above = ordered[count] if count < len(ordered) else ordered[-1] + 1
    return float(below + above) / 2
