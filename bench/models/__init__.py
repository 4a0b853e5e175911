"""The architectures of the suite, written to load the checkpoints that papers published."""

from bench.models.mlpnet import MLPNet

__all__ = ["MLPNet"]
