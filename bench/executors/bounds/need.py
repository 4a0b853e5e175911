"""The bytes that a job may take: a bound that is known before the job starts."""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.jobs.cell import Cell
from bench.jobs.protocol import PROTOCOLS
from bench.pairs.preparing.dense import Dense
from bench.problem.chunks import CHUNK, NUMBERS
from methods import build
from methods.memory import SINGLE, Layer, held

MODELS = 3
"""The most copies of the model at once."""

PER_WEIGHT = 64
"""The most bytes for each prunable weight: scores, their order, masks, and the moved weights."""

TRAINED = 7
"""The most numbers for each trained parameter: itself, its gradient, its mask, two moments of the
optimiser, and what a method that finds its mask in training adds."""

ACTIVATIONS = 3
"""The most bytes of a training step as a multiple of what the layers of one batch put out: kept for
the backward pass, their gradients, and what a layer takes while it works."""

LIBRARIES = 2**26
"""Bytes that libraries take for themselves when they are first used."""


@dataclass(frozen=True)
class Sizes:
    """What the memory of a job depends on in its pair.

    `example` are the bytes of one example in a backward pass, `activations` those of its layers'
    outputs.
    """

    layers: tuple[Layer, ...]
    parameters: int
    example: int
    activations: int


def need(cell: Cell, dense: Dense, memory: int) -> int:
    """Return the most bytes that the job may take beside the data.

    They are for the models, a chunk of examples of at most `memory` bytes, what the method holds,
    and one batch of training. Cost: a forward pass of one example for each pair.
    """
    job, sizes = cell.job, sizes_of(dense)
    prunable = sum(layer.size for layer in sizes.layers)
    # The most examples are in passes for gradients that are means.
    most = max(CHUNK * sizes.example, 2 * SINGLE * NUMBERS)
    chunk = max(sizes.example, min(memory, most))
    method = build(job.method, job.hyperparameters)
    prunes = not PROTOCOLS[job.protocol].method_trains
    pruning = chunk + held(method, sizes.layers) if prunes else 0.0
    training = 0.0
    if job.training is not None:
        batch = job.training.batch
        training = SINGLE * TRAINED * sizes.parameters + ACTIVATIONS * batch * sizes.activations
    models = SINGLE * MODELS * sizes.parameters + PER_WEIGHT * prunable
    return math.ceil(LIBRARIES + models + max(pruning, training))


@functools.lru_cache(maxsize=64)
@torch.no_grad()
def sizes_of(dense: Dense) -> Sizes:
    """Return the sizes of a pair, from a forward pass of one example."""
    outputs = _outputs(dense)
    layers, example = [], 0
    for name, path in dense.prunable.items():
        weight, module = dense.model.get_parameter(name), dense.model.get_submodule(path)
        rows = len(weight) if weight.dim() else 1
        groups = getattr(module, "groups", 1)
        layer = Layer(
            rows,
            weight.numel() // rows,
            math.ceil(outputs.get(module, rows) / rows),
            linear=isinstance(module, nn.Linear) and outputs.get(module) == rows,
            groups=groups,
        )
        columns = layer.inputs * groups
        example += (columns + rows) * layer.positions + layer.size
        layers.append(layer)
    leaves = (count for module, count in outputs.items() if not list(module.children()))
    # Twice, because the backward pass holds as much again in activations.
    return Sizes(tuple(layers), dense.parameters, 2 * SINGLE * example, SINGLE * sum(leaves))


def _outputs(dense: Dense) -> dict[nn.Module, int]:
    """Return how many numbers each module puts out for one example, in all its calls."""
    found: dict[nn.Module, int] = {}

    def count(module: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            found[module] = found.get(module, 0) + output.numel()

    handles = [module.register_forward_hook(count) for module in dense.model.modules()]
    try:
        inputs, _ = dense.test.batch(torch.arange(1))
        dense.model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return found
