"""Makes the optimiser and the learning-rate schedule of a recipe from PyTorch's classes."""

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
    """Return the recipe's optimiser over the parameters that aren't frozen.

    Raises `MethodError` if all of them are.
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
    """Return the recipe's learning-rate schedule, to be stepped after every training step."""
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
    """Set the weight decay of all parameter groups to zero."""
    for group in optimizer.param_groups:
        group["weight_decay"] = 0.0
