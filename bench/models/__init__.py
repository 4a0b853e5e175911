"""The architectures of the suite, written to load the checkpoints that papers published."""

from bench.models.mlpnet import MLPNet
from bench.models.resnet20 import ResNet20

__all__ = ["MLPNet", "ResNet20"]
