"""Makes the optimiser and the learning-rate schedule of a recipe from PyTorch's classes."""

from collections.abc import Callable
from math import cos, pi
from typing import Any

from torch import nn
from torch.nn.utils import clip_grad_norm_
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
    decayed = _groups(parameters) if recipe.decay == "matrices" else parameters
    if recipe.optimizer == "adamw":
        return AdamW(
            decayed,
            lr=recipe.learning_rate,
            betas=(recipe.beta1, recipe.beta2),
            weight_decay=recipe.weight_decay,
        )
    return SGD(
        decayed,
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov and recipe.momentum > 0,
        weight_decay=recipe.weight_decay,
    )


def _groups(parameters: list[nn.Parameter]) -> list[dict[str, Any]]:
    """Return two groups: the matrices, with the optimiser's weight decay, and the rest, without."""
    matrices = [parameter for parameter in parameters if parameter.dim() >= 2]
    others = [parameter for parameter in parameters if parameter.dim() < 2]
    return [{"params": matrices}, {"params": others, "weight_decay": 0.0}]


def make_schedule(optimizer: Optimizer, recipe: Recipe, steps_per_epoch: int) -> LRScheduler:
    """Return the recipe's learning-rate schedule, to be stepped after every training step.

    Raises `MethodError` for a warm-up that is longer than the training.
    """
    steps = steps_per_epoch * recipe.epochs
    if not recipe.warmup_steps:
        return _schedule(optimizer, recipe, steps_per_epoch, steps)
    if recipe.warmup_steps >= steps:
        raise MethodError(
            f"a warm-up of {recipe.warmup_steps:,} steps leaves none of the {steps:,} steps of the "
            "training: set fewer warmup_steps, or more epochs"
        )
    return LambdaLR(optimizer, _warmed(recipe, steps_per_epoch, steps))


def _warmed(recipe: Recipe, steps_per_epoch: int, steps: int) -> Callable[[int], float]:
    """Return the factor of the learning rate at each step, with a warm-up and then the schedule."""
    warmup, left = recipe.warmup_steps, steps - recipe.warmup_steps
    lowest = recipe.minimum_learning_rate / recipe.learning_rate

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        match recipe.schedule:
            case "cosine":
                return lowest + (1 - lowest) * (1 + cos(pi * (step - warmup) / left)) / 2
            case "step":
                fallen = sum(step >= epoch * steps_per_epoch for epoch in recipe.milestones)
                return float(recipe.gamma**fallen)
            case "exponential":
                return float(recipe.gamma ** ((step - warmup) / steps_per_epoch))
        return 1.0

    return factor


def _schedule(
    optimizer: Optimizer, recipe: Recipe, steps_per_epoch: int, steps: int
) -> LRScheduler:
    match recipe.schedule:
        case "onecycle":
            return OneCycleLR(optimizer, max_lr=recipe.learning_rate, total_steps=steps + 1)
        case "cosine":
            return CosineAnnealingLR(optimizer, steps, recipe.minimum_learning_rate)
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


def clip(optimizer: Optimizer, norm: float) -> None:
    """Scale all gradients by one factor if their joint norm is above this one."""
    groups = optimizer.param_groups
    clip_grad_norm_([parameter for group in groups for parameter in group["params"]], norm)
