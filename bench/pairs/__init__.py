"""The standard pairs of a model and a dataset, one file per family of networks.

What comes in: a pair's name. What goes out: a model with dense weights whose accuracy was checked,
data in the form that the model takes, and the names of the weights that may be pruned.

To add a pair, touch these files: bench/pairs/NETWORK.py, which defines the network and its `PAIRS`;
bench/pairs/__init__.py, which imports it and adds them to `PAIRS`; and tests/pairs. A pair of your
own needs no change here: put it into a plug-in file.
"""

from bench.pairs import (
    hf_causal_lm,
    lenet300,
    mlpnet,
    mobilenetv1,
    nanogpt,
    resnet50,
    resnet_cifar,
)
from bench.pairs.pair import Pair

__all__ = ["PAIRS", "Pair"]

PAIRS: dict[str, Pair] = {
    pair.name: pair
    for network in (mlpnet, lenet300, resnet_cifar, resnet50, mobilenetv1, nanogpt, hf_causal_lm)
    for pair in network.PAIRS
}
"""Every standard pair by name."""
