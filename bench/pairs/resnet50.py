"""ResNet-50 on ImageNet, as in torchvision."""

from torch import nn

from bench.pairs.checkpoint import PublishedWeights
from bench.pairs.pair import IMAGENET, JPEG_SLACK, Pair


def resnet50() -> nn.Module:
    """Return ResNet-50 with the stride of a block in its 3×3 convolution (He et al. 2016; v1.5).

    It has 25,557,032 parameters. Takes images [n, 3, 224, 224], returns logits [n, 1000].
    torchvision is imported here, so that commands that don't need this model start without it.
    """
    from torchvision.models import resnet50 as network

    model: nn.Module = network()
    return model


PAIRS = (
    Pair(
        name="resnet50-imagenet",
        model=resnet50,
        dataset="imagenet",
        normalisation=IMAGENET,
        # All 53 convolutions and the fc, 25,502,912 of 25,557,032 parameters. The first convolution
        # is included, as in the tables of STR (its file of budgets counts conv1) and in the
        # configuration of WoodFisher (resnet50.yaml lists conv1). Neither prunes biases or
        # BatchNorm.
        prunable=r"(conv1|layer\d\.\d\.(conv\d|downsample\.0)|fc)\.weight",
        dense=PublishedWeights(
            file="resnet50-0676ba61.pth",
            sha256="0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
            url="https://download.pytorch.org/models/resnet50-0676ba61.pth",
            extract=dict,
        ),
        dense_accuracy=76.13,
        slack=JPEG_SLACK,
    ),
)
