"""The optimiser and the learning-rate schedule that a recipe asks for, from torch."""

from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
)

from bench.common.errors import MethodError
from bench.jobs.recipe import Recipe


def make_optimizer(model: nn.Module, recipe: Recipe) -> Optimizer:
    """The recipe's optimiser over those parameters of the model that aren't frozen.

    Raises `MethodError` where there are none.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise MethodError("all parameters of the model are frozen: there is nothing to train")
    if recipe.optimizer == "adamw":
        return AdamW(parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    return SGD(
        parameters,
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov and recipe.momentum > 0,
        weight_decay=recipe.weight_decay,
    )


def make_schedule(optimizer: Optimizer, recipe: Recipe, steps_per_epoch: int) -> LRScheduler:
    """The recipe's schedule, to be stepped after every training step."""
    steps = steps_per_epoch * recipe.epochs
    match recipe.schedule:
        case "onecycle":
            return OneCycleLR(optimizer, max_lr=recipe.learning_rate, total_steps=steps + 1)
        case "cosine":
            return CosineAnnealingLR(optimizer, T_max=steps)
        case "step":
            milestones = [epoch * steps_per_epoch for epoch in recipe.milestones]
            return MultiStepLR(optimizer, milestones, recipe.gamma)
        case "exponential":
            return ExponentialLR(optimizer, recipe.gamma ** (1 / steps_per_epoch))
        case "constant":
            return LambdaLR(optimizer, lambda step: 1.0)


def stop_weight_decay(optimizer: Optimizer) -> None:
    """No weight decay from here on."""
    for group in optimizer.param_groups:
        group["weight_decay"] = 0.0
