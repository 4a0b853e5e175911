"""The standard pairs, one file for each network: the network, its pairs, how its weights are read.

Comes in: a pair's name. Goes out: a model with dense weights whose accuracy was asserted, data as
the model wants them, and the weights that may be pruned.

To add a pair, write `bench/pairs/NETWORK.py` with the network and its `PAIRS`, add them to `PAIRS`
below, and test it in `tests/pairs/`. A pair of your own needs no change here: put it into a plug-in
file.
"""

from bench.pairs import mlpnet, mobilenetv1, resnet20, resnet50
from bench.pairs.pair import Pair

__all__ = ["PAIRS", "Pair"]

PAIRS: dict[str, Pair] = {
    pair.name: pair
    for network in (mlpnet, resnet20, resnet50, mobilenetv1)
    for pair in network.PAIRS
}
