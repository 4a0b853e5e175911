"""The architectures of the suite, written to load the checkpoints that papers published."""

from bench.pairs.models.mlpnet import MLPNet
from bench.pairs.models.mobilenetv1 import MobileNetV1
from bench.pairs.models.resnet20 import ResNet20
from bench.pairs.models.resnet50 import resnet50

__all__ = ["MLPNet", "MobileNetV1", "ResNet20", "resnet50"]
