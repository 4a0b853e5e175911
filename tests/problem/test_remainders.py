"""What is left over when examples don't fill their batches, and trainings that can't be."""

import pytest
import torch
from support.toys import CHANNELS, CLASSES, Viewing, job, pair, split
from torch import nn

import datasets
from bench.common.errors import MethodError, UserError
from bench.jobs.recipe import Recipe
from bench.pairs.preparing.prepare import prepare
from bench.problem.training.loop import Diverged, Sparsifier, Training
from bench.run.one_job import run_job
from datasets.inputs.images import Images, Normalisation

CPU = torch.device("cpu")
BATCHES = {
    (96, 32): [32, 32, 32],
    (97, 32): [32, 32, 33],
    (98, 32): [32, 32, 32, 2],
    (33, 32): [33],
    (32, 32): [32],
    (5, 32): [5],
    (1, 32): [1],
    (3, 2): [3],
    (5, 2): [2, 3],
    (4, 2): [2, 2],
    (3, 1): [1, 1, 1],
    (2, 1): [1, 1],
}
"""The sizes of an epoch's batches by the number of examples and the recipe's batch."""


class Sizes(nn.Linear):
    """A linear layer that notes how many examples it is given in training, and which."""

    def __init__(self) -> None:
        super().__init__(CHANNELS * 64, CLASSES)
        self.sizes: list[int] = []
        self.seen: list[float] = []

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(inputs))
        self.seen += inputs.flatten(1).sum(1).tolist()
        return super().forward(inputs.flatten(1))


def images(count: int) -> Images:
    return Images(split(count), Normalisation((0.5,) * CHANNELS, (0.5,) * CHANNELS), CPU)


def training(model: nn.Module, data: Images, **recipe) -> Training:
    fields = {"epochs": 2, "learning_rate": 0.01} | recipe
    return Training(model, {}, data, Recipe(**fields), torch.Generator().manual_seed(0))


def flat(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(CHANNELS * 64, 6), *layers, nn.Linear(6, CLASSES))


@pytest.mark.parametrize(("examples", "batch"), BATCHES)
def test_a_last_example_joins_the_batch_before_it(examples, batch) -> None:
    model, data = Sizes(), images(examples)
    run = training(model, data, batch=batch)
    run.run()
    expected = BATCHES[examples, batch]
    assert model.sizes == 2 * expected
    assert run.steps_per_epoch == len(expected) and run.step == run.steps == 2 * len(expected)
    every = sorted(data.batch(torch.arange(examples))[0].flatten(1).sum(1).tolist())
    assert sorted(model.seen[:examples]) == sorted(model.seen[examples:]) == every


def test_part_of_an_epoch_has_remainders_too() -> None:
    model = Sizes()
    training(model, images(96), batch=16, examples_per_epoch=33).run()
    assert model.sizes == [16, 17, 16, 17]


@pytest.mark.parametrize("examples", [33, 65, 97])
@pytest.mark.parametrize("schedule", ["cosine", "onecycle", "exponential", "constant"])
def test_batchnorm_trains_whatever_is_left_over(examples, schedule) -> None:
    model = flat(nn.BatchNorm1d(6))
    training(model, images(examples), batch=32, schedule=schedule).run()
    assert model[2].num_batches_tracked == 2 * (examples // 32)


def test_the_schedule_ends_with_the_last_step() -> None:
    class Rates(Sparsifier):
        def before_step(self, training: Training) -> None:
            self.last = training.optimizer.param_groups[0]["lr"]

    rates = Rates()
    training(flat(), images(65), batch=32).run(rates)
    assert rates.last == pytest.approx(0, abs=1e-12)


def test_gradual_pruning_and_its_budget_follow_the_steps(toys, monkeypatch) -> None:
    more = datasets.Dataset("toys", CLASSES, split(97), toys.validation, toys.test, "1" * 64)
    monkeypatch.setattr(datasets, "load", lambda *_: more)
    dense = prepare(pair(Viewing), CPU)
    for protocol in ("fine-tune", "gradual"):
        budget = job("magnitude").budget.model_copy(update={"training_steps": 9})
        found = run_job(job("magnitude", protocol, budget=budget), dense, "study", "magnitude")
        assert found.status == "ok", found.reason
        assert (found.spent.training_steps, found.train_examples) == (9, 3 * 97)


@pytest.mark.parametrize(
    ("model", "examples", "batch"),
    [
        (lambda: flat(nn.BatchNorm1d(6)), 5, 1),
        (lambda: flat(nn.BatchNorm1d(6)), 1, 128),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 8), nn.BatchNorm2d(4), nn.Flatten()), 5, 1),
    ],
)
def test_batches_of_one_under_batchnorm_are_refused(model, examples, batch) -> None:
    with pytest.raises(MethodError, match="one example has none: train it on batches of two or"):
        training(model(), images(examples), batch=batch).run()


def test_batches_of_one_are_fine_without_it() -> None:
    for model in (flat(nn.LayerNorm(6)), nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), flat())):
        training(model, images(5), batch=1).run()


def test_an_empty_split_is_refused() -> None:
    nothing = datasets.Split(torch.zeros(0, 3, 8, 8, dtype=torch.uint8), torch.zeros(0).long())
    data = Images(nothing, Normalisation((0.5,) * 3, (0.5,) * 3), CPU)
    with pytest.raises(MethodError, match="the training split is empty"):
        training(flat(), data)


class Poison(Sparsifier):
    """Lets the last step, whose loss is fine, write NaN into a weight."""

    def on_gradients(self, training: Training) -> None:
        if training.step == training.steps - 1:
            next(training.model.parameters()).grad.fill_(torch.nan)


def test_a_last_step_that_destroys_the_model_is_seen() -> None:
    with pytest.raises(Diverged, match="1.weight was NaN or infinite after the last step"):
        training(flat(), images(8)).run(Poison())


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        ({"learning_rate": 1e30}, "the training loss was"),
        ({"batch": 1}, "one example has none: train it on batches of two or more"),
    ],
)
def test_a_dense_training_that_fails_is_one_sentence(toys, recipe, reason) -> None:
    asked = pair(lambda: flat(nn.BatchNorm1d(6)), prunable=r"1\.weight", **recipe)
    with pytest.raises(UserError, match="dense model of pair toy can't be trained") as error:
        prepare(asked, CPU)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_model_that_raises_in_training_alone_is_one_sentence(toys) -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = flat()

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.net(inputs[:, :2] if self.training else inputs)

    with pytest.raises(UserError, match="can't be trained by its recipe: RuntimeError: .*mat1 and"):
        prepare(pair(Odd, prunable=r"net\..*\.weight"), CPU)
