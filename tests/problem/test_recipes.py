"""AdamW's fields, warm-up, a lowest learning rate, decay of matrices and clipping, as in torch."""

import math

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor, nn

from bench.common.errors import MethodError
from bench.jobs.recipe import LATER, Recipe
from bench.problem.training.loop import Sparsifier, Training
from datasets import Split
from datasets.inputs.images import Images

CPU = torch.device("cpu")
FIELDS = {
    "epochs": 3, "batch": 8, "optimizer": "adamw", "learning_rate": 0.02,
    "minimum_learning_rate": 0.002, "warmup_steps": 4, "beta1": 0.8, "beta2": 0.95,
    "weight_decay": 0.3, "decay": "matrices", "clip_norm": 0.8,
}  # fmt: skip
STEPS = 3 * 5


def net() -> nn.Sequential:
    """With matrices, biases and the scales of a normalisation."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5), nn.Tanh(), nn.Linear(5, 3))


def data() -> Split:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(40, 6, generator=generator)
    return Split(inputs, (3 * inputs[:, 0]).round().long() % 3)


class Watching(Sparsifier):
    """Notes learning rates and the norms of gradients as they come from the loss."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.norms: list[float] = []

    def before_step(self, training: Training) -> None:
        self.rates.append(training.optimizer.param_groups[0]["lr"])

    def on_gradients(self, training: Training) -> None:
        gradients = [p.grad for p in training.model.parameters()]
        self.norms.append(math.sqrt(sum(float(g.square().sum()) for g in gradients)))


def trained(**changes) -> tuple[nn.Module, Watching]:
    model, watching = net(), Watching()
    recipe = Recipe(**FIELDS | changes)
    generator = torch.Generator().manual_seed(3)
    Training(model, {}, Images(data(), None, CPU), recipe, generator).run(watching)
    return model, watching


def by_hand(clip: float, decayed) -> list[Tensor]:
    """AdamW (Loshchilov & Hutter 2019) in double precision, step by step."""
    model, split = net().double(), data()
    parameters = list(model.parameters())
    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]
    generator = torch.Generator().manual_seed(3)
    order = [torch.randperm(40, generator=generator).split(8) for _ in range(3)]
    for step, positions in enumerate(batch for epoch in order for batch in epoch):
        if step < 4:
            rate = 0.02 * (step + 1) / 5
        else:
            share = (1 + math.cos(math.pi * (step - 4) / (STEPS - 4))) / 2
            rate = 0.002 + share * (0.02 - 0.002)
        loss = F.cross_entropy(model(split.images[positions].double()), split.labels[positions])
        gradients = torch.autograd.grad(loss, parameters)
        norm = math.sqrt(sum(float(g.square().sum()) for g in gradients))
        gradients = [g * min(1.0, clip / norm) for g in gradients]
        for p, g, (first, second) in zip(parameters, gradients, moments, strict=True):
            first.mul_(0.8).add_(0.2 * g)
            second.mul_(0.95).add_(0.05 * g * g)
            with torch.no_grad():
                if decayed(p):
                    p.mul_(1 - rate * 0.3)
                mean, square = first / (1 - 0.8 ** (step + 1)), second / (1 - 0.95 ** (step + 1))
                p.sub_(rate * mean / (square.sqrt() + 1e-8))
    return [p.detach().float() for p in parameters]


@pytest.mark.parametrize(
    ("changes", "clip", "decayed"),
    [
        ({}, 0.8, lambda p: p.dim() == 2),
        ({"decay": "all"}, 0.8, lambda p: True),
        ({"clip_norm": None}, math.inf, lambda p: p.dim() == 2),
    ],
)
def test_a_training_is_that_of_the_formulas(changes, clip, decayed) -> None:
    model, watching = trained(**changes)
    for found, expected in zip(model.parameters(), by_hand(clip, decayed), strict=True):
        torch.testing.assert_close(found.detach(), expected, rtol=1e-4, atol=1e-5)
    assert min(watching.norms) < 0.8 < max(watching.norms)


def test_every_field_makes_a_difference() -> None:
    base = list(trained()[0].parameters())
    without = {
        **{"minimum_learning_rate": 0.0, "warmup_steps": 0, "beta1": 0.9, "beta2": 0.999},
        **{"decay": "all", "clip_norm": None},
    }
    assert set(without) == set(LATER)
    for name, value in without.items():
        other = trained(**{name: value})[0].parameters()
        assert any(not torch.equal(a, b) for a, b in zip(base, other, strict=True)), name


@pytest.mark.parametrize(
    ("schedule", "fields", "rate"),
    [
        ("constant", {}, lambda t: 1.0),
        ("step", {"milestones": [1, 2]}, lambda t: 0.1 ** ((t >= 5) + (t >= 10))),
        ("exponential", {"gamma": 0.5}, lambda t: 0.5 ** ((t - 4) / 5)),
        ("cosine", {}, lambda t: (1 + math.cos(math.pi * (t - 4) / 11)) / 2),
    ],
)
def test_a_warm_up_comes_before_every_schedule(schedule, fields, rate) -> None:
    _, watching = trained(schedule=schedule, minimum_learning_rate=0.0, **fields)
    rising = [0.02 * (t + 1) / 5 for t in range(4)]
    assert watching.rates[:15] == pytest.approx(rising + [0.02 * rate(t) for t in range(4, 15)])


def test_a_lowest_learning_rate_without_a_warm_up() -> None:
    _, watching = trained(warmup_steps=0)
    expected = [0.002 + 0.018 * (1 + math.cos(math.pi * t / STEPS)) / 2 for t in range(STEPS)]
    assert watching.rates[:STEPS] == pytest.approx(expected)


def test_sgd_decays_matrices_alone_and_clips_too() -> None:
    fields = {"optimizer": "sgd", "momentum": 0.0, "nesterov": False, "epochs": 1, "batch": 40}
    only = {**fields, "warmup_steps": 0, "minimum_learning_rate": 0.0, "schedule": "constant"}
    recipe = Recipe(**{n: v for n, v in FIELDS.items() if not n.startswith("beta")} | only)
    model, start = net(), net()
    Training(model, {}, Images(data(), None, CPU), recipe, torch.Generator()).run()
    loss = F.cross_entropy(start(data().images), data().labels)
    gradients = torch.autograd.grad(loss, list(start.parameters()))
    norm = math.sqrt(sum(float(g.square().sum()) for g in gradients))
    for p, before, g in zip(model.parameters(), start.parameters(), gradients, strict=True):
        decay = 0.3 * before.detach() if p.dim() == 2 else 0.0
        expected = before.detach() - 0.02 * (g * min(1.0, 0.8 / norm) + decay)
        torch.testing.assert_close(p.detach(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"optimizer": "sgd"}, "beta1 and beta2 go with optimizer = 'adamw'"),
        ({"weight_decay": 0.0}, "decay = 'matrices' needs a weight_decay above 0"),
        ({"schedule": "onecycle", "minimum_learning_rate": 0.0}, "has a warm-up of its own"),
        ({"schedule": "constant"}, "minimum_learning_rate goes with schedule = 'cosine'"),
        ({"minimum_learning_rate": 0.03}, "must be at most the learning_rate 0.02, not 0.03"),
        ({"clip_norm": 0.0}, "greater than 0"),
        ({"beta2": 1.0}, "less than 1"),
        ({"warmup_steps": -1}, "greater than or equal to 0"),
        ({"decay": "weights"}, "'all' or 'matrices'"),
    ],
)
def test_what_does_not_go_together_is_refused(changes, sentence) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Recipe(**FIELDS | changes)


def test_a_warm_up_as_long_as_the_training_is_refused() -> None:
    with pytest.raises(MethodError, match="a warm-up of 15 steps leaves none of the 15 steps"):
        trained(warmup_steps=15)
    trained(warmup_steps=14)


def test_a_recipe_is_written_as_before_where_it_asks_for_nothing_new() -> None:
    plain = Recipe(epochs=5, learning_rate=0.05, milestones=[2], schedule="step")
    assert not set(plain.model_dump()) & set(LATER)
    assert not set(LATER) & set(plain.model_dump(mode="json"))
    new = Recipe(**FIELDS)
    assert set(LATER) < set(new.model_dump())
    for recipe in (plain, new):
        assert Recipe.model_validate(recipe.model_dump()) == recipe
        assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
