"""Sanity controls: a method's result with one of its ingredients taken away, all else equal.

Su et al. 2020 (Sanity-Checking Pruning Methods: Random Tickets can Win the Jackpot) rearrange a
mask inside each layer and corrupt the data it was found with; Frankle et al. 2021 (Pruning Neural
Networks at Initialization: Why are We Missing the Mark?) shuffle masks inside each layer and draw
new initial weights. If the accuracy doesn't change, the ingredient that was taken away contributes
nothing.

- `shuffled mask`: each layer's mask in random order, applied to the dense weights. All that remains
  of the method is how many weights each layer keeps. A random mask with the method's layer ratios
  has the same distribution, so this is that control too.
- `magnitude in its layers`: the largest dense weights, as many in each layer as the method keeps. A
  trained network doesn't survive a random mask, so only this control shows how much of a lead over
  magnitude pruning is due to the allocation. It is the method without its scores and compensation.
- `shuffled labels`: the complete method, but with the labels of all calibration examples randomly
  permuted. Training, tuning and evaluation see the true labels.

New initial weights are no control here: the weights to be kept are those of a trained network.
"""

import torch
from torch import Tensor

from bench.common.errors import Skip
from bench.jobs.job import Control
from bench.problem.calibration import Examples, seeded
from bench.problem.selection import keep_largest
from bench.problem.weights import Masks, Weights
from datasets.inputs.split_inputs import Inputs


class ShuffledLabels:
    """Examples whose labels are randomly permuted over the whole split."""

    def __init__(self, examples: Inputs, seed: int) -> None:
        order = torch.randperm(len(examples), generator=seeded(seed, "shuffled labels"))
        self._examples = examples
        self._order = order.to(examples.labels.device)

    def __len__(self) -> int:
        return len(self._examples)

    def batch(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the inputs [n, ...] at these positions, with labels [n] of other examples."""
        inputs, _ = self._examples.batch(positions)
        return inputs, self._examples.labels[self._order[positions.to(self._order.device)]]


def calibration_examples(
    control: Control | None, examples: Inputs, seed: int, uses_labels: bool
) -> Examples:
    """Return the examples that the method sees under this control.

    Raises `Skip` for shuffled labels if the method doesn't use labels.
    """
    if control != "shuffled labels":
        return examples
    if not uses_labels:
        raise Skip("the method doesn't use the labels of its calibration examples")
    return ShuffledLabels(examples, seed)


def controlled(control: Control | None, found: Weights, dense: Weights, seed: int) -> Weights:
    """Return the weights that the control makes of the method's weights `found`.

    Without a control these are `found`; the number kept in each layer is always the same. Raises
    `Skip` if the control `magnitude in its layers` gives the method's own weights.
    """
    if control == "shuffled mask":
        masks = _shuffled({name: weight != 0 for name, weight in found.items()}, dense, seed)
    elif control == "magnitude in its layers":
        masks = {name: _largest(dense[name], weight) for name, weight in found.items()}
    else:
        return found
    weights = {name: weight * masks[name] for name, weight in dense.items()}
    if control != "shuffled mask" and all(torch.equal(found[n], w) for n, w in weights.items()):
        raise Skip("the method's own weights are the largest of each layer: it is its own control")
    return weights


def _shuffled(masks: Masks, dense: Weights, seed: int) -> Masks:
    """Shuffle each layer's mask among the weights that aren't zero in the dense model."""
    generator = seeded(seed, "shuffled mask")
    shuffled = {}
    for name, mask in masks.items():
        places = dense[name].flatten().nonzero().squeeze(1)
        order = torch.randperm(len(places), generator=generator).to(mask.device)
        moved = torch.zeros_like(mask.flatten())
        moved[places] = mask.flatten()[places[order]]
        shuffled[name] = moved.view(mask.shape)
    return shuffled


def _largest(dense: Tensor, found: Tensor) -> Tensor:
    """Return the mask of the largest dense weights, as many as `found` keeps."""
    pruned = int((found == 0).sum())
    return keep_largest(dense.abs().reshape(-1), pruned).view(dense.shape)
