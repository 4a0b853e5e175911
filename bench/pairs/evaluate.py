"""Evaluates a model: accuracy and loss on every image of a split.

Predicted classes are ranked by one rule on every device: the larger logit first, and of equal
logits the one with the lower index, as `argmax` does in published code. The rule matters: a pruned
network with dead units gives exactly equal logits for whole groups of images.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.problem.loss import loss_of
from datasets.inputs.split_inputs import Inputs

BATCH = 100
"""The number of examples in one pass; with 1,000, ResNet-20 on two cores takes 1.7 times as long.
"""


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation on `examples` examples.

    `accuracy` and `top5` are in percent, `loss` is the mean cross-entropy. `tied` counts the
    examples whose largest logit is shared by several classes. Rules for ties other than the lowest
    index would give accuracies from `tied_lost` to `tied_won` percent.
    """

    accuracy: float
    top5: float
    loss: float
    examples: int
    tied: int = 0
    tied_lost: float = 0.0
    tied_won: float = 0.0


@torch.no_grad()
def evaluate(model: nn.Module, images: Inputs) -> Evaluation:
    """Return the evaluation of the model on every image; leaves the model in evaluation mode."""
    model.eval()
    counts = torch.zeros(5, dtype=torch.long)
    loss = 0.0
    for positions in torch.arange(len(images)).split(BATCH):
        inputs, labels = images.batch(positions)
        logits = model(inputs)
        counts += _counts(logits, labels).cpu()
        loss += float(loss_of(logits.double(), labels))
    count = len(images)
    first, top5, tied, lost, won = counts.tolist()
    percents = (100 * hits / count for hits in (lost, won))
    return Evaluation(100 * first / count, 100 * top5 / count, loss / count, count, tied, *percents)


def ranks(logits: Tensor, labels: Tensor) -> Tensor:
    """Return how many classes rank before each example's label [n], by logits [n, classes].

    A class ranks before another if its logit is larger, or equal and its index lower. So an example
    is right at rank 0, and among the first five below rank 5. An example with a NaN logit ranks its
    label behind all classes.
    """
    own = logits.gather(1, labels.unsqueeze(1))
    lower = torch.arange(logits.shape[1], device=logits.device) < labels.unsqueeze(1)
    before = (logits > own) | ((logits == own) & lower)
    return before.sum(1).masked_fill(logits.isnan().any(1), logits.shape[1])


def _counts(logits: Tensor, labels: Tensor) -> Tensor:
    """Count the examples that are right, right in five, tied, and right if no or all ties won."""
    rank = ranks(logits, labels)
    largest = logits == logits.amax(1, keepdim=True)
    tied = largest.sum(1) > 1
    won = largest.gather(1, labels.unsqueeze(1)).squeeze(1)
    return torch.stack([part.sum() for part in (rank == 0, rank < 5, tied, won & ~tied, won)])
