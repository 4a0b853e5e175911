"""The standard pairs: a model, a dataset, the dense checkpoint, and which weights are prunable."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import ExponentialLR

from bench.common.errors import UserError
from bench.common.layout import own_memory
from bench.common.randomness import fixed
from bench.jobs.recipe import Recipe
from bench.pairs.checkpoint import Published, StateDict, Supplied
from bench.pairs.models import MLPNet, MobileNetV1, ResNet20, resnet50
from datasets import AnySplit
from datasets.inputs.folder_images import Interpolation
from datasets.inputs.images import Normalisation
from datasets.inputs.split_inputs import Inputs, inputs_of

WOODFISHER = (
    "https://raw.githubusercontent.com/IST-DASLab/WoodFisher/"
    "d4b1a968947d9850ebf6b67935165e9453495962/checkpoints/"
)
MNIST = Normalisation((0.1307,), (0.3081,))
# Not the normalisation of the WoodFisher code, with which the stored BatchNorm statistics of the
# published checkpoint give 53.52 % instead of 91.43 %.
HALF = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# Of 50,000 JPEG files: decoders and resizers differ by some hundredths of a percent.
JPEG_SLACK = 0.1
SEED = 0
"""Of the initial weights and the training of every dense model: a pair has one."""

SEED = 0
"""Of the initial weights and the training of every dense model: a pair has one."""


@dataclass(frozen=True)
class Pair:
    """A model and a dataset with everything that is held equal between methods.

    `prunable` is a pattern for the names of the parameters that may be pruned. The dense model is
    `Published`, `Supplied` by the user, or trained by the suite with a `Recipe` on first use.
    `dense_accuracy` (percent, test) is asserted before anything is pruned, where it is known
    beforehand; `slack` is by how much it may be missed, by default two of 10,000 images, for
    rounding. `interpolation` is how images from files are resized.
    """

    name: str
    model: Callable[[], nn.Module]
    dataset: str
    normalisation: Normalisation
    prunable: str
    dense: Published | Supplied | Recipe
    dense_accuracy: float | None = None
    slack: float = 0.021
    interpolation: Interpolation = "bilinear"

    def build(self, seed: int = SEED) -> nn.Module:
        """Its model on the CPU, with new weights that follow from the seed."""
        with fixed(seed):
            model = self.model()
        if not isinstance(model, nn.Module):
            kind = type(model).__name__
            raise UserError(f"The model of pair {self.name} must be a torch.nn.Module, not {kind}.")
        return own_memory(model)

    def inputs(self, split: AnySplit, device: torch.device) -> Inputs:
        """A split of its dataset as its model wants it."""
        return inputs_of(split, self.normalisation, device, self.interpolation)

    def prunable_parameters(self, model: nn.Module) -> dict[str, str]:
        """The name of each prunable parameter, with the module that uses it.

        One that several layers share is there once, under the first of its names that the rule
        matches.
        """
        found, seen = {}, set[int]()
        for name, parameter in model.named_parameters(remove_duplicate=False):
            if id(parameter) not in seen and re.fullmatch(self.prunable, name):
                found[name] = name.rpartition(".")[0]
                seen.add(id(parameter))
        return found


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
        Pair(
            name="resnet50-imagenet",
            model=resnet50,
            dataset="imagenet",
            normalisation=IMAGENET,
            # All 53 convolutions and the fc, 25,502,912 of 25,557,032 parameters, the first
            # convolution too: so in the tables of STR (its file of budgets counts conv1) and in the
            # configuration of WoodFisher (resnet50.yaml lists conv1). Neither prunes biases or
            # BatchNorm.
            prunable=r"(conv1|layer\d\.\d\.(conv\d|downsample\.0)|fc)\.weight",
            dense=Published(
                file="resnet50-0676ba61.pth",
                sha256="0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
                url="https://download.pytorch.org/models/resnet50-0676ba61.pth",
                extract=dict,
            ),
            dense_accuracy=76.13,
            slack=JPEG_SLACK,
        ),
        Pair(
            name="mobilenetv1-imagenet",
            model=MobileNetV1,
            dataset="imagenet",
            # As timm's configuration of these weights has it, and so bicubic.
            normalisation=HALF,
            interpolation="bicubic",
            # All convolutions, the depthwise ones too, and the last layer, 4,209,088 of 4,231,976
            # parameters, as STR and WoodFisher (mobilenetv1.yaml lists both convolutions of every
            # block). Depthwise weights are 44,640 of them.
            prunable=r"(conv_stem|blocks\.\d\.\d\.conv_(dw|pw)|classifier)\.weight",
            dense=Supplied(
                file="mobilenetv1_100.ra4_e3600_r224_in1k.safetensors",
                origin=(
                    "https://huggingface.co/timm/mobilenetv1_100.ra4_e3600_r224_in1k, where it is "
                    "named model.safetensors"
                ),
            ),
            dense_accuracy=75.38,
            slack=JPEG_SLACK,
        ),
    )
}
