"""Metered passes of calibration examples through a model: layer inputs, gradients and losses."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from bench.jobs.findings import Phase
from bench.problem.cache import Reuse
from bench.problem.calibration import Calibration
from bench.problem.chunks import chunk_size
from bench.problem.contents import OfOneJob
from bench.problem.finite import assert_finite, assert_finite_signal
from bench.problem.gradients.hessian import hessian_vector_product
from bench.problem.gradients.signal import Signal
from bench.problem.gradients.sweep import GRADIENTS_MEMORY
from bench.problem.gradients.targets import Fisher, targets_of
from bench.problem.gradients.watch import (
    at_least_single,
    footprint,
    layer_inputs,
    layer_positions,
    signals,
)
from bench.problem.objective import Objective
from bench.problem.objectives import CLASSIFICATION
from bench.problem.stopwatch import Stopwatch
from bench.problem.weights import Masks, Weights, flatten

MEMORY = 2**30
"""The bytes that one chunk of examples may take, its layer inputs and gradients included."""


@dataclass(frozen=True)
class Settings:
    """How much memory passes may take, who times them, and which results they may reuse.

    `memory` is the number of bytes that one chunk of examples may take during a pass,
    `gradients_memory` the number of bytes that all gradients kept at once may take. Without a
    `stopwatch` the passes make one for themselves; without `reuse` everything is computed anew.
    The `objective` is the pair's.
    """

    memory: int = MEMORY
    gradients_memory: int = GRADIENTS_MEMORY
    stopwatch: Stopwatch | None = None
    reuse: Reuse | None = None
    objective: Objective = CLASSIFICATION


class Passes(OfOneJob):
    """A model at its current weights with metered calibration data; all passes are timed."""

    def __init__(
        self,
        model: nn.Module,
        prunable: Mapping[str, str],
        calibration: Calibration,
        settings: Settings = Settings(),
        support: Masks | None = None,
    ) -> None:
        """`prunable` maps the name of each prunable parameter to the module that uses it.

        Weights outside `support` were removed earlier and don't come back.
        """
        self._model = model
        self._prunable = dict(prunable)
        self._calibration = calibration
        self._meter = calibration.meter
        self._settings = settings
        self._support = support
        self._stopwatch = settings.stopwatch or Stopwatch(next(model.parameters()).device)

    @property
    def weights(self) -> Weights:
        """The prunable weights by parameter name, in the model's order.

        They are in single precision at least, even if the model computes in half.
        """
        return {
            name: at_least_single(self._model.get_parameter(name).detach())
            for name in self._prunable
        }

    @property
    def objective(self) -> Objective:
        """The loss of the pair, and its predictive distribution."""
        return self._settings.objective

    @property
    def used_data(self) -> bool:
        """Whether any calibration examples were asked for."""
        return self._calibration.used

    def phase(self, name: Phase) -> AbstractContextManager[None]:
        """Count the seconds of the `with` block as this phase.

        Passes in it count as `gradients`.
        """
        return self._stopwatch.phase(name)

    def generator(self, purpose: str) -> torch.Generator:
        """Return a random generator that depends on nothing but the job's seed and the purpose."""
        return self._calibration.generator(purpose)

    def examples(self, count: int) -> tuple[Tensor, Tensor]:
        """Return the first `count` calibration examples: inputs and targets, both [count, ...].

        Charges `count` examples. Raises `MethodError` if the training split has fewer.
        """
        inputs, labels = self._calibration.first(count)
        return inputs.contiguous(), labels

    def inputs(self, samples: int) -> Iterator[dict[str, Tensor]]:
        """Iterate over chunks of the prunable layers' inputs, by parameter: [n, in, positions].

        These are the columns that the layer's flattened weight multiplies, [n, groups, in,
        positions] for a convolution in several groups. A linear layer on [n, in] has one position,
        a convolution one per output pixel. Charges `samples` examples; there
        is no backward pass.
        """
        first = 0
        for inputs, _ in self._calibration.chunks(samples, self.chunk):
            with self.phase("gradients"):
                assert_finite("the inputs", inputs, first)
                # Contiguous, because published results were computed in this memory layout and have
                # its bits.
                columns = layer_inputs(
                    self._model, list(self._prunable.values()), inputs.contiguous()
                )
                for name, module in self._prunable.items():
                    assert_finite(f"the inputs of the layer of {name}", columns[module], first)
            first += len(inputs)
            yield {name: columns[module] for name, module in self._prunable.items()}

    def signals(
        self,
        samples: int,
        fisher: Fisher | int = "empirical",
        layers: Sequence[str] | None = None,
        skip: int = 0,
        batch: int = 1,
    ) -> Iterator[dict[str, Signal]]:
        """Iterate over the layer inputs and output gradients of `samples` examples, chunk by chunk.

        With `fisher` `empirical` the targets are the data's, with `true` they are drawn from the
        model's own prediction, and with a number they are those of this term of the loss's
        curvature in the outputs, such as one class for every example. `layers` are the prunable
        parameters wanted (default: all); the first `skip` examples are passed over; chunks are of a
        size for means over `batch` examples. Charges skip + samples examples and one backward pass
        per example, however few layers are wanted.
        """
        modules = {name: self._prunable[name] for name in layers or self._prunable}
        chunk = self.chunk if batch == 1 else self._chunk_for(batch)
        chunks = self._calibration.chunks(samples, chunk, skip)
        self._meter.charge("backward_passes", samples)
        draw = self.generator("labels of the true Fisher")
        first = skip
        for inputs, own in chunks:
            with self.phase("gradients"):
                assert_finite("the inputs", inputs, first)
                targets = targets_of(fisher, self._model, inputs, own, self.objective, draw)
                by_module = signals(
                    self._model, list(modules.values()), inputs, targets, self.objective
                )
                for name, module in modules.items():
                    assert_finite_signal(name, by_module[module], first)
            first += len(inputs)
            yield {name: by_module[module] for name, module in modules.items()}

    def predictions(self, samples: int) -> Tensor:
        """Return the model's predictive distribution [samples, ...], in calibration order.

        These are class probabilities [samples, classes], those of tokens at each position, or the
        outputs of a regression. Charges the examples; there is no backward pass.
        """
        chunks = self._calibration.chunks(samples, self.chunk)
        with self.phase("gradients"), torch.no_grad():
            outputs = torch.cat([at_least_single(self._model(inputs)) for inputs, _ in chunks])
        assert_finite("the model's outputs", outputs)
        return self.objective.predicted(outputs)

    def loss(self, weights: Weights, samples: int) -> float:
        """Return the mean loss of `samples` examples with these weights in the model.

        It is for methods that keep the best of several candidates. Charges one tuning trial and the
        examples; there is no backward pass.
        """
        chunks = self._calibration.chunks(samples, self.chunk)
        self._meter.charge("tuning_trials", 1)
        total = 0.0
        own = {n: w.to(self._model.get_parameter(n).dtype) for n, w in weights.items()}
        with self.phase("gradients"), torch.no_grad():
            for inputs, targets in chunks:
                outputs = at_least_single(functional_call(self._model, own, inputs))
                assert_finite("the outputs of the model with these weights", outputs)
                total += float(self.objective.loss(outputs, targets))
        return total / samples

    def hessian_vector_product(self, vector: Tensor, samples: int) -> Tensor:
        """Return H v [d], where H is the Hessian of the mean loss of `samples` examples.

        H is over the prunable weights, flattened and joined in the model's order; its rows and
        columns of weights outside the support count as zero. Charges one Hessian-vector product per
        example.
        """
        chunks = self._calibration.chunks(samples, self.chunk)
        self._meter.charge("hessian_vector_products", samples)
        inside = 1 if self._support is None else flatten(self._support)
        total = torch.zeros_like(vector)
        with self.phase("gradients"):
            first = 0
            for batch in chunks:
                assert_finite("the inputs", batch[0], first)
                product = hessian_vector_product(
                    self._model, list(self._prunable), vector * inside, *batch, self.objective
                )
                assert_finite("Hessian-vector products", product.unsqueeze(0), first)
                first += len(batch[0])
                total += product
        return total * inside / samples

    @functools.cached_property
    def chunk(self) -> int:
        """The number of examples per pass, limited by the memory that one of them takes."""
        return self._chunk_for(batch=1)

    def _chunk_for(self, batch: int) -> int:
        # Twice, because the backward pass holds as much again in activations.
        limit = self._settings.memory // (2 * self._calibration.first(1)[0].element_size())
        return chunk_size(footprint(self._model, self._positions), limit, batch)

    @functools.cached_property
    def _positions(self) -> dict[str, int]:
        """The number of positions at which one example uses each prunable layer's weights."""
        inputs, _ = self._calibration.first(1)
        return layer_positions(self._model, list(self._prunable.values()), inputs)
