"""ResNet-50 for ImageNet, torchvision's."""

from torch import nn


def resnet50() -> nn.Module:
    """25,557,032 parameters, the stride of a block in its 3×3 convolution (He et al. 2016; v1.5).

    Takes images [n, 3, 224, 224], gives logits [n, 1000]. torchvision is imported here, not by the
    commands that need no such model.
    """
    from torchvision.models import resnet50 as network

    model: nn.Module = network()
    return model
