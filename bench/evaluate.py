"""What a model is worth and what it costs: accuracy, loss, and FLOPs of its nonzero weights."""

import copy
from collections.abc import Collection
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench.frozen import set_trainable
from bench.inputs import Inputs

BATCH = 100
"""Examples in one pass: ResNet-20 on two cores takes 1.7 times longer with 1,000."""


@dataclass(frozen=True)
class Evaluation:
    """`accuracy` and `top5` in percent, `loss` the mean cross-entropy, over `examples`."""

    accuracy: float
    top5: float
    loss: float
    examples: int


@torch.no_grad()
def evaluate(model: nn.Module, images: Inputs) -> Evaluation:
    """Evaluate the model on every image, in evaluation mode."""
    model.eval()
    first = top5 = 0
    loss = 0.0
    for positions in torch.arange(len(images)).split(BATCH):
        inputs, labels = images.batch(positions)
        logits = model(inputs)
        ranked = logits.topk(min(5, logits.shape[1]), dim=1).indices == labels.unsqueeze(1)
        first += int(ranked[:, 0].sum())
        top5 += int(ranked.sum())
        loss += float(F.cross_entropy(logits.double(), labels, reduction="sum"))
    count = len(images)
    return Evaluation(100 * first / count, 100 * top5 / count, loss / count, count)


@torch.no_grad()
def forward_flops(model: nn.Module, inputs: Tensor) -> int:
    """Multiplications and additions of Linear and Conv2d layers for one example [1, ...].

    Only nonzero weights count, so the ratio dense / pruned is the theoretical speed-up.
    """
    total = 0

    def count(module: nn.Module, _given: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        weight = module.get_parameter("weight")
        uses = output.numel() // weight.shape[0]
        total += 2 * uses * int(torch.count_nonzero(weight))

    handles = [
        module.register_forward_hook(count)
        for module in model.modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    ]
    try:
        model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return total


def training_flops(
    model: nn.Module, inputs: Tensor, labels: Tensor, frozen: Collection[str] = ()
) -> int:
    """FLOPs of a forward and backward pass for one example [1, ...], counted by torch.

    Masked weights are multiplied like others: what training takes on today's hardware. The
    `frozen` parameters have no gradients.
    """
    copied = copy.deepcopy(model)
    set_trainable(copied, frozen)
    with torch.enable_grad(), FlopCounterMode(display=False) as counter:
        F.cross_entropy(copied(inputs).float(), labels).backward()
    return int(counter.get_total_flops())
