"""What a pair is: a model, a dataset, its dense weights, and which of them are prunable."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from bench.common.errors import UserError
from bench.common.layout import own_memory
from bench.common.randomness import fixed
from bench.jobs.recipe import Recipe
from bench.pairs.checkpoint import (
    BuiltWeights,
    GivenWeights,
    PublishedWeights,
    SuppliedWeights,
)
from datasets import AnySplit
from datasets.inputs.decoding import Interpolation
from datasets.inputs.images import Normalisation
from datasets.inputs.split_inputs import Inputs, inputs_of

WOODFISHER = (
    "https://raw.githubusercontent.com/IST-DASLab/WoodFisher/"
    "d4b1a968947d9850ebf6b67935165e9453495962/checkpoints/"
)
"""The folder of published checkpoints in the WoodFisher repository."""
MNIST = Normalisation((0.1307,), (0.3081,))
# Not the normalisation of the WoodFisher code, with which the stored BatchNorm statistics of the
# published checkpoint give 53.52 % instead of 91.43 %.
HALF = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# Over 50,000 JPEG files, decoders and resizers make some hundredths of a percent difference.
JPEG_SLACK = 0.1
SEED = 0
"""The seed of the initial weights and of the training of every dense model, one per pair."""


@dataclass(frozen=True)
class Pair:
    """A model and a dataset with everything that is the same for all methods.

    Without a `normalisation` (None) inputs are taken as they are, and pixels of 8 bits as v / 255.
    `prunable` is a regular expression for the names of the parameters that may be pruned. The dense
    weights are `PublishedWeights`, `SuppliedWeights` of the user's, `GivenWeights` of a model in
    memory, `BuiltWeights` with which the model is built, or trained by the suite with a `Recipe` on
    first use. `dense_accuracy` (percent of the
    test split), if it is known, is checked before anything is pruned; `slack` is the difference
    allowed, by default two of 10,000 images, for rounding. `interpolation` is how images from files
    are resized. `objective` is the name of what the model is trained, pruned and judged by, see
    `bench/problem/objectives.py`; where its metric isn't the accuracy, `dense_score` is the value
    expected of it.

    For a model that returns a tuple, a dict or an object with several parts, `output` is the place
    or the name of the one that is its output.
    """

    name: str
    model: Callable[[], nn.Module]
    dataset: str
    normalisation: Normalisation | None
    prunable: str
    dense: PublishedWeights | SuppliedWeights | GivenWeights | BuiltWeights | Recipe
    dense_accuracy: float | None = None
    slack: float = 0.021
    interpolation: Interpolation = "bilinear"
    objective: str = "classification"
    dense_score: float | None = None
    output: int | str | None = None

    def build(self, seed: int = SEED) -> nn.Module:
        """Return the model on the CPU, with new weights that follow from the seed."""
        with fixed(seed):
            model = self.model()
        if not isinstance(model, nn.Module):
            kind = type(model).__name__
            raise UserError(f"The model of pair {self.name} must be a torch.nn.Module, not {kind}.")
        if self.output is not None:
            model.register_forward_hook(partial(part_of, self.output))
        return own_memory(model)

    def inputs(self, split: AnySplit, device: torch.device) -> Inputs:
        """Return a split of the pair's dataset in the form that the model takes."""
        return inputs_of(split, self.normalisation, device, self.interpolation)

    def prunable_parameters(self, model: nn.Module) -> dict[str, str]:
        """Return the name of each prunable parameter and of the module that uses it.

        A parameter that several layers share appears once, under the first of its names that
        `prunable` matches.
        """
        found, seen = {}, set[int]()
        for name, parameter in model.named_parameters(remove_duplicate=False):
            if id(parameter) not in seen and re.fullmatch(self.prunable, name):
                found[name] = name.rpartition(".")[0]
                seen.add(id(parameter))
        return found


def part_of(which: int | str, _model: nn.Module, _given: object, output: Any) -> Any:
    """Return the part of a model's output at this place or of this name, as a forward hook does.

    A tensor is returned as it is: models with auxiliary heads have those in training mode only.
    Raises `UserError` if there is no such part.
    """
    if isinstance(output, Tensor):
        return output
    try:
        if isinstance(which, str) and not isinstance(output, Mapping):
            return getattr(output, which)
        return output[which]
    except (LookupError, TypeError, AttributeError) as error:
        kind = type(output).__name__
        known = f" with {', '.join(map(str, output))}" if isinstance(output, Mapping) else ""
        raise UserError(f"its output, a {kind}{known}, has no part {which!r}") from error
