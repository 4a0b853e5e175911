"""Counts FLOPs where PyTorch dispatches operations, so that no layer is overlooked.

Whatever module or function multiplies, it ends in a few operations (matrix products, convolutions,
attention). Operands that are computed from parameters alone count by their fraction of nonzeros, so
the ratio dense / pruned is the theoretical speed-up. Operations without a formula are named in the
result instead of being ignored.
"""

import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, flop_registry
from torch.utils.weak import WeakTensorKeyDictionary

from bench.problem.objective import Objective
from bench.problem.objectives import CLASSIFICATION
from bench.problem.training.frozen import set_trainable

aten = torch.ops.aten


def _recurrent(given: Tensor, *weights: Tensor, **_: object) -> int:
    """Each step of [steps, n, in] multiplies by the weights of the input and those of the state."""
    left = sum(int(torch.count_nonzero(weight)) for weight in weights[:2])
    return 2 * len(given) * given.shape[1] * left


FORMULAS: Mapping[Any, Callable[..., int]] = {
    aten.mkldnn_rnn_layer: _recurrent,
    aten.mv: lambda matrix, vector, **_: 2 * matrix.numel(),
    aten.addmv: lambda bias, matrix, vector, **_: 2 * matrix.numel(),
    aten.dot: lambda one, other, **_: 2 * one.numel(),
}
"""FLOPs of products that PyTorch's own counter leaves out."""

PRODUCT_FROM = {aten.addmm: 1, aten.baddbmm: 1, aten.addmv: 1}
"""The position of the first operand that is multiplied, for operations where it isn't 0."""

FREE = {
    *(aten.add, aten.add_, aten.sub, aten.sub_, aten.copy_, aten.where, aten.cat, aten.stack),
    *(aten.embedding, aten.native_layer_norm, aten.native_batch_norm, aten.native_group_norm),
    *(aten._native_batch_norm_legit_no_training, aten.index, aten.gather),
}
"""Operations that may take a matrix of parameters and an activation without multiplying them."""


@dataclass(frozen=True)
class Flops:
    """Multiplications and additions of one forward pass, and operations that weren't counted."""

    total: int
    uncounted: Sequence[str] = ()


@torch.no_grad()
def forward_flops(model: nn.Module, inputs: Tensor) -> Flops:
    """Return the FLOPs of matrix products, convolutions and attention for one example [1, ...].

    Only nonzero weights count. Biases, activations and normalisation don't.
    """
    counter = _Counter(model, inputs)
    with _decomposed(), counter:
        model(inputs)
    return Flops(counter.total, sorted(counter.uncounted))


def training_flops(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    frozen: Collection[str] = (),
    objective: Objective = CLASSIFICATION,
) -> int:
    """Return PyTorch's count of FLOPs of a forward and backward pass for one example [1, ...].

    Masked weights count like others, because today's hardware multiplies them too. The `frozen`
    parameters have no gradients.
    """
    copied = copy.deepcopy(model)
    set_trainable(copied, frozen)
    recurrent = {
        aten.mkldnn_rnn_layer: lambda *args, out_val, **_: _recurrent(*args),
        aten.mkldnn_rnn_layer_backward: lambda *args, out_val, **_: 2 * _recurrent(*args),
    }
    counter = FlopCounterMode(display=False, custom_mapping=recurrent)
    with torch.enable_grad(), _decomposed(), counter:
        objective.loss(copied(inputs).float(), targets, "mean").backward()
    return int(counter.get_total_flops())


class _Counter(TorchDispatchMode):
    """Adds up products; tracks for each tensor whether it depends on the input or on parameters."""

    def __init__(self, model: nn.Module, inputs: Tensor) -> None:
        super().__init__()
        self.total = 0
        self.uncounted: set[str] = set()
        self._activations, self._weights = WeakTensorKeyDictionary(), WeakTensorKeyDictionary()
        self._activations[inputs] = True
        self._storages = set[int]()
        for parameter in model.parameters():
            self._weights[parameter] = True
            self._storages.add(parameter.untyped_storage().data_ptr())

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Say that PyTorch's compiler isn't there to be kept out: loading it takes a second."""
        return False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run the operation, count it, and mark its results by what they depend on."""
        kwargs = kwargs or {}
        results = func(*args, **kwargs)
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        active = any(tensor in self._activations for tensor in given)
        weights = [tensor for tensor in given if self._is_weight(tensor)]
        self._count(func.overloadpacket, args, kwargs, results, weights if active else [])
        if active or weights:
            mark = self._activations if active else self._weights
            for leaf in tree_leaves(results):
                if isinstance(leaf, Tensor):
                    mark[leaf] = True
        return results

    def _is_weight(self, tensor: Tensor) -> bool:
        return tensor in self._weights and tensor not in self._activations

    def _is_matrix(self, weight: Tensor) -> bool:
        """Return whether this is a parameter or a view of one, with at least two dimensions."""
        return weight.dim() > 1 and weight.untyped_storage().data_ptr() in self._storages

    def _count(
        self,
        packet: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        results: Any,
        weights: list[Tensor],
    ) -> None:
        if packet in flop_registry:
            flops = int(flop_registry[packet](*args, **kwargs, out_val=results))
        elif packet in FORMULAS:
            flops = FORMULAS[packet](*args, **kwargs)
        else:
            if packet not in FREE and any(map(self._is_matrix, weights)):
                self.uncounted.add(str(packet).removeprefix("aten."))
            return
        multiplied = (
            () if packet is aten.mkldnn_rnn_layer else args[PRODUCT_FROM.get(packet, 0) :][:2]
        )
        for operand in multiplied:
            if isinstance(operand, Tensor) and self._is_weight(operand):
                flops = flops * int(torch.count_nonzero(operand)) // operand.numel()
        self.total += flops


@contextmanager
def _decomposed() -> Iterator[None]:
    """Let attention layers run as the separate products that they consist of."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
