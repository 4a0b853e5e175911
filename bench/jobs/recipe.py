"""How a model is trained: optimiser, learning rate, augmentation and so on.

A study has one recipe, so that all its cells are trained alike.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Recipe(BaseModel):
    """A training recipe; the learning rate follows its schedule at every step.

    There are `epochs` passes over the training split, each over `examples_per_epoch` of its
    examples in a new random order (default: all). `batch` is in examples; a last batch of one
    example joins the batch before it, since BatchNorm can't take it. `schedule`: `step` multiplies
    the learning rate by `gamma` at each epoch of `milestones`, `exponential` by `gamma` over the
    course of each epoch; `cosine` and `onecycle` end near zero with the last step.
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
    weight_decay: float = Field(0.0, ge=0, allow_inf_nan=False)
    decay_after_pruning: bool = True
    schedule: Literal["constant", "step", "exponential", "cosine", "onecycle"] = "cosine"
    milestones: list[int] = []
    gamma: float = Field(0.1, gt=0, le=1)
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
        return self
