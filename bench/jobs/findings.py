"""What a job finds out while it runs: the measured part of its record."""

from typing import Annotated, Any, Literal, get_args

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from bench.jobs.budget import Budget
from bench.jobs.measure import Measure

Phase = Literal["gradients", "inverse", "selection", "update"]
"""The phases of a pruning: `gradients` are passes through the model, `inverse` is curvature and the
scores computed from it, `selection` chooses the mask, `update` moves the survivors."""

PHASES: tuple[Phase, ...] = get_args(Phase)
"""The names of all phases, in order."""
PARTS = (*PHASES, "rest")
"""The parts into which pruning seconds are divided: the phases, and the `rest` outside them."""


class Trial(BaseModel):
    """The result of one tuning trial on the validation split.

    `accuracy` is in percent, `loss` is the mean loss, `score` the metric of a pair that isn't
    judged by accuracy; a failed trial has a `reason` in place of all. `values` are those of the
    tuned fields.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    values: dict[str, Any]
    accuracy: float | None = None
    loss: float | None = None
    score: float | None = None
    reason: str = ""


class Findings(BaseModel):
    """What was measured of one job; a value is None if the job didn't come to it.

    A field with a `Measure` has a column in every frame and CSV file, and where its declaration
    says so, in the summary, on the page and in the table of costs: nothing else names it.

    Accuracies are percent of the test split, `loss` is its mean loss, a cross-entropy in nats or
    half a squared distance. `score` is the record's `metric` where that isn't the accuracy, and
    `score_error` its standard error over the test examples. `nonzero`
    counts the prunable weights that are not exactly zero in what was evaluated. `flops` are the
    multiplications and additions with nonzero weights in one forward pass of one example.
    `tied_predictions` are test examples whose largest logit several classes share; the lowest index
    counts. `yardstick_seconds` is the time of a fixed piece of work in the same process, see
    bench/common/machine/yardstick.py. `peak_bytes` is the rise of memory while the method ran.
    `prune_seconds` are what the method takes when it runs alone, `phase_seconds` their division
    into phases; `reused_seconds` of them weren't spent, because another job of the same process had
    computed the same gradients or the same estimate. `mask_sha256` is the hash of which weights are
    kept, `weights_sha256` that of the complete model as evaluated. `train_seconds` are those of
    training without pruning, `train_flops` are for its forward and backward passes with dense
    weights, `train_losses` are the mean losses of the steps by epoch. `emergent_sparsity` is what a
    method reached by itself before it was projected to the target. If the study grants tuning
    trials, `chosen` are the values of the tuned fields that replaced the job's, `trials` all that
    were tried, in order; `tuning_spent` and `tuning_seconds` are what all trials took together.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    accuracy: Annotated[
        float | None, Measure("accuracy", "%", over_seeds=("mean", "std", "min", "max"))
    ] = None
    top5: Annotated[float | None, Measure("top-5", "%", over_seeds=("mean", "std"))] = None
    loss: Annotated[float | None, Measure("loss", "nats", over_seeds=("mean",))] = None
    score: Annotated[
        float | None, Measure("score", over_seeds=("mean", "std", "min", "max"), if_known=True)
    ] = None
    score_error: float | None = None
    tied_predictions: int | None = None
    nonzero: Annotated[int | None, Measure("nonzero weights", page="data")] = None
    prunable: Annotated[int | None, Measure("prunable weights", page="pair")] = None
    layer_sparsity: dict[str, float] = Field(default_factory=dict)
    prune_seconds: Annotated[
        float | None,
        Measure(
            "time",
            "s",
            over_seeds=("median",),
            cost="median\nseconds",
            over_cells="median",
        ),
    ] = None
    phase_seconds: Annotated[
        dict[Phase, float],
        Measure("time of a phase", "s", over_seeds=("median",), page="data", parts=PARTS),
    ] = Field(default_factory=dict)
    reused_seconds: float | None = None
    # Earlier files call it calibration_seconds, which calibration examples have nothing to do with.
    yardstick_seconds: float | None = Field(
        None, validation_alias=AliasChoices("yardstick_seconds", "calibration_seconds")
    )
    peak_bytes: Annotated[
        int | None, Measure("memory", "bytes", over_seeds=("max",), cost="peak\nMiB")
    ] = None
    flops: Annotated[int | None, Measure("FLOPs", "FLOPs", over_seeds=("mean",), page="data")] = (
        None
    )
    mask_sha256: str | None = None
    weights_sha256: str | None = None
    train_seconds: Annotated[
        float | None,
        Measure(
            "time of training",
            "s",
            page="nowhere",
            cost="training\nseconds",
            over_cells="median",
            cost_if_known=True,
        ),
    ] = None
    train_examples: Annotated[int | None, Measure("training examples", page="nowhere")] = None
    train_flops: Annotated[
        int | None,
        Measure(
            "FLOPs of training",
            "FLOPs",
            page="nowhere",
            cost="training\nTFLOPs",
            cost_if_known=True,
        ),
    ] = None
    train_losses: list[float] = Field(default_factory=list)
    emergent_sparsity: Annotated[float | None, Measure("emergent sparsity", page="nowhere")] = None
    chosen: dict[str, Any] | None = None
    trials: list[Trial] = Field(default_factory=list)
    tuning_spent: Budget | None = None
    tuning_seconds: float | None = None
    notes: Annotated[list[str], Measure("notes", page="data")] = Field(default_factory=list)
