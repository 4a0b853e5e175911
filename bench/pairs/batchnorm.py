"""Re-estimates BatchNorm statistics, alike for every method of a study and for the dense model.

Pruning shifts activations, so that stored statistics no longer fit them. Some papers renew them,
some don't, and few say which. Here it is a setting of the study, the same for every method.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.hooks import RemovableHandle

from bench.common.errors import MethodError

BATCH = 250
"""The most examples in one pass."""

PIECE = 2**22
"""The most numbers that are converted to double precision at once."""


class Moments:
    """The mean and variance [channels] of all values that a layer was given, over all its calls.

    They are pooled by the law of total variance in double precision, so that every value has the
    same weight.
    """

    def __init__(self) -> None:
        self.calls = self.count = 0
        self.mean = self._squares = torch.zeros((), dtype=torch.float64)

    def add(self, inputs: Tensor) -> None:
        """Add the inputs [n, channels, ...] of one call."""
        self.calls += 1
        for piece in inputs.split(max(1, PIECE // inputs[0].numel())):
            values = piece.transpose(0, 1).flatten(1).double()
            variance, mean = torch.var_mean(values, dim=1, correction=0)
            self._pool(values.shape[1], mean, variance)

    def _pool(self, count: int, mean: Tensor, variance: Tensor) -> None:
        total = self.count + count
        away = mean - self.mean
        self.mean = self.mean + away * (count / total)
        between = away.square() * (self.count * count / total)
        self._squares = self._squares + variance * count + between
        self.count = total

    @property
    def variance(self) -> Tensor:
        """The unbiased estimate of the variance, which is what PyTorch stores."""
        return self._squares / (self.count - 1)


@torch.no_grad()
def recalibrate(model: nn.Module, inputs: Tensor) -> None:
    """Replace the BatchNorm statistics by those of exactly the inputs [n, ...].

    Every example has the same weight: it passes in one of ⌈n / 250⌉ batches of nearly equal size,
    in which each layer normalises by its batch's own statistics, and all that the layer was given
    is pooled. For a layer that is called only once, these are the statistics that PyTorch itself
    computes, to the bit. Weights don't change; the model is left in evaluation mode. Layers without
    running statistics have nothing to renew; those that the model doesn't call keep theirs, and so
    does InstanceNorm. Raises `MethodError` if a layer gets a single value per channel.
    """
    model.eval()
    layers = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm) and module.track_running_stats
    }
    with _watching(layers) as seen:
        for batch in inputs.tensor_split(-(-len(inputs) // BATCH)):
            model(batch)
    for name, layer in layers.items():
        if (
            seen[name].calls > 1
            and layer.running_mean is not None
            and layer.running_var is not None
        ):
            layer.running_mean.copy_(seen[name].mean)
            layer.running_var.copy_(seen[name].variance)


@contextmanager
def _watching(layers: Mapping[str, _BatchNorm]) -> Iterator[dict[str, Moments]]:
    """Collect the layers' inputs during the `with` block, in which they normalise by each batch.

    Afterwards the layers are in evaluation mode with the momentum that they had.
    """
    seen = {name: Moments() for name in layers}
    momenta = {name: layer.momentum for name, layer in layers.items()}
    handles = [_watched(name, layer, seen[name]) for name, layer in layers.items()]
    for layer in layers.values():
        layer.momentum = None  # PyTorch then averages over calls: one call gives its statistics
        layer.train()
    try:
        yield seen
    finally:
        for name, layer in layers.items():
            layer.momentum = momenta[name]
            layer.eval()
        for handle in handles:
            handle.remove()


def _watched(name: str, layer: _BatchNorm, moments: Moments) -> RemovableHandle:
    """Register a hook that collects the layer's inputs; its first call resets the statistics."""

    def note(_: nn.Module, given: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
        inputs = given[0] if given else named["input"]
        if inputs.numel() == inputs.shape[1]:
            raise MethodError(
                f"BatchNorm statistics can't be renewed on one example: layer {name} gets a single "
                "value per channel, which has no variance; set `recalibration` to 2 or more"
            )
        if not moments.calls:
            layer.reset_running_stats()
        moments.add(inputs)

    return layer.register_forward_pre_hook(note, with_kwargs=True)
