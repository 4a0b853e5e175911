"""Evaluates a model by its objective: loss and metric on every example of a split.

Predicted classes are ranked by one rule on every device: the larger logit first, and of equal
logits the one with the lower index, as `argmax` does in published code. The rule matters: a pruned
network with dead units gives exactly equal logits for whole groups of images.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.problem.objective import Objective
from bench.problem.objectives import CLASSIFICATION
from datasets.inputs.split_inputs import Inputs

BATCH = 100
"""The number of examples in one pass; with 1,000, ResNet-20 on two cores takes 1.7 times as long.
"""

TOKENS = 2048
"""The most tokens in one pass of several texts: each has a logit for every word of a vocabulary."""


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation on `examples` examples.

    `accuracy` and `top5` are percent of the choices, which are the examples of a classification and
    the tokens of a language model; None if there are none. `loss` is the mean over examples. `tied`
    counts the examples whose largest logit is shared by several classes. Rules for ties other than
    the lowest index would give accuracies from `tied_lost` to `tied_won` percent. `score` is the
    metric where it isn't the accuracy, and `score_error` its standard error over the examples, by
    the spread of their losses (to first order).
    """

    accuracy: float | None
    top5: float | None
    loss: float
    examples: int
    tied: int = 0
    tied_lost: float = 0.0
    tied_won: float = 0.0
    score: float | None = None
    score_error: float | None = None


@torch.no_grad()
def evaluate(model: nn.Module, data: Inputs, objective: Objective = CLASSIFICATION) -> Evaluation:
    """Return the evaluation of the model on every example; leaves it in evaluation mode."""
    model.eval()
    counts = torch.zeros(5, dtype=torch.long)
    loss = squares = 0.0
    chosen = width = 0
    for positions in torch.arange(len(data)).split(_batch(data.labels)):
        inputs, targets = data.batch(positions)
        outputs = model(inputs)
        choices = objective.choices(outputs, targets)
        if choices is not None:
            counts += _counts(*choices).cpu()
            chosen += len(choices[1])
        loss += float(objective.loss(outputs.double(), targets))
        if objective.metric != "accuracy":
            losses = objective.loss(outputs.double(), targets, "none")
            squares += float(losses.square().sum())
            width = outputs[0].numel()
    count = len(data)
    first, top5, tied, lost, won = counts.tolist()
    accuracy, top = (100 * hits / chosen if chosen else None for hits in (first, top5))
    mean = loss / count
    score = objective.score(mean, _standard_error(mean, squares, count), width)
    if score is not None:
        value, error = score
        return Evaluation(accuracy, top, mean, count, score=value, score_error=error)
    ties = (100 * hits / count for hits in (lost, won))
    return Evaluation(accuracy, top, mean, count, tied, *ties)


def _batch(labels: Tensor) -> int:
    """Return the number of examples in one pass: fewer where each has many tokens [n, t]."""
    if labels.dim() != 2 or labels.is_floating_point():
        return BATCH
    return max(1, min(BATCH, TOKENS // max(1, labels.shape[1])))


def _standard_error(mean: float, squares: float, count: int) -> float:
    """Return the standard error of a mean of `count` numbers whose squares sum to `squares`."""
    if count < 2:
        return 0.0
    return math.sqrt(max(0.0, squares - count * mean**2) / (count - 1) / count)


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
