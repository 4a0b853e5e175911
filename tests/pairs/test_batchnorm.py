"""BatchNorm statistics are renewed alike for pruned and dense models, and the data is charged."""

import copy
import dataclasses

import pytest
import torch
from support.tiny import PLENTY, tiny_conv
from torch import nn

from bench.jobs.budget import Budget
from bench.jobs.job import Job
from bench.jobs.recipe import Recipe
from bench.pairs.batchnorm import BATCH, recalibrate
from bench.pairs.evaluate import evaluate
from bench.pairs.flops import forward_flops
from bench.pairs.pair import HALF, Pair
from bench.pairs.preparing.dense import Dense
from bench.run.one_job import failure, run_job
from datasets import Split
from datasets.inputs.images import Images

UNTUNED = PLENTY.model_copy(update={"tuning_trials": 0})


def test_statistics_are_those_of_the_data() -> None:
    net = tiny_conv().double()
    inputs = torch.randn(2 * BATCH, 2, 6, 6, generator=torch.Generator().manual_seed(0)).double()
    before = copy.deepcopy(net.state_dict())
    with torch.no_grad():
        recalibrate(net, inputs)
        hidden = net[0](inputs)
    assert not net.training and net[1].momentum == 0.1
    torch.testing.assert_close(net[1].running_mean, hidden.mean((0, 2, 3)))
    torch.testing.assert_close(net[1].running_var, hidden.transpose(0, 1).flatten(1).var(1))
    changed = {name for name, t in net.state_dict().items() if not torch.equal(t, before[name])}
    assert changed == {"1.running_mean", "1.running_var", "1.num_batches_tracked"}


@pytest.fixture
def dense() -> Dense:
    """A small convolutional net whose stored statistics are far off, on random images."""

    def net() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
            nn.Linear(8 * 16, 10),
        )  # fmt: skip

    generator = torch.Generator().manual_seed(0)
    shape = (300, 3, 6, 6)
    images = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
    split = Split(images, torch.randint(10, (300,), generator=generator))
    cpu = torch.device("cpu")
    data = Images(split, HALF, cpu)
    model = net().eval().requires_grad_(False)
    model[1].running_mean.fill_(3)
    pair = Pair("toy", net, "none", HALF, ".*weight", Recipe(epochs=1, learning_rate=1.0))
    prunable = {"0.weight": "0", "4.weight": "4"}
    flops = forward_flops(model, data.batch(torch.arange(1))[0]).total
    sums, inputs = ("0" * 64, "1" * 64), (data, data, data)
    evaluation = evaluate(model, data)
    return Dense(
        pair, cpu, model, prunable, *sums, *inputs, evaluation, flops, pair_sha256="2" * 64
    )


def record(dense: Dense, recalibration: int, budget: Budget, sparsity: float = 0.0):
    job = Job(
        pair="toy",
        method="magnitude",
        hyperparameters={"scale": "none"},
        allocation="global",
        sparsity=sparsity,
        seed=0,
        protocol="one-shot",
        recalibration=recalibration,
        budget=budget,
    )
    return run_job(job, dense, "study", "magnitude")


def test_the_policy_holds_for_the_dense_model_alike(dense) -> None:
    kept, renewed = (record(dense, examples, UNTUNED) for examples in (0, 200))
    assert kept.loss == pytest.approx(kept.dense_loss)
    assert renewed.loss == pytest.approx(renewed.dense_loss)
    assert renewed.loss != pytest.approx(kept.loss, rel=1e-3)
    assert (kept.spent.calibration_examples, renewed.spent.calibration_examples) == (0, 200)


@pytest.mark.parametrize(
    ("examples", "reason"),
    [
        (1, "renewed on one example: layer 2 gets a single value per channel"),
        (301, "asked for 301 calibration examples, the pair has 300"),
    ],
)
def test_a_dense_model_that_cannot_be_renewed_fails_its_jobs_and_no_others(
    dense, examples, reason
) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(108, 8), nn.BatchNorm1d(8), nn.Linear(8, 10))
    net.eval().requires_grad_(False)
    flat = dataclasses.replace(dense, model=net, prunable={"1.weight": "1"})
    failed = record(flat, examples, UNTUNED, sparsity=0.5)
    assert failed.status == "failed" and reason in failed.reason
    assert failed.dense_accuracy is None and failed.accuracy is None
    again = failure(failed.job(), flat, "study", "magnitude", "its process died")
    assert (again.status, again.reason) == ("failed", "its process died")
    assert record(flat, 252, UNTUNED, sparsity=0.5).status == "ok"


def test_recalibration_is_charged_to_the_budget(dense) -> None:
    over = record(dense, 200, Budget(calibration_examples=199), sparsity=0.5)
    assert over.status == "over-budget"
    assert "asked for 200 calibration examples, the budget allows 199" in over.reason
