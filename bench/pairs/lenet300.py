"""LeNet-300-100 on MNIST (LeCun et al. 1998), the network of most of the first pruning papers."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from bench.pairs.arrays import PublishedArrays
from bench.pairs.checkpoint import StateDict
from bench.pairs.pair import Pair
from datasets.inputs.images import Normalisation

LOBS = (
    "https://raw.githubusercontent.com/csyhhu/L-OBS/"
    "346e67977955f34b10b0461ab4d60ef8d35dc145/lenet300-100/original_parameters/"
)
"""The folder of dense weights in the repository of L-OBS (Dong et al. 2017)."""
PIXELS = Normalisation((0.0,), (1.0,))
"""Pixels from 0 to 1, as they are."""


class LeNet300(nn.Module):
    """784-300-100-10 with ReLU and biases: 266,610 parameters, of which 266,200 are weights.

    Takes images [n, 1, 28, 28], returns logits [n, 10].
    """

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 300)
        self.fc2 = nn.Linear(300, 100)
        self.fc3 = nn.Linear(100, 10)

    def forward(self, images: Tensor) -> Tensor:
        hidden = F.relu(self.fc1(images.flatten(1)))
        logits: Tensor = self.fc3(F.relu(self.fc2(hidden)))
        return logits


def _lobs_weights(content: dict[str, Any]) -> StateDict:
    """Return the arrays with our names; theirs are [in, out], ours [out, in]."""
    state = {}
    for layer in (1, 2, 3):
        state[f"fc{layer}.weight"] = content[f"w_layer{layer}.npy"].T
        state[f"fc{layer}.bias"] = content[f"b_layer{layer}.npy"]
    return state


PAIRS = (
    Pair(
        name="lenet300-mnist",
        model=LeNet300,
        dataset="mnist",
        normalisation=PIXELS,
        # All 266,200 weights. The 410 biases stay, where the L-OBS authors prune them too.
        prunable=r"fc\d\.weight",
        dense=PublishedArrays(
            file="lobs-lenet300",
            url=LOBS,
            extract=_lobs_weights,
            arrays={
                "w_layer1.npy": "fa739391c45bcec4c765646f176a94b3190d468dbc1e3ca09c3f9385c3b86803",
                "b_layer1.npy": "56ad0e2c6f750625ae44b8de155ed04b41c6b6c0366ad5d5aece2620eee609e9",
                "w_layer2.npy": "2929f13419a268fc339295f42a8d12194f81b40c0419223e4f7e7a847c793949",
                "b_layer2.npy": "d147049dfeec7076c147a639c2ecccfdf219c8f07e26fb0c6d6717b78051fd3e",
                "w_layer3.npy": "e3e6a138fce8ada537e0e0706ed1c2e2081171f2feb057e3dd8081fb4e3550ac",
                "b_layer3.npy": "fc26ce8af294835637344f9922a7375a6955af5438f4ca269cce57f8c132aa22",
            },
        ),
        dense_accuracy=98.39,
    ),
)
