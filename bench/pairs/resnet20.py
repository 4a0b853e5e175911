"""ResNet-20 on CIFAR-10, with the projection shortcuts of the published checkpoint."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from bench.pairs.checkpoint import PublishedWeights, StateDict
from bench.pairs.pair import HALF, WOODFISHER, Pair


class Block(nn.Module):
    """Two 3×3 convolutions around a shortcut, which is a 1×1 convolution where shapes differ."""

    def __init__(self, given: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(given, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or given != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(given, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = F.relu(self.bn1(self.conv1(inputs)))
        return F.relu(self.bn2(self.conv2(hidden)) + self.downsample(inputs))


class ResNet20(nn.Module):
    """Three stages of three blocks, 16, 32 and 64 channels: 272,474 parameters (He et al. 2016).

    Takes images [n, 3, 32, 32], returns logits [n, 10]. Differs from the paper: shortcuts that
    change shape are 1×1 convolutions (option B), as in the checkpoint of the WoodFisher repository.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, stride=1)
        self.layer2 = _stage(16, 32, stride=2)
        self.layer3 = _stage(32, 64, stride=2)
        self.fc = nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        hidden = F.relu(self.bn1(self.conv1(images)))
        hidden = self.layer3(self.layer2(self.layer1(hidden)))
        logits: Tensor = self.fc(hidden.mean((2, 3)))
        return logits


def _stage(given: int, channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        Block(given, channels, stride), Block(channels, channels, 1), Block(channels, channels, 1)
    )


def _resnet20_weights(content: dict[str, Any]) -> StateDict:
    """Return the published state dict with our names, without the prefix `module.`."""
    return {name.removeprefix("module."): w for name, w in content["state_dict"].items()}


PAIRS = (
    Pair(
        name="resnet20-cifar10",
        model=ResNet20,
        dataset="cifar10",
        normalisation=HALF,
        # The 18 convolutions of the blocks, as in WoodFisher: no stem, no shortcut, no fc.
        prunable=r"layer\d\.\d\.conv\d\.weight",
        dense=PublishedWeights(
            file="woodfisher-resnet20-cifar10.pth.tar",
            sha256="e08b9b71ee33c3abad25588ed63999501673c02f7809364e27d965399e58bf8b",
            url=WOODFISHER + "resnet20_cifar10.pth.tar",
            extract=_resnet20_weights,
        ),
        dense_accuracy=91.43,
    ),
)
