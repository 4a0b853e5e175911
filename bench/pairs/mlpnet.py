"""MLPNet on MNIST, the small fully-connected network in the MNIST tables of the OBS literature."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD
from torch.optim.lr_scheduler import ExponentialLR

from bench.jobs.recipe import Recipe
from bench.pairs.checkpoint import PublishedWeights, StateDict
from bench.pairs.pair import MNIST, WOODFISHER, Pair


class MLPNet(nn.Module):
    """784-40-20-10 with ReLU and no biases: 32,360 weights (Singh & Alistarh 2020).

    Takes images [n, 1, 28, 28], returns logits [n, 10].
    """

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 40, bias=False)
        self.fc2 = nn.Linear(40, 20, bias=False)
        self.fc3 = nn.Linear(20, 10, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        hidden = F.relu(self.fc1(images.flatten(1)))
        logits: Tensor = self.fc3(F.relu(self.fc2(hidden)))
        return logits


def _mlpnet_weights(content: dict[str, Any]) -> StateDict:
    """Return the published weights with our names: `module.fc1._layer.weight` is `fc1.weight`."""
    return {
        name.removeprefix("module.").replace("._layer", ""): tensor
        for name, tensor in content["model_state_dict"].items()
        if "mask" not in name
    }


PAIRS = (
    Pair(
        name="mlpnet-mnist5k",
        model=MLPNet,
        dataset="mnist5k",
        normalisation=MNIST,
        prunable=r"fc\d\.weight",
        dense=Recipe(
            epochs=40, learning_rate=0.05, weight_decay=1e-3, batch=64, augmentation="shift"
        ),
    ),
    Pair(
        name="mlpnet-mnist",
        model=MLPNet,
        dataset="mnist",
        normalisation=MNIST,
        prunable=r"fc\d\.weight",
        dense=PublishedWeights(
            file="woodfisher-mlpnet-mnist.ckpt",
            sha256="56083559fe28b22bf9fac71134322d7c4fe55ea5f7d6eba30b4c300783900f12",
            url=WOODFISHER + "mnist_25_epoch_93.97.ckpt",
            extract=_mlpnet_weights,
            classes=(SGD, ExponentialLR),
        ),
        dense_accuracy=93.97,
    ),
)
