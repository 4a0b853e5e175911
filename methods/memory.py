"""How many bytes each method may hold at once beside the model, by formulas of its own fields.

They are upper bounds, by which a job that can't fit into memory is refused before it starts. Here d
are all prunable weights, m the gradients that a method asks for, and sums are over layers.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from bench.problem.chunks import CHUNK
from bench.problem.gradients.sweep import GRADIENTS_MEMORY, layer_groups
from methods.cbs import CBS
from methods.chita import CHITA
from methods.combinatorial.elimination import WORKING_SET
from methods.curvature.low_rank import COLUMNS
from methods.curvature.wide_chunks import NUMBERS
from methods.ekfac import EKFAC
from methods.kfac import KFAC
from methods.lobs import LOBS
from methods.method import Method
from methods.obc import OBC
from methods.woodfisher import WoodFisher

SINGLE, DOUBLE = 4, 8
"""The bytes of a number in single and in double precision."""

COPIES = 2.5
"""The most memory that a method takes for gradients kept as matrices, as a multiple of their size.
The speed benchmark asserts this bound."""

FACTORS = 4
"""The most copies of Kronecker factors at once: sums, means, damped means and inverses."""

MAPPED = 2**25
"""From this size on glibc gives freed memory back at once; smaller pieces may leave gaps."""

GAPS, LARGEST_GAPS = 0.5, 2**30
"""Columns of gradients in double precision, of which one piece is used at a time, leave gaps: at
most this part of what all pieces take together (measured: 0.02 to 0.3), or so many bytes."""


@dataclass(frozen=True)
class Layer:
    """One prunable weight as a matrix [outputs, inputs], which an example uses at `positions`.

    In a convolution of several `groups`, `inputs` are those of one group.
    """

    outputs: int
    inputs: int
    positions: int
    linear: bool
    groups: int = 1

    @property
    def size(self) -> int:
        """The number of weights."""
        return self.outputs * self.inputs


@functools.singledispatch
def held(method: Method, layers: Sequence[Layer]) -> float:
    """Return the most bytes that the method may hold at once, beside weights and one chunk.

    By default these are its gradients (`gradients_held`), kept as a matrix. Gradients that are
    recomputed by groups of layers take no more than the limit, or the largest layer.
    """
    return COPIES * _gradients(method.gradients_held(), [layer.size for layer in layers])


@held.register
def _woodfisher(method: WoodFisher, layers: Sequence[Layer]) -> float:
    """Gradients, m×m kernels in double precision, and for chunks the inverses of a group."""
    m = method.samples
    lengths = [_kept(layer, whole=method.batch > 1) for layer in layers]
    kept = _gradients(m, lengths)
    columns = min(COLUMNS, sum(layer.size for layer in layers))
    piece = DOUBLE * m * max(columns, *(layer.inputs for layer in layers))
    gaps = GAPS * DOUBLE * m * sum(layer.size for layer in layers) if piece < MAPPED else 0.0
    work = 3 * piece + min(gaps, LARGEST_GAPS)
    kernels = FACTORS * DOUBLE * m * m
    if method.update == "joint" and method.blocks == "full":  # it needs all columns together
        return kept + 2 * SINGLE * m * sum(layer.size for layer in layers) + work + kernels
    if not isinstance(method.blocks, int):
        wide = _gradients(m, [layer.size for layer in layers])
        copies = COPIES - 1 if method.update == "joint" else 0
        return kept + copies * wide + work + kernels * _least(method.blocks, layers)
    chunks = max(
        sum(_chunks(layer.size, m, method.blocks, joint=method.update == "joint") for layer in part)
        for part in _groups(layers, lengths, m)
    )
    return COPIES * _gradients(m, [layer.size for layer in layers]) + chunks


@held.register
def _cbs(method: CBS, layers: Sequence[Layer]) -> float:
    """Gradients as a matrix, or none: those that don't fit below the limit are refused."""
    size = SINGLE * method.samples * sum(layer.size for layer in layers)
    kept = SINGLE * method.samples * sum(_kept(layer, whole=method.batch > 1) for layer in layers)
    return COPIES * size + FACTORS * DOUBLE * method.samples**2 if kept <= GRADIENTS_MEMORY else 0.0


@held.register
def _chita(method: CHITA, layers: Sequence[Layer]) -> float:
    """All gradients as one matrix, however large, and m×m kernels of the backsolve."""
    size = SINGLE * method.samples * sum(layer.size for layer in layers)
    work = 3 * DOUBLE * method.samples * min(COLUMNS, sum(layer.size for layer in layers))
    return COPIES * size + work + FACTORS * DOUBLE * method.samples**2


@held.register
def _kfac(method: KFAC, layers: Sequence[Layer]) -> float:
    return FACTORS * _factors(layers)


@held.register
def _ekfac(method: EKFAC, layers: Sequence[Layer]) -> float:
    """Factors, second moments, and the signals of all examples in the smaller of two forms."""
    signals = sum(
        min(layer.size, layer.positions * (layer.outputs + layer.groups * layer.inputs))
        for layer in layers
    )
    moments = 2 * DOUBLE * sum(layer.size for layer in layers)
    moments += 2 * DOUBLE * min(CHUNK, method.samples) * max(layer.size for layer in layers)
    return FACTORS * _factors(layers) + moments + SINGLE * method.samples * signals


@held.register
def _lobs(method: LOBS, layers: Sequence[Layer]) -> float:
    return FACTORS * _factors(layers)


@held.register
def _obc(method: OBC, layers: Sequence[Layer]) -> float:
    """Factors, the inverses of the rows that are worked on together, and traces."""
    widest = max(layer.inputs for layer in layers)
    working = 4 * max(WORKING_SET, DOUBLE * widest * widest)
    return FACTORS * _factors(layers) + working + 4 * DOUBLE * sum(layer.size for layer in layers)


def _gradients(m: int, lengths: Sequence[int]) -> float:
    """Return the bytes of m gradients, in groups of layers where they are above the limit."""
    whole = SINGLE * m * sum(lengths)
    return float(min(whole, max(GRADIENTS_MEMORY, SINGLE * m * max(lengths))))


def _kept(layer: Layer, *, whole: bool) -> int:
    """Return how many numbers one gradient of the layer takes: two factors where that works."""
    return layer.outputs + layer.inputs if layer.linear and not whole else layer.size


def _groups(layers: Sequence[Layer], lengths: Sequence[int], m: int) -> list[list[Layer]]:
    """Return the layers whose gradients are in memory together."""
    sizes = {str(place): SINGLE * length for place, length in enumerate(lengths)}
    groups = layer_groups(sizes, GRADIENTS_MEMORY // m)
    return [[layers[int(place)] for place in group] for group in groups]


def _least(blocks: str, layers: Sequence[Layer]) -> int:
    """Return how many m×m factors are kept: one, or one for each layer and those being made."""
    return 1 if blocks == "full" else 1 + len(layers) // FACTORS


def _chunks(size: int, m: int, width: int, *, joint: bool) -> float:
    """Return the bytes of a layer's inverse in chunks: [d/c, c, c] for c < m, else [d/c, m, m].

    A list of parts is joined, so that there are two of it for a moment; a joint move takes copies
    in double precision.
    """
    width = min(width, size)
    if width < m:
        return (2 * SINGLE + 3 * DOUBLE * joint) * size * width + 3 * DOUBLE * m * COLUMNS
    return (2 + 2 * joint) * DOUBLE * (size / width) * m * m + 3 * DOUBLE * NUMBERS


def _factors(layers: Sequence[Layer]) -> int:
    """Return the bytes of the factors [out, out] and [in, in] of all groups in double precision."""
    return DOUBLE * sum(
        layer.outputs**2 // layer.groups + layer.groups * layer.inputs**2 for layer in layers
    )
