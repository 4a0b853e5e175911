"""The one training loop of the suite."""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from bench.folder_images import resized_crop
from bench.images import Augmentation, shift
from bench.inputs import Inputs

AUGMENTATIONS: dict[str, Augmentation | None] = {
    "none": None,
    "shift": shift,
    "resized-crop": resized_crop,
}


class Recipe(BaseModel):
    """How a model is trained; the learning rate changes at every step.

    `batch` is in examples, `epochs` are passes over the training split.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    epochs: int = Field(ge=1)
    batch: int = Field(128, ge=1)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = Field(gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    nesterov: bool = True
    weight_decay: float = Field(0.0, ge=0)
    schedule: Literal["cosine", "onecycle"] = "cosine"
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    augmentation: Literal["none", "shift", "resized-crop"] = "none"
    seed: int = Field(0, ge=0)


class Diverged(Exception):
    """The training loss became NaN or infinite."""


def train(
    model: nn.Module, images: Inputs, recipe: Recipe, progress: Callable[[int, int], None]
) -> None:
    """Train the model in place; calls `progress(step, steps)` after each step.

    The same model, images, recipe and thread count give the same bits. Raises `Diverged`.
    """
    generator = torch.Generator().manual_seed(recipe.seed)
    steps_per_epoch = -(-len(images) // recipe.batch)
    optimizer = _optimizer(model, recipe)
    schedule = _schedule(optimizer, recipe, steps_per_epoch * recipe.epochs)
    augmentation = AUGMENTATIONS[recipe.augmentation]
    step = 0
    model.train()
    for _ in range(recipe.epochs):
        for positions in torch.randperm(len(images), generator=generator).split(recipe.batch):
            inputs, labels = images.batch(positions, augmentation, generator)
            loss = F.cross_entropy(model(inputs), labels, label_smoothing=recipe.label_smoothing)
            if not torch.isfinite(loss):
                raise Diverged(f"the training loss was {loss.item()} at step {step}")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            step += 1
            progress(step, steps_per_epoch * recipe.epochs)
    model.eval()


def _optimizer(model: nn.Module, recipe: Recipe) -> Optimizer:
    if recipe.optimizer == "adamw":
        return AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    return SGD(
        model.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov and recipe.momentum > 0,
        weight_decay=recipe.weight_decay,
    )


def _schedule(optimizer: Optimizer, recipe: Recipe, steps: int) -> LRScheduler:
    if recipe.schedule == "onecycle":
        return OneCycleLR(optimizer, max_lr=recipe.learning_rate, total_steps=steps + 1)
    return CosineAnnealingLR(optimizer, T_max=steps)
