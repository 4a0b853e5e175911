"""Weights that are zero before pruning: they count as removed, and pruning removes the rest."""

from collections.abc import Mapping

from torch import Tensor

from bench.common.errors import Skip
from bench.jobs.allocation import pruned_total
from bench.problem.problem import Target
from bench.problem.weights import Masks


def present(weights: Mapping[str, Tensor]) -> Masks | None:
    """Return masks of the weights that aren't zero, or None if no weight is zero."""
    masks = {name: weight != 0 for name, weight in weights.items()}
    return None if all(bool(mask.all()) for mask in masks.values()) else masks


def shortfall(left: Masks | None, target: Target) -> str | None:
    """Return why the target can't be met if only the weights `left` aren't zero, or None if it can.

    A target asks for a number of zeros: in all layers together for a global allocation, otherwise
    in each layer.
    """
    if left is None:
        return None
    gone = {name: int((~mask).sum()) for name, mask in left.items()}
    sizes = {name: mask.numel() for name, mask in left.items()}
    shapes = {name: mask.shape for name, mask in left.items()}
    asked = target.counts(shapes, gone)
    if asked is None:
        gone = {"all layers": sum(gone.values())}
        asked = {"all layers": pruned_total(target.sparsity, sum(sizes.values()))}
        sizes = {"all layers": sum(sizes.values())}
    for name, count in asked.items():
        if gone[name] > count:
            return (
                f"{gone[name]:,} of {sizes[name]:,} weights in {name} are zero already, more than "
                f"the {count:,} that sparsity {target.sparsity:g} asks for"
            )
    return None


def assert_reachable(left: Masks | None, target: Target) -> None:
    """Raise `Skip` if more weights are zero already than the target asks for."""
    reason = shortfall(left, target)
    if reason is not None:
        raise Skip(f"the dense model is sparser than the target: {reason}")
