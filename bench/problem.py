"""All that a method may touch: prunable weights, metered calibration data and gradients."""

import copy
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from bench.allocation import select
from bench.budget import Meter
from bench.errors import MethodError
from bench.gradients import Signal, signals
from bench.job import Allocation
from bench.weights import Masks, Scores, Weights

Fisher = Literal["empirical", "true"]
CHUNK = 50
"""Examples in one pass: measured fastest for ResNet-20 on two cores, within 5 % for MLPNet."""


class Examples(Protocol):
    """Training examples by position, ready for the model."""

    def __len__(self) -> int: ...

    def batch(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs [n, ...] and labels [n] at these positions, on the model's device."""


@dataclass(frozen=True)
class Target:
    """What a job asks for: this sparsity of the prunable weights, spread by this allocation."""

    sparsity: float
    allocation: Allocation


class Problem:
    """A dense model to be pruned, with calibration data behind a meter.

    Everything random about a job follows from `seed`: the calibration examples are a prefix of one
    shuffled order, the same for every method. `weights` are the model's own tensors: read, never
    write. The test split is not here.
    """

    def __init__(
        self,
        model: nn.Module,
        prunable: Mapping[str, str],
        examples: Examples,
        target: Target,
        seed: int,
        meter: Meter,
    ) -> None:
        """`prunable` maps the name of each prunable parameter to the module that uses it."""
        self.target = target
        self.seed = seed
        self._model = model
        self._prunable = dict(prunable)
        self._examples = examples
        self._meter = meter
        self._order: Tensor | None = None

    @property
    def weights(self) -> Weights:
        """The prunable weights by parameter name, in the model's order."""
        return {name: self._model.get_parameter(name).detach() for name in self._prunable}

    def generator(self, purpose: str) -> torch.Generator:
        """A random generator that depends on the job's seed and the purpose only."""
        # Hashed, since torch's generator on the CPU reads no more than 32 bits of its seed.
        digest = hashlib.sha256(f"{self.seed} {purpose}".encode()).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest[:4], "big"))

    def select(
        self, scores: Scores, sparsity: float | None = None, within: Masks | None = None
    ) -> Masks:
        """Masks that remove the smallest scores by the job's allocation, with exact counts."""
        if missing := sorted(self._prunable.keys() ^ scores.keys()):
            raise MethodError(f"scores and prunable layers differ in {', '.join(missing)}")
        goal = self.target.sparsity if sparsity is None else sparsity
        return select(scores, self.target.allocation, goal, within)

    def at(self, weights: Weights) -> "Problem":
        """The same problem with other weights in the model; charges one recomputation."""
        self._meter.charge("recomputations", 1)
        moved = copy.copy(self)
        moved._model = copy.deepcopy(self._model)
        with torch.no_grad():
            for name, weight in weights.items():
                moved._model.get_parameter(name).copy_(weight)
        return moved

    def examples(self, count: int) -> tuple[Tensor, Tensor]:
        """The seed's first `count` calibration examples: inputs [count, ...], labels [count]."""
        return self._examples.batch(self._calibration(count))

    def signals(self, samples: int, fisher: Fisher = "empirical") -> Iterator[dict[str, Signal]]:
        """Layer inputs and output gradients of `samples` examples, a chunk at a time.

        `empirical` takes the data's labels, `true` draws them from the model's own prediction.
        Charges one backward pass an example.
        """
        positions = self._calibration(samples)
        self._meter.charge("backward_passes", samples)
        labels_from = self.generator("labels of the true Fisher") if fisher == "true" else None
        for chunk in positions.split(CHUNK):
            inputs, labels = self._examples.batch(chunk)
            if labels_from is not None:
                labels = _sampled_labels(self._model, inputs, labels_from)
            by_module = signals(self._model, list(self._prunable.values()), inputs, labels)
            yield {name: by_module[module] for name, module in self._prunable.items()}

    def gradients(self, samples: int, batch: int = 1, fisher: Fisher = "empirical") -> Tensor:
        """Gradients of the prunable weights [samples, d], each the mean over `batch` examples.

        Layers are flattened and joined in the model's order. Takes samples × batch examples and
        charges as many backward passes. Cost: one forward and backward pass, and
        O(samples × batch × d) multiplications.
        """
        weights = self.weights
        like = next(iter(weights.values()))
        rows = like.new_zeros(samples, sum(weight.numel() for weight in weights.values()))
        columns = rows.split([weight.numel() for weight in weights.values()], dim=1)
        row = torch.arange(samples, device=like.device).repeat_interleave(batch)
        for chunk, rows_here in zip(
            self.signals(samples * batch, fisher), row.split(CHUNK), strict=True
        ):
            for layer, signal in zip(columns, chunk.values(), strict=True):
                layer.index_add_(0, rows_here, signal.gradients(), alpha=1 / batch)
        return rows

    def _calibration(self, count: int) -> Tensor:
        """Positions [count] of the seed's first calibration examples."""
        if count > len(self._examples):
            raise MethodError(
                f"asked for {count:,} calibration examples, the pair has {len(self._examples):,}"
            )
        self._meter.see_examples(count)
        if self._order is None:
            self._order = torch.randperm(
                len(self._examples), generator=self.generator("calibration examples")
            )
        return self._order[:count]


def _sampled_labels(model: nn.Module, inputs: Tensor, generator: torch.Generator) -> Tensor:
    """Labels [n] drawn from the model's own predictive distribution."""
    with torch.no_grad():
        probabilities = model(inputs).softmax(dim=1)
    drawn = torch.multinomial(probabilities.cpu(), 1, generator=generator).squeeze(1)
    return drawn.to(inputs.device)
