"""The problem that a method solves: prunable weights, metered calibration data and gradients."""

import copy
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from bench.common.errors import MethodError
from bench.jobs.allocation import Allocation, Shapes, pruned_counts
from bench.problem.cache import Reuse
from bench.problem.calibration import Calibration
from bench.problem.gradients.assemble import by_layer, gradient_bytes, mean_gradients
from bench.problem.gradients.per_example import DenseGradients, JoinedGradients
from bench.problem.gradients.sweep import SweptGradients, layer_groups
from bench.problem.gradients.targets import Fisher
from bench.problem.passes import Passes, Settings
from bench.problem.selection import select
from bench.problem.weights import Masks, Scores, Weights, flatten

T = TypeVar("T")


@dataclass(frozen=True)
class Target:
    """What a job asks for: a sparsity of the prunable weights, and how it is spread over layers.

    `end` is the higher sparsity to which this one is a step on the way, if it is one.
    """

    sparsity: float
    allocation: Allocation
    end: float | None = None

    def counts(
        self, shapes: Shapes, gone: Mapping[str, int] | None = None
    ) -> dict[str, int] | None:
        """Return how many weights each layer loses if `gone` are removed, see `pruned_counts`."""
        return pruned_counts(self.allocation, shapes, self.sparsity, end=self.end, gone=gone)


class Problem(Passes):
    """A dense model to be pruned, with metered calibration data.

    Everything random about a job follows from the seed of its `calibration`: the examples are the
    first ones of a shuffled order that is the same for every method. `weights` are the model's own
    tensors and must not be written to. The test split can't be reached from here.
    """

    def __init__(
        self,
        model: nn.Module,
        prunable: Mapping[str, str],
        calibration: Calibration,
        target: Target,
        settings: Settings = Settings(),  # noqa: B008 - frozen
        support: Masks | None = None,
    ) -> None:
        """As for `Passes`; `target` is the sparsity and the allocation that the job asks for."""
        super().__init__(model, prunable, calibration, settings, support)
        self._target = target
        self.knows_target = False

    @property
    def target(self) -> Target:
        """The sparsity and the allocation that the job asks for.

        `knows_target` is True from then on: an estimate that never looks at the target can serve
        every job that differs in it alone.
        """
        self.knows_target = True
        return self._target

    @property
    def model(self) -> nn.Module:
        """The model whose weights are pruned, for the harness to inspect; don't write to it."""
        return self._model

    @property
    def support(self) -> Masks | None:
        """True where a weight isn't removed yet, by parameter name; None if all are left."""
        return self._support

    @property
    def sparsity(self) -> float:
        """The fraction of the prunable weights that has been removed already."""
        if self._support is None:
            return 0.0
        return 1 - float(flatten(self._support).double().mean())

    def gradients(
        self,
        samples: int,
        batch: int = 1,
        fisher: Fisher = "empirical",
        layers: Sequence[str] | None = None,
        skip: int = 0,
    ) -> Tensor:
        """Return gradients [samples, d] of the prunable weights, each the mean of `batch` examples.

        The layers are flattened and joined in the model's order. Columns of weights outside the
        support are zero. Charges samples × batch backward passes, and as many examples after the
        first `skip`. Cost: the passes, and O(samples × batch × d) multiplications.
        """
        weights = {name: self.weights[name] for name in layers or self._prunable}

        def compute() -> Tensor:
            chunks = self.signals(samples * batch, fisher, layers, skip, batch)
            with self.phase("gradients"):
                found = mean_gradients(chunks, weights, samples, batch)
                if self._support is not None:
                    found.mul_(flatten({name: self._support[name] for name in weights}))
            return found

        return self.reused(("matrix", samples, batch, fisher, skip, tuple(weights)), compute)

    def gradients_by_layer(
        self, samples: int, batch: int = 1, fisher: Fisher = "empirical", skip: int = 0
    ) -> JoinedGradients | SweptGradients:
        """Return the same gradients [samples, d] layer by layer, those of linear layers as factors.

        Factors aren't possible if a gradient is the mean of several examples, or if weights outside
        a support must be zero; then all are matrices. Gradients that would take more than the
        settings' `gradients_memory` are recomputed for one group of layers at a time in each sweep
        over them (`SweptGradients`). Charges as much as `gradients`; swept ones as much per group
        and sweep.
        """
        if batch > 1:  # these are views of `gradients`, which is cached itself
            return self._by_layer(samples, batch, fisher, skip)

        def compute() -> JoinedGradients | SweptGradients:
            return self._by_layer(samples, batch, fisher, skip)

        return self.reused(("by layer", samples, fisher, skip), compute)

    def _by_layer(
        self, samples: int, batch: int, fisher: Fisher, skip: int
    ) -> JoinedGradients | SweptGradients:
        weights = self.weights
        whole = batch > 1 or not (self._support is None or bool(flatten(self._support).all()))
        factored = () if whole else self._used_once()

        def produce(layers: Sequence[str]) -> JoinedGradients:
            here = {name: weights[name] for name in layers}
            if not whole:
                signals = self.signals(samples, fisher, layers, skip)
                with self.phase("gradients"):
                    return by_layer(signals, factored, here, samples)
            sizes = [weight.numel() for weight in here.values()]
            parts = self.gradients(samples, batch, fisher, layers, skip).split(sizes, dim=1)
            return JoinedGradients([DenseGradients(part) for part in parts])

        sizes = gradient_bytes(factored, weights)
        groups = layer_groups(sizes, self._settings.gradients_memory // samples)
        if len(groups) == 1:
            return produce(groups[0])
        widths = [sum(weights[name].numel() for name in group) for group in groups]
        return SweptGradients(produce, groups, widths, samples, next(iter(weights.values())).dtype)

    def _used_once(self) -> list[str]:
        """Return the linear layers that each example uses at one position: gradients are δ aᵀ."""
        return [
            name
            for name, module in self._prunable.items()
            if self._positions[module] == 1
            and isinstance(self._model.get_submodule(module), nn.Linear)
        ]

    def reused(self, request: tuple[Hashable, ...], compute: Callable[[], T]) -> T:
        """Return `compute()`, or the equal result that another job of this process has kept.

        `request` must name all that the result depends on beside the weights and the seed. The
        meter is charged in either case as if it was computed now.
        """
        reuse = self._settings.reuse
        if reuse is None:
            return compute()
        key = (self._calibration.seed, self.limits, request)
        return reuse.result(key, compute, self._calibration, self._stopwatch)

    @property
    def calibration(self) -> Calibration:
        """The job's calibration data, for the harness."""
        return self._calibration

    @property
    def reuse(self) -> Reuse | None:
        """The job's access to what others have computed, for the harness; None if it has none."""
        return self._settings.reuse

    @property
    def limits(self) -> tuple[int, int]:
        """The limits of memory; they influence the order of sums, and with it the last bits."""
        return self._settings.memory, self._settings.gradients_memory

    def select(
        self, scores: Scores, sparsity: float | None = None, within: Masks | None = None
    ) -> Masks:
        """Return masks that remove the smallest scores by the job's allocation, with exact counts.

        `sparsity` is the job's target, or a step on the way to it. Weights outside `within`, by
        default the support, stay removed. Raises `MethodError` if the scores aren't those of the
        prunable layers, or contain NaN.
        """
        if missing := sorted(self._prunable.keys() ^ scores.keys()):
            raise MethodError(f"scores and prunable layers differ in {', '.join(missing)}")
        goal = self.target.sparsity if sparsity is None else sparsity
        with self.phase("selection"):
            return select(
                scores,
                self.target.allocation,
                goal,
                within or self._support,
                self.target.end or self.target.sparsity,
            )

    def at(self, weights: Weights, support: Masks) -> "Problem":
        """Return the same problem at other weights; those outside `support` are removed for good.

        Charges one recomputation. Gradients of weights outside the support are zero from then on,
        and no cached gradients are reused.
        """
        self._meter.charge("recomputations", 1)
        moved = copy.copy(self)
        moved._settings = replace(self._settings, reuse=None)
        moved._support = support
        moved._model = copy.deepcopy(self._model)
        with torch.no_grad():
            for name, weight in weights.items():
                moved._model.get_parameter(name).copy_(weight)
        return moved
