"""BatchNorm statistics estimated anew: one policy for every method of a study, and the dense model.

Pruning shifts activations, and stored statistics no longer fit them. Some papers renew them, some
don't, and seldom say so; as a policy of the study it is the same in every row.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.hooks import RemovableHandle

from bench.common.errors import MethodError

BATCH = 250
"""Most examples in one pass."""

PIECE = 2**22
"""Numbers that are turned into double precision at once, where there are that many."""


class Moments:
    """The mean and variance [channels] of all values that a layer was given, over all its calls.

    Pooled by the law of total variance, in double precision: every value weighs the same.
    """

    def __init__(self) -> None:
        self.calls = self.count = 0
        self.mean = self._squares = torch.zeros((), dtype=torch.float64)

    def add(self, inputs: Tensor) -> None:
        """Take in one call's inputs [n, channels, ...]."""
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
        """The unbiased estimate, as torch keeps it."""
        return self._squares / (self.count - 1)


@torch.no_grad()
def recalibrate(model: nn.Module, inputs: Tensor) -> None:
    """Replace the BatchNorm statistics by those of exactly the inputs [n, ...].

    Every example weighs the same: it passes in one of ⌈n / 250⌉ batches of nearly equal size, in
    which each layer normalises by its batch's own statistics, and all that the layer was given is
    pooled. Where a layer is called once in all, that is what torch itself computes, to the bit.
    Weights don't change; the model is left in evaluation mode. Layers without running statistics
    have nothing to renew; those that the model doesn't call keep theirs, and so does
    InstanceNorm. Raises `MethodError` where a layer gets a single value per channel.
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
    """What the layers are given in the block, in which they normalise by each batch's statistics.

    They end in evaluation mode with the momentum that they had.
    """
    seen = {name: Moments() for name in layers}
    momenta = {name: layer.momentum for name, layer in layers.items()}
    handles = [_watched(name, layer, seen[name]) for name, layer in layers.items()]
    for layer in layers.values():
        layer.momentum = None  # torch then averages over calls: after one, it has its statistics
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
    """A hook that forgets the stored statistics at the first call, and takes in every call's."""

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
