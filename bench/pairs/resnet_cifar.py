"""Residual networks on CIFAR-10 (He et al. 2016), with the shortcuts of two sets of checkpoints."""

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from bench.pairs.checkpoint import PublishedWeights, StateDict
from bench.pairs.pair import HALF, IMAGENET, WOODFISHER, Pair

AKAMASTER = (
    "https://raw.githubusercontent.com/akamaster/pytorch_resnet_cifar10/"
    "d5489e8995e81e91ce6b1d69dcc98ad579b0b153/pretrained_models/"
)
"""The folder of published checkpoints in the repository of Idelbayev (2018)."""
# The 3×3 convolutions of the blocks, as in WoodFisher: no stem, no shortcut, no fc.
IN_BLOCKS = r"layer\d\.\d\.conv\d\.weight"


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


class Padded(nn.Module):
    """The shortcut without parameters: every `stride`-th pixel, and channels of zeros around.

    Takes [n, c, h, w], returns [n, c + `channels`, ⌈h/stride⌉, ⌈w/stride⌉], half of the new
    channels before the others and half behind them (option A of He et al. 2016).
    """

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.channels, self.stride = channels, stride

    def forward(self, inputs: Tensor) -> Tensor:
        half = self.channels // 2
        kept = inputs[:, :, :: self.stride, :: self.stride]
        return F.pad(kept, (0, 0, 0, 0, half, self.channels - half))


class PaddedResNet(ResNet20):
    """Three stages of 3, 5, 7 or 9 blocks with shortcuts that add zeros: the networks of the paper.

    6 × `blocks` + 2 layers. The forward pass is that of `ResNet20`.
    """

    def __init__(self, blocks: int) -> None:
        super().__init__()
        stages = (self.layer1, self.layer2, self.layer3)
        for stage, channels in zip(stages, (16, 32, 64), strict=True):
            first = stage[0]
            if not isinstance(first.downsample, nn.Identity):
                first.downsample = Padded(channels // 2, stride=2)
            stage.extend(Block(channels, channels, 1) for _ in range(blocks - len(stage)))


def padded_resnet20() -> PaddedResNet:
    """Return 20 layers: 267,264 of 269,722 parameters are prunable."""
    return PaddedResNet(blocks=3)


def padded_resnet32() -> PaddedResNet:
    """Return 32 layers: 460,800 of 464,154 parameters are prunable."""
    return PaddedResNet(blocks=5)


def padded_resnet44() -> PaddedResNet:
    """Return 44 layers: 654,336 of 658,586 parameters are prunable."""
    return PaddedResNet(blocks=7)


def padded_resnet56() -> PaddedResNet:
    """Return 56 layers: 847,872 of 853,018 parameters are prunable."""
    return PaddedResNet(blocks=9)


def _resnet20_weights(content: dict[str, Any]) -> StateDict:
    """Return the published state dict with our names, without the prefix `module.`."""
    return {name.removeprefix("module."): w for name, w in content["state_dict"].items()}


def _akamaster_weights(content: dict[str, Any]) -> StateDict:
    """Return the published state dict with our names: `module.linear.weight` is `fc.weight`."""
    plain = _resnet20_weights(content)
    return {name.replace("linear.", "fc."): tensor for name, tensor in plain.items()}


def _akamaster(
    model: Callable[[], nn.Module], file: str, sha256: str, dense_accuracy: float
) -> Pair:
    """Return the pair of a checkpoint of Idelbayev (2018), `file` in the folder `AKAMASTER`.

    The repository's name comes first in the pair's: `resnet20-cifar10` is another network, with
    another checkpoint and other inputs.
    """
    return Pair(
        name=f"akamaster-{file.partition('-')[0]}-cifar10",
        model=model,
        dataset="cifar10",
        normalisation=IMAGENET,
        prunable=IN_BLOCKS,
        dense=PublishedWeights(
            file=f"akamaster-{file}",
            sha256=sha256,
            url=AKAMASTER + file,
            extract=_akamaster_weights,
        ),
        dense_accuracy=dense_accuracy,
    )


PAIRS = (
    Pair(
        name="resnet20-cifar10",
        model=ResNet20,
        dataset="cifar10",
        normalisation=HALF,
        prunable=IN_BLOCKS,
        dense=PublishedWeights(
            file="woodfisher-resnet20-cifar10.pth.tar",
            sha256="e08b9b71ee33c3abad25588ed63999501673c02f7809364e27d965399e58bf8b",
            url=WOODFISHER + "resnet20_cifar10.pth.tar",
            extract=_resnet20_weights,
        ),
        dense_accuracy=91.43,
    ),
    _akamaster(
        padded_resnet20,
        "resnet20-12fca82f.th",
        "12fca82f0bebc4135bf1f32f6e3710e61d5108578464b84fd6d7f5c1b04036c8",
        dense_accuracy=91.73,
    ),
    _akamaster(
        padded_resnet32,
        "resnet32-d509ac18.th",
        "d509ac1820d7f25398913559d7e81a13229b1e7adc5648e3bfa5e22dc137f850",
        dense_accuracy=92.63,
    ),
    _akamaster(
        padded_resnet44,
        "resnet44-014dd654.th",
        "014dd6541728a1c700b1642ab640e211dc6eb8ed507d70697458dc8f8a0ae2e4",
        dense_accuracy=93.10,
    ),
    _akamaster(
        padded_resnet56,
        "resnet56-4bfd9763.th",
        "4bfd97631478d6b638d2764fd2baff3edb1d7d82252d54439343b6596b9b5367",
        dense_accuracy=93.39,
    ),
)
