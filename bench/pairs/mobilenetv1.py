"""MobileNetV1 on ImageNet, with the parameter names of the checkpoints that timm publishes."""

import torch.nn.functional as F
from torch import Tensor, nn

from bench.pairs.checkpoint import SuppliedWeights
from bench.pairs.pair import HALF, JPEG_SLACK, Pair

STAGES = ((64,), (128, 128), (256, 256), (512,) * 6, (1024, 1024))
"""The number of channels after each block. In every stage but the first, the first block halves the
height and width of the image."""


class Separable(nn.Module):
    """A 3×3 convolution of each channel separately, then a 1×1 convolution across channels."""

    def __init__(self, given: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(given, given, 3, stride, padding=1, groups=given, bias=False)
        self.bn1 = nn.BatchNorm2d(given)
        self.conv_pw = nn.Conv2d(given, channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, inputs: Tensor) -> Tensor:
        return F.relu6(self.bn2(self.conv_pw(F.relu6(self.bn1(self.conv_dw(inputs))))))


class MobileNetV1(nn.Module):
    """A convolution, 13 separable ones and a linear layer (Howard et al. 2017).

    It has 4,231,976 parameters for 1,000 classes. Takes images [n, 3, 224, 224], returns logits [n,
    classes]. Its activation is ReLU6, with which timm's weights were trained; the networks of the
    STR and WoodFisher papers have ReLU.
    """

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.conv_stem = nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        given, stages = 32, []
        for number, stage in enumerate(STAGES):
            blocks = []
            for place, channels in enumerate(stage):
                blocks.append(Separable(given, channels, 2 if number and not place else 1))
                given = channels
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)
        self.classifier = nn.Linear(given, classes)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.blocks(F.relu6(self.bn1(self.conv_stem(images))))
        logits: Tensor = self.classifier(hidden.mean((2, 3)))
        return logits


PAIRS = (
    Pair(
        name="mobilenetv1-imagenet",
        model=MobileNetV1,
        dataset="imagenet",
        # As in timm's configuration of these weights, and bicubic for the same reason.
        normalisation=HALF,
        interpolation="bicubic",
        # All convolutions, the depthwise ones too, and the last layer, 4,209,088 of 4,231,976
        # parameters, as STR and WoodFisher (mobilenetv1.yaml lists both convolutions of every
        # block). Depthwise weights are 44,640 of them.
        prunable=r"(conv_stem|blocks\.\d\.\d\.conv_(dw|pw)|classifier)\.weight",
        dense=SuppliedWeights(
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
