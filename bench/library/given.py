"""Makes a pair and a dataset of a model and data in memory."""

import copy
import re
from typing import Any

from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from bench.common.errors import UserError
from bench.common.randomness import fixed
from bench.pairs.checkpoint import GivenWeights
from bench.pairs.evaluate import BATCH
from bench.pairs.pair import Pair
from datasets import Dataset, Split
from datasets.own.given import table_of

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""The layers whose weights are prunable by default."""


def given_pair(model: nn.Module, prunable: str | None) -> tuple[Pair, list[str]]:
    """Return the pair of a copy of the model, and notes on what the default rule leaves out.

    Raises `UserError` for a model that can't be copied or has nothing to prune.
    """
    kind = type(model).__name__
    try:
        copied = copy.deepcopy(model)
    except Exception as error:  # a model is the user's own code, and may raise anything
        raise UserError(f"The model {kind} can't be copied ({type(error).__name__}).") from error
    rule, notes = (prunable, []) if prunable is not None else _default(model)
    pair = Pair(
        name=kind,
        model=lambda: copied,
        dataset="data",
        normalisation=None,
        prunable=rule,
        dense=GivenWeights(copied.state_dict()),
    )
    return pair, notes


def given_data(data: Any, seed: int) -> Dataset:
    """Return the data as a training split in their order; raises `UserError`.

    No example is held out. The first hundred are the test split, on which the dense model is tried.
    """
    with fixed(seed):  # a loader that shuffles draws from the global state
        table = table_of("The data", data)
    whole = Split(table.inputs, table.labels)
    none, few = (Split(table.inputs[:n], table.labels[:n]) for n in (0, BATCH))
    return Dataset("data", None, whole, none, few)


def _default(model: nn.Module) -> tuple[str, list[str]]:
    """Return the rule for all linear and convolutional layers, and what it leaves out and why."""
    names, notes, frozen = [], [], 0
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        if not isinstance(module, LAYERS) or not isinstance(weight, nn.Parameter):
            continue
        full = f"{name}.weight".lstrip(".")
        if isinstance(module, NonDynamicallyQuantizableLinear):
            notes.append(f"{full} isn't pruned: attention multiplies with it outside of its layer")
        elif not weight.requires_grad:
            frozen += 1
        else:
            names.append(re.escape(full))
    if frozen:
        notes.append(f"{frozen:,} frozen layers (requires_grad=False) aren't pruned")
    if not names:
        raise UserError(
            f"Nothing of the model {type(model).__name__} is prunable by default: it has no linear "
            f"or convolutional layer that isn't frozen ({frozen:,} are): name weights by prunable=."
        )
    return "|".join(names), notes
