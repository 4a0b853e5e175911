"""How a model is trained: optimiser, learning rate, augmentation and so on.

A study has one recipe, so that all its cells are trained alike.
"""

from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

LATER = (
    *("beta1", "beta2", "decay", "warmup_steps", "minimum_learning_rate"),
    "clip_norm",
)
"""Fields that were added later: a recipe that leaves them at their defaults is written without
them, so that its hash, and the keys of the jobs that it trains, are what they were."""


class Recipe(BaseModel):
    """A training recipe; the learning rate follows its schedule at every step.

    There are `epochs` passes over the training split, each over `examples_per_epoch` of its
    examples in a new random order (default: all). `batch` is in examples; a last batch of one
    example joins the batch before it, since BatchNorm can't take it. `schedule`: `step` multiplies
    the learning rate by `gamma` at each epoch of `milestones`, `exponential` by `gamma` over the
    course of each epoch; `cosine` ends near `minimum_learning_rate`, `onecycle` near zero with the
    last step. So a training of N steps is one epoch with N × batch `examples_per_epoch`.

    Over the first `warmup_steps` W the learning rate rises by equal amounts, to (k + 1) / (W + 1)
    of its value at step k < W; the schedule follows in the steps that are left. `beta1` and `beta2`
    are AdamW's, as `momentum` is SGD's. `decay = "matrices"` applies weight decay to parameters of
    two dimensions or more only, so not to biases and the scales of normalisations. Before each step
    gradients whose norm over all parameters is above `clip_norm` are scaled down to it.

    `decay_after_pruning = false` stops weight decay once the last weights are pruned. `batchnorm`
    is `train` for statistics that follow the training, `frozen` for those of the dense model.
    `precision` is that of the forward pass; weights and the optimiser's state stay in float32.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    epochs: int = Field(ge=1)
    examples_per_epoch: int | None = Field(None, ge=1)
    batch: int = Field(128, ge=1)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = Field(gt=0, allow_inf_nan=False)
    momentum: float = Field(0.9, ge=0, lt=1)
    nesterov: bool = True
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0, allow_inf_nan=False)
    decay: Literal["all", "matrices"] = "all"
    decay_after_pruning: bool = True
    schedule: Literal["constant", "step", "exponential", "cosine", "onecycle"] = "cosine"
    milestones: list[int] = []
    gamma: float = Field(0.1, gt=0, le=1)
    warmup_steps: int = Field(0, ge=0)
    minimum_learning_rate: float = Field(0.0, ge=0, allow_inf_nan=False)
    clip_norm: float | None = Field(None, gt=0, allow_inf_nan=False)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    augmentation: Literal["none", "shift", "crop-flip", "resized-crop"] = "none"
    batchnorm: Literal["train", "frozen"] = "train"
    precision: Literal["float32", "bfloat16"] = "float32"

    def examples(self, available: int) -> int:
        """Return the number of examples per epoch, of `available` ones in the training split."""
        return min(available, self.examples_per_epoch or available)

    def steps(self, available: int) -> int:
        """Return the number of batches per epoch, of `available` examples in the training split."""
        batches, left = divmod(self.examples(available), self.batch)
        return max(1, batches + (left > 1))

    def take(self, left: int) -> int:
        """Return the size of the next batch, when `left` examples of the epoch are left."""
        return self.batch + (self.batch > 1 and left == self.batch + 1)

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        if (self.schedule == "step") != bool(self.milestones):
            raise ValueError(
                "milestones (epochs at which the learning rate falls) go with schedule = 'step'"
            )
        if any(not 0 < epoch < self.epochs for epoch in self.milestones):
            raise ValueError(
                f"milestones must lie inside the {self.epochs} epochs, not {self.milestones}"
            )
        if self.optimizer != "adamw" and {"beta1", "beta2"} & self.model_fields_set:
            raise ValueError("beta1 and beta2 go with optimizer = 'adamw'; SGD has momentum")
        if self.decay == "matrices" and not self.weight_decay:
            raise ValueError("decay = 'matrices' needs a weight_decay above 0")
        if self.warmup_steps and self.schedule == "onecycle":
            raise ValueError(
                "schedule = 'onecycle' has a warm-up of its own: leave warmup_steps out"
            )
        if self.minimum_learning_rate and self.schedule != "cosine":
            raise ValueError("minimum_learning_rate goes with schedule = 'cosine'")
        if self.minimum_learning_rate > self.learning_rate:
            raise ValueError(
                f"minimum_learning_rate must be at most the learning_rate {self.learning_rate:g}, "
                f"not {self.minimum_learning_rate:g}"
            )
        return self

    @model_serializer(mode="wrap")
    def _written(self, fields: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Return the recipe's fields, of `LATER` only those that aren't at their defaults."""
        written: dict[str, Any] = fields(self)
        defaults = {name: type(self).model_fields[name].default for name in LATER}
        return {n: v for n, v in written.items() if n not in defaults or v != defaults[n]}
