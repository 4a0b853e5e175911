"""What a job finds out, from its first step to its last."""

from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from bench.jobs.budget import Budget

Phase = Literal["gradients", "inverse", "selection", "update"]
"""Passes through the model, curvature and scores made of them, the mask, the survivors' move."""

PHASES: tuple[Phase, ...] = get_args(Phase)


class Trial(BaseModel):
    """`accuracy` in percent and mean `loss` on the validation split, or the `reason` of neither.

    `values` are those of the tuned fields.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    values: dict[str, Any]
    accuracy: float | None = None
    loss: float | None = None
    reason: str = ""


class Findings(BaseModel):
    """Numbers of one job; missing (None) where the job didn't come to them.

    Accuracies are percent of the test split, `loss` is its mean cross-entropy. `nonzero` counts
    the prunable weights that are not exactly zero in what was evaluated. `flops` are the
    multiplications and additions with nonzero weights in one forward pass of one example.
    `tied_predictions` are test examples whose largest logit several classes share; the lowest
    index counts. `calibration_seconds` is what a fixed piece of work took in the same process, see
    `yardstick`. `peak_bytes` is the rise of memory while the method ran. `prune_seconds` are what
    the method takes alone, `phase_seconds` their division; `reused_seconds` of them were spared,
    since another job of the same process had computed the same gradients. `mask_sha256` is the
    hash of which weights are left, `weights_sha256` that of the whole model as evaluated.
    `train_seconds` are those of training without pruning, `train_flops` what its forward and
    backward passes take with dense weights, `train_losses` the mean loss of its steps by epoch.
    `emergent_sparsity` is what a method came to by itself before it was brought to the target.
    Where the study grants tuning trials, `chosen` are the values that the tuned fields were set to
    in place of those of the job, `trials` all that were tried, in order; `tuning_spent` and
    `tuning_seconds` are what the trials took together.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    accuracy: float | None = None
    top5: float | None = None
    loss: float | None = None
    tied_predictions: int | None = None
    nonzero: int | None = None
    prunable: int | None = None
    layer_sparsity: dict[str, float] = Field(default_factory=dict)
    prune_seconds: float | None = None
    phase_seconds: dict[Phase, float] = Field(default_factory=dict)
    reused_seconds: float | None = None
    calibration_seconds: float | None = None
    peak_bytes: int | None = None
    flops: int | None = None
    mask_sha256: str | None = None
    weights_sha256: str | None = None
    train_seconds: float | None = None
    train_examples: int | None = None
    train_flops: int | None = None
    train_losses: list[float] = Field(default_factory=list)
    emergent_sparsity: float | None = None
    chosen: dict[str, Any] | None = None
    trials: list[Trial] = Field(default_factory=list)
    tuning_spent: Budget | None = None
    tuning_seconds: float | None = None
    notes: list[str] = Field(default_factory=list)
