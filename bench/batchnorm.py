"""BatchNorm statistics estimated anew: one policy for every method of a study, and the dense model.

Pruning shifts activations, and stored statistics no longer fit them. Some papers renew them, some
don't, and seldom say so; as a policy of the study it is the same in every row.
"""

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

BATCH = 250


def recalibrate(model: nn.Module, inputs: Tensor) -> None:
    """Replace the BatchNorm statistics by those of the inputs [n, ...], averaged over batches.

    Weights don't change; the model is left in evaluation mode.
    """
    model.eval()
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain average over the batches
        layer.train()
    for batch in inputs.split(BATCH):
        model(batch)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
        layer.eval()
