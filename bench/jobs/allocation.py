"""How a target sparsity is spread over layers: the exact number of weights that each layer loses.

To add an allocation, write a function beside those below, name it in `ALLOCATIONS`, and test it in
`tests/jobs/test_allocation.py`; studies, tables and the command line then accept it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator

from bench.common.errors import unknown

Shapes = Mapping[str, Sequence[int]]
"""The shape of each prunable weight tensor, by parameter name."""


def layerwise(shapes: Shapes, sparsity: float) -> dict[str, float]:
    """Return how many weights each layer loses if all layers get the same sparsity."""
    return {name: sparsity * math.prod(shape) for name, shape in shapes.items()}


def erk(shapes: Shapes, sparsity: float) -> dict[str, float]:
    """Return how many weights each layer loses under Erdős-Rényi-Kernel (Evci et al. 2020).

    A layer's density is proportional to Σ dimensions / Π dimensions. Layers whose density would
    exceed 1 stay dense, and the others share the rest.
    """
    size = {name: math.prod(shape) for name, shape in shapes.items()}
    raw = {name: sum(shape) / size[name] for name, shape in shapes.items()}
    to_keep = (1 - sparsity) * sum(size.values())
    dense: set[str] = set()
    while len(dense) < len(shapes):
        sparse = [name for name in shapes if name not in dense]
        left = to_keep - sum(size[name] for name in dense)
        scale = left / sum(raw[name] * size[name] for name in sparse)
        overfull = {name for name in sparse if scale * raw[name] > 1}
        if not overfull:
            return {n: 0.0 if n in dense else size[n] * (1 - scale * raw[n]) for n in shapes}
        dense |= overfull
    return dict.fromkeys(shapes, 0.0)


ALLOCATIONS: dict[str, Callable[[Shapes, float], dict[str, float]] | None] = {
    "global": None,
    "layerwise": layerwise,
    "erk": erk,
}
"""For each allocation a function from shapes and sparsity to how many weights each layer should
lose, as real numbers; None if one ranking of all weights decides."""


def _known(name: str) -> str:
    if name not in ALLOCATIONS:
        raise ValueError(str(unknown("allocation", name, ALLOCATIONS)))
    return name


Allocation = Annotated[str, AfterValidator(_known)]
"""The name of an allocation."""


def pruned_total(sparsity: float, size: int) -> int:
    """Return how many of `size` weights to remove: round(sparsity × size), halves to even."""
    return round(sparsity * size)


def pruned_counts(
    allocation: Allocation,
    shapes: Shapes,
    sparsity: float,
    *,
    end: float | None = None,
    gone: Mapping[str, int] | None = None,
) -> dict[str, int] | None:
    """Return how many weights each layer loses, or None if one ranking decides (`global`).

    The counts sum to `pruned_total` exactly: each layer loses the integer part of its share, and
    the remaining weights are taken from the layers with the largest fractional parts, earlier
    layers first.

    On the way to a higher sparsity `end`, at which `gone` weights of each layer are removed
    already, no layer loses more than at the end or fewer than are gone. Without these bounds it
    could: the last weight goes to another layer at one sparsity than at the next, which is the
    Alabama paradox of this rounding (Balinski & Young 2001, Fair Representation).
    """
    spread = ALLOCATIONS[allocation]
    if spread is None:
        return None
    total = pruned_total(sparsity, sum(math.prod(shape) for shape in shapes.values()))
    shares = spread(shapes, sparsity)
    counts = _apportion(shares, total)
    most = None if end is None or sparsity >= end else pruned_counts(allocation, shapes, end)
    if most is None:
        return counts
    least = dict.fromkeys(shapes, 0) | dict(gone or {})
    if sum(least.values()) > total or any(least[name] > most[name] for name in shapes):
        return counts
    return _bounded(counts, shares, least, most)


def _bounded(
    counts: Mapping[str, int],
    shares: Mapping[str, float],
    least: Mapping[str, int],
    most: Mapping[str, int],
) -> dict[str, int]:
    """Return the counts moved between these bounds, with their sum kept.

    What one layer can't lose or has lost too much is made up for by the layers whose counts are
    farthest from their shares on the other side.
    """
    found = {name: min(max(count, least[name]), most[name]) for name, count in counts.items()}
    while missing := sum(counts.values()) - sum(found.values()):
        step = 1 if missing > 0 else -1
        limit = most if missing > 0 else least
        free = [name for name in found if found[name] != limit[name]]
        found[max(free, key=lambda name: step * (shares[name] - found[name]))] += step
    return found


def _apportion(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """Return integers near `shares` that sum to `total`, which is the rounded sum of the shares.

    So the integer parts never sum to more than `total`, and fewer are missing than there are
    layers.
    """
    counts = {name: math.floor(share) for name, share in shares.items()}
    by_fraction = sorted(counts, key=lambda name: counts[name] - shares[name])
    for name in by_fraction[: total - sum(counts.values())]:
        counts[name] += 1
    return counts
