"""How a target sparsity is spread over layers, and the exact selection that follows from it."""

import math
from collections.abc import Mapping

import torch
from torch import Size, Tensor

from bench.common.errors import MethodError
from bench.jobs.job import Allocation
from bench.problem.weights import Masks, Scores, flatten, unflatten


def pruned_total(sparsity: float, size: int) -> int:
    """The number of weights to remove of `size`: round(sparsity × size), ties to even."""
    return round(sparsity * size)


def pruned_counts(
    allocation: Allocation, shapes: Mapping[str, Size], sparsity: float
) -> dict[str, int] | None:
    """How many weights each layer loses, or None where the ranking decides (`global`).

    The counts sum to `pruned_total` exactly: each layer gets the whole part of its share, and the
    remaining ones go to the largest fractions, earlier layers first.
    """
    if allocation == "global":
        return None
    if allocation == "layerwise":
        shares = {name: sparsity * shape.numel() for name, shape in shapes.items()}
    else:
        shares = _erk_shares(shapes, sparsity)
    total = pruned_total(sparsity, sum(shape.numel() for shape in shapes.values()))
    return _apportion(shares, total)


def select(
    scores: Scores, allocation: Allocation, sparsity: float, within: Masks | None = None
) -> Masks:
    """Masks that remove exactly the requested number of weights, smallest scores first.

    Ties go to the lower index. Weights that `within` has removed stay removed and count; where more
    are gone than requested, no others go. Raises `MethodError` where a score is NaN.
    """
    ranked = {name: score.detach() for name, score in scores.items()}
    for name, score in ranked.items():
        if score.isnan().any():
            raise MethodError(f"the scores of layer {name} contain NaN")
    if within is not None:
        ranked = {
            name: score.masked_fill(~within[name], -math.inf) for name, score in ranked.items()
        }
    masks = _largest(ranked, pruned_counts(allocation, _shapes(ranked), sparsity), sparsity)
    if within is None:
        return masks
    return {name: mask & within[name] for name, mask in masks.items()}


def _largest(ranked: Scores, counts: dict[str, int] | None, sparsity: float) -> Masks:
    """Masks without the smallest scores: so many of each layer, or of all together."""
    if counts is not None:
        return {
            name: keep_largest(score.reshape(-1), counts[name]).view(score.shape)
            for name, score in ranked.items()
        }
    everything = flatten(ranked)
    return unflatten(
        keep_largest(everything, pruned_total(sparsity, everything.numel())), like=ranked
    )


def _shapes(scores: Scores) -> dict[str, Size]:
    return {name: score.shape for name, score in scores.items()}


def keep_largest(scores: Tensor, pruned: int) -> Tensor:
    """A mask [n] without the `pruned` smallest scores; of equal ones the first go.

    By the score at which to cut instead of a sort: for the 25 million of ResNet-50 in an eighth of
    the time.
    """
    if not pruned:
        return torch.ones_like(scores, dtype=torch.bool)
    cut = scores.kthvalue(pruned).values
    keep = scores > cut
    tied = (scores == cut).nonzero().squeeze(1)
    smaller = len(scores) - int(keep.sum()) - len(tied)
    keep[tied[pruned - smaller :]] = True
    return keep


def _erk_shares(shapes: Mapping[str, Size], sparsity: float) -> dict[str, float]:
    """Erdős-Rényi-Kernel: density ∝ Σ dimensions / Π dimensions, at most 1 (Evci et al. 2020).

    Layers whose density would pass 1 stay dense and the rest share what is left.
    """
    raw = {name: sum(shape) / shape.numel() for name, shape in shapes.items()}
    size = {name: shape.numel() for name, shape in shapes.items()}
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


def _apportion(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """Whole counts near `shares` that sum to `total`, which is the shares' rounded sum.

    So the whole parts are never too many, and fewer are missing than there are fractions.
    """
    counts = {name: math.floor(share) for name, share in shares.items()}
    by_fraction = sorted(counts, key=lambda name: counts[name] - shares[name])
    for name in by_fraction[: total - sum(counts.values())]:
        counts[name] += 1
    return counts
