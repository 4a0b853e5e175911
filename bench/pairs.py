"""The standard pairs: a model, a dataset, the dense checkpoint, and which weights are prunable."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import ExponentialLR

from bench.checkpoint import Published, StateDict
from bench.images import Normalisation
from bench.models import MLPNet, ResNet20
from bench.recipe import Recipe

WOODFISHER = (
    "https://raw.githubusercontent.com/IST-DASLab/WoodFisher/"
    "d4b1a968947d9850ebf6b67935165e9453495962/checkpoints/"
)
MNIST = Normalisation((0.1307,), (0.3081,))
# Not the normalisation of the WoodFisher code, with which the stored BatchNorm statistics of the
# published checkpoint give 53.52 % instead of 91.43 %.
HALF = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class Pair:
    """A model and a dataset with everything that is held equal between methods.

    `prunable` is a pattern for the names of the parameters that may be pruned. The dense model is
    `Published`, or trained by the suite with a `Recipe` on first use. `dense_accuracy` (percent,
    test) is asserted before anything is pruned, where it is known beforehand.
    """

    name: str
    model: Callable[[], nn.Module]
    dataset: str
    normalisation: Normalisation
    prunable: str
    dense: Published | Recipe
    dense_accuracy: float | None = None

    def prunable_parameters(self, model: nn.Module) -> dict[str, str]:
        """The name of each prunable parameter, with the module that uses it."""
        return {
            name: name.rpartition(".")[0]
            for name, _ in model.named_parameters()
            if re.fullmatch(self.prunable, name)
        }


def _mlpnet_weights(content: dict[str, Any]) -> StateDict:
    """`module.fc1._layer.weight` in the published file is our `fc1.weight`."""
    return {
        name.removeprefix("module.").replace("._layer", ""): tensor
        for name, tensor in content["model_state_dict"].items()
        if "mask" not in name
    }


def _resnet20_weights(content: dict[str, Any]) -> StateDict:
    """`module.` stands before every name of the published file."""
    return {name.removeprefix("module."): w for name, w in content["state_dict"].items()}


PAIRS: dict[str, Pair] = {
    pair.name: pair
    for pair in (
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
            dense=Published(
                file="woodfisher-mlpnet-mnist.ckpt",
                sha256="56083559fe28b22bf9fac71134322d7c4fe55ea5f7d6eba30b4c300783900f12",
                url=WOODFISHER + "mnist_25_epoch_93.97.ckpt",
                extract=_mlpnet_weights,
                classes=(SGD, ExponentialLR),
            ),
            dense_accuracy=93.97,
        ),
        Pair(
            name="resnet20-cifar10",
            model=ResNet20,
            dataset="cifar10",
            normalisation=HALF,
            # The 18 convolutions of the blocks, as WoodFisher: no stem, no shortcut, no fc.
            prunable=r"layer\d\.\d\.conv\d\.weight",
            dense=Published(
                file="woodfisher-resnet20-cifar10.pth.tar",
                sha256="e08b9b71ee33c3abad25588ed63999501673c02f7809364e27d965399e58bf8b",
                url=WOODFISHER + "resnet20_cifar10.pth.tar",
                extract=_resnet20_weights,
            ),
            dense_accuracy=91.43,
        ),
    )
}
