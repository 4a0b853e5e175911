"""The result of one job: what was asked, what it found, and what its numbers depend on."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict

from bench.jobs.allocation import Allocation
from bench.jobs.budget import Budget
from bench.jobs.findings import Findings
from bench.jobs.job import Control, Job
from bench.jobs.measure import Measure
from bench.jobs.metric import MetricName
from bench.jobs.protocol import ProtocolName
from bench.jobs.recipe import Recipe
from bench.jobs.schedule import Gradual

Status = Literal["ok", "failed", "skipped", "over-budget"]
"""How a job ended."""
SCHEMA = 1
"""The version of the records' format; files of another version are refused."""


class Environment(BaseModel):
    """What a result's bits depend on beside code and data: equal environments give equal bits.

    `processor` is the instruction set that PyTorch uses, `model` the kind of processor: two kinds
    with one instruction set can still take different paths through the same library.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    versions: dict[str, str]
    platform: str
    processor: Annotated[str, Measure("processor", page="nowhere")]
    model: str = ""
    device: Annotated[str, Measure("device", page="nowhere")]
    threads: Annotated[int, Measure("threads", page="nowhere")]
    commit: str | None


class Record(Findings):
    """What was asked of one job, what it found, and what its numbers depend on.

    `metric` is what the pair is judged by: `accuracy`, or what `score` and `dense_score` are.
    `dense_accuracy` is percent of the test split, `dense_loss` its mean loss.
    `data_sha256` is the hash of the dataset, `pair_sha256` that of the pair's settings and model,
    `source_sha256` that of the code, of which `harness_sha256` covers the part that isn't the
    method's. `spent` is what the pruning used; with tuning trials, the pruning with the chosen
    values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: int = SCHEMA
    key: str
    study: str
    label: str
    status: Status
    reason: str = ""

    pair: str
    method: str
    hyperparameters: dict[str, Any]
    allocation: Allocation
    sparsity: float
    seed: int
    protocol: ProtocolName
    recalibration: int
    training: Recipe | None = None
    schedule: Gradual | None = None
    control: Control | None = None
    budget: Budget
    spent: Budget

    metric: Annotated[MetricName, Measure("metric", page="pair", if_known=True)] = "accuracy"
    dense_score: Annotated[
        float | None, Measure("dense score", page="pair", before="score", if_known=True)
    ] = None
    dense_accuracy: Annotated[
        float | None, Measure("dense accuracy", "%", page="pair", before="accuracy")
    ] = None
    dense_loss: Annotated[
        float | None, Measure("dense loss", "nats", page="nowhere", before="accuracy")
    ] = None
    parameters: Annotated[int | None, Measure("parameters", page="pair", before="peak_bytes")] = (
        None
    )
    test_examples: Annotated[
        int | None, Measure("test images", page="pair", before="peak_bytes")
    ] = None
    dense_flops: Annotated[
        int | None, Measure("dense FLOPs", "FLOPs", page="pair", before="train_examples")
    ] = None
    checkpoint_sha256: Annotated[str | None, Measure("dense checkpoint (sha256)", page="pair")] = (
        None
    )
    data_sha256: Annotated[str | None, Measure("data (sha256)", page="nowhere")] = None
    pair_sha256: Annotated[
        str | None, Measure("pair (sha256)", page="nowhere", before="data_sha256")
    ] = None
    harness_sha256: str | None = None
    source_sha256: Annotated[str, Measure("code (sha256)", page="nowhere")]
    environment: Environment
    finished: Annotated[str, Measure("finished", page="nowhere")]

    def job(self) -> Job:
        """Return the job that this record answers."""
        return Job.model_validate({name: getattr(self, name) for name in Job.model_fields})
