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
"""The fraction of a missed shift of s that the next search corrects; 1 would follow noise."""

LIMIT = 30.0
"""The largest move of s in one search: sigmoid(-30) and sigmoid(30) are within 1e-13 of 0 and 1."""


@dataclass(frozen=True)
class STR(SparseTraining):
    """Learn the thresholds: W̃ = sign(W) · relu(|W| - g(s)), g = sigmoid, s trained with W.

    `threshold` gives each `layer` its own s, or all layers one `global` s. It starts at `initial`,
    so low that nothing is removed, and its gradient is multiplied by `threshold_rate` (to no effect
    under AdamW). A constant is added to every s at each step, as the gradient of a penalty -c Σ s
    would do, and drives the sparsity up. Its size c is searched during the training: every
    `interval` steps it is set such that the present weights would reach the sparsity that the cubic
    schedule asks for one interval later, plus a correction for how far the loss has pulled s back.
    The target is reached after the fraction `rise` of the training and held until `settle`. Then
    one exact projection moves the thresholds to the requested count, and the rest of the training
    runs with the mask fixed. The record also has the emergent sparsity, that before the projection.
    Under allocations other than `global` each layer's s is driven separately. Cost: O(d log d) per
    search.

    Differs from the paper: there, weight decay of a fixed strength on s drives s up, the sparsity
    is an outcome, and s learns as fast as W.
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
        """Return the sparsifier that learns the thresholds and then projects to the exact count.

        Raises `Skip` if one global threshold would have to meet the counts of every layer.
        """
        if self.threshold == "global" and target.allocation != "global":
            raise Skip(f"one global threshold can't meet a {target.allocation} allocation")
        return _Thresholds(self, target)


class SoftThreshold(nn.Module):
    """Maps W to sign(W) · relu(|W| - sigmoid(s)); `s` may be shared between layers."""

    def __init__(self, s: nn.Parameter) -> None:
        super().__init__()
        self.s = s

    def forward(self, weight: Tensor) -> Tensor:
        """Return the thresholded weights, shaped like `weight`."""
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
        """Reparametrize each prunable weight by a soft threshold, which is trained with it."""
        device = next(iter(training.parameters.values())).device
        shared = nn.Parameter(torch.tensor(self._method.initial, device=device))
        for name, parameter in training.parameters.items():
            own = nn.Parameter(shared.detach().clone())
            self._s[name] = shared if self._method.threshold == "global" else own
            for layer, field in _uses(training.model, parameter):
                parametrize.register_parametrization(layer, field, SoftThreshold(self._s[name]))
                self._behind.append((layer, field))

    def before_step(self, training: Training) -> None:
        """Drive the thresholds to the planned sparsity, then to the exact count; fix the mask."""
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
        """Scale the gradients of the thresholds by their own learning rate."""
        for s in set(self._s.values()):
            if s.grad is not None:
                s.grad *= self._method.threshold_rate

    def state(self) -> dict[str, Any]:
        """Return what must survive an interruption beside the thresholds, which the model holds."""
        return {"force": self._force, "bias": self._bias, "settled": self._settled}

    def restore(self, training: Training, state: dict[str, Any]) -> None:
        """Take up what `state` returned."""
        self._force, self._bias = state["force"], state["bias"]
        if state["settled"]:
            self._freeze()

    def _search(self, training: Training) -> None:
        """Set the force of the next interval from the sparsity reached and the sparsity planned."""
        interval = self._method.interval
        now = self._shifts(training, self._planned(training, training.step))
        later = self._shifts(training, self._planned(training, training.step + interval))
        for name in self._s:
            # What was missed is due to the pull of the loss, which will be there in the next
            # interval too.
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
        """Return how far s must move to remove each weight: logit |W| - s, shaped like W."""
        return {
            name: weight.detach().abs().clamp(max=1).logit() - self._s[name].detach()
            for name, weight in training.parameters.items()
        }

    def _shifts(self, training: Training, sparsity: float) -> dict[str, float]:
        """Return the move of each layer's s that gives this sparsity with the present weights."""
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
                # A weight exactly at its threshold is kept by the count, but would become zero.
                weight.copy_(torch.where(masks[name] & (behind == 0), weight, behind))
        self._freeze()
        training.set_masks(masks)
        training.pruning_ended()

    def _freeze(self) -> None:
        """Set the thresholds to exactly zero and stop their training."""
        self._settled = True
        for s in set(self._s.values()):
            s.requires_grad_(False).fill_(-torch.inf)

    def _finish(self, training: Training) -> None:
        """Remove the parametrisations, so that the model has plain weights."""
        for layer, field in self._behind:
            parametrize.remove_parametrizations(layer, field, leave_parametrized=True)


def _uses(model: nn.Module, parameter: nn.Parameter) -> list[tuple[nn.Module, str]]:
    """Return all modules that have the parameter, each with the parameter's name there.

    Tied weights are in several modules.
    """
    return [
        (module, name)
        for module in model.modules()
        for name, found in module.named_parameters(recurse=False, remove_duplicate=False)
        if found is parameter
    ]


def _shift(critical: Tensor, count: int) -> float:
    """Return the value half-way between the `count` smallest values and the others."""
    ordered = critical.flatten().clamp(-LIMIT, LIMIT).sort().values
    below = ordered[count - 1] if count else ordered[0] - 1
    above = ordered[count] if count < len(ordered) else ordered[-1] + 1
    return float(below + above) / 2
