"""The training loop: masks held at zero, interruptions that leave no trace, the recipe's fields."""

from typing import Any

import pytest
import torch
from support.interrupted import Disk, Kill
from torch import Tensor, nn

import datasets
from bench.jobs.recipe import Recipe
from bench.pairs.pair import MNIST
from bench.problem.training.loop import Sparsifier, Training
from datasets.inputs.images import Images

CPU = torch.device("cpu")
RECIPES = {
    "sgd": {"weight_decay": 1e-3, "augmentation": "shift"},
    "adamw": {"optimizer": "adamw", "learning_rate": 1e-3, "weight_decay": 0.1},
    "step": {"schedule": "step", "milestones": [1], "label_smoothing": 0.1},
    "exponential": {"schedule": "exponential", "gamma": 0.5, "nesterov": False},
    "onecycle": {"schedule": "onecycle", "batchnorm": "frozen"},
    "warm-up": {
        **{"optimizer": "adamw", "beta2": 0.99, "weight_decay": 0.1, "decay": "matrices"},
        **{"warmup_steps": 4, "minimum_learning_rate": 0.005, "clip_norm": 0.5},
    },
    "bfloat16": {"precision": "bfloat16", "schedule": "constant"},
}


@pytest.fixture(scope="module")
def images() -> Images:
    split = datasets.load("mnist5k").train
    return Images(datasets.Split(split.images[:640], split.labels[:640]), MNIST, CPU)


def net() -> nn.Sequential:
    """Convolution, batch normalisation and dropout: everything that has a state."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 5, stride=4, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Flatten(),
        nn.Linear(144, 10),
    )


PRUNABLE = {"0.weight": "0", "5.weight": "5"}


def training(images: Images, saver: Any = None, seed: int = 3, **changes: Any) -> Training:
    recipe = Recipe(**({"epochs": 2, "batch": 48, "learning_rate": 0.05} | changes))
    generator = torch.Generator().manual_seed(seed)
    return Training(net(), PRUNABLE, images, recipe, generator, saver=saver)


class Halving(Sparsifier):
    """Removes the first half of each layer before step 5, and watches from then on."""

    seen = 0

    def before_step(self, training: Training) -> None:
        if training.step == 5:
            training.set_masks({n: half(w) for n, w in training.parameters.items()})
            training.pruning_ended()
        if training.step > 5:
            self.check(training)

    def check(self, training: Training) -> None:
        for parameter in training.parameters.values():
            gone = ~half(parameter)
            assert not parameter[gone].any()
            assert parameter[~gone].all()
            state = training.optimizer.state[parameter]
            buffers = [value for value in state.values() if value.shape == parameter.shape]
            assert buffers
            assert not any(buffer[gone].any() for buffer in buffers)
            self.seen += 1


def half(weight: Tensor) -> Tensor:
    mask = torch.ones(weight.numel(), dtype=torch.bool)
    mask[: weight.numel() // 2] = False
    return mask.view(weight.shape)


@pytest.mark.parametrize("recipe", RECIPES)
def test_removed_weights_are_exactly_zero_at_every_step(images, recipe) -> None:
    halving = Halving()
    run = training(images, **RECIPES[recipe])
    run.run(halving)
    assert halving.seen == 2 * (run.steps - 5) == 2 * 23


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("step", [3, 14, 20])
def test_an_interrupted_training_gives_the_same_bits(images, recipe, step) -> None:
    whole = training(images, **RECIPES[recipe])
    whole.run(Halving())
    disk = Disk(step)
    with pytest.raises(Kill):
        training(images, disk, **RECIPES[recipe]).run(Halving())
    disk.restart()
    torch.manual_seed(999)
    resumed = training(images, disk, seed=77, **RECIPES[recipe])
    resumed.run(Halving())
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
    assert whole.losses == resumed.losses


def test_training_neither_needs_nor_moves_the_global_random_state(images) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = training(images)
    one.run()
    torch.manual_seed(2)
    two = training(images)
    two.run()
    assert torch.equal(one.model[5].weight, two.model[5].weight)
    torch.manual_seed(0)
    net()
    after_net = torch.get_rng_state()
    training(images).run()
    assert torch.equal(torch.get_rng_state(), after_net)
    assert not torch.equal(before, after_net)


class Rates(Sparsifier):
    """Notes the learning rate and the weight decay of every step."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.decays: list[float] = []

    def before_step(self, training: Training) -> None:
        if training.step == 7:
            training.pruning_ended()
        self.rates.append(training.optimizer.param_groups[0]["lr"])
        self.decays.append(training.optimizer.param_groups[0]["weight_decay"])


@pytest.mark.parametrize(
    ("recipe", "rate"),
    [
        ("constant", lambda t: 0.05),
        ("step", lambda t: 0.05 * (0.1 if t >= 14 else 1)),
        ("exponential", lambda t: 0.05 * 0.1 ** (t / 14)),
        ("cosine", lambda t: 0.05 * (1 + torch.cos(torch.tensor(torch.pi * t / 28)).item()) / 2),
    ],
)
def test_learning_rates_by_formula(images, recipe, rate) -> None:
    rates = Rates()
    fields = {"milestones": [1]} if recipe == "step" else {}
    training(images, schedule=recipe, **fields).run(rates)
    assert rates.rates[:28] == pytest.approx([rate(t) for t in range(28)], abs=1e-7)


def test_weight_decay_stops_with_pruning_where_the_recipe_says_so(images) -> None:
    for goes_on, after in ((True, 0.01), (False, 0.0)):
        rates = Rates()
        training(images, weight_decay=0.01, decay_after_pruning=goes_on).run(rates)
        assert rates.decays[6] == 0.01
        assert rates.decays[8] == after


def test_frozen_batchnorm_keeps_its_statistics(images) -> None:
    for policy, kept in (("frozen", True), ("train", False)):
        run = training(images, batchnorm=policy)
        run.run()
        assert torch.equal(run.model[1].running_mean, torch.zeros(4)) is kept
        assert not run.model.training
