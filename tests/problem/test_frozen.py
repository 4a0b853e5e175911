"""Parameters that a model's builder froze keep their bits through every training."""

import dataclasses

import pytest
import torch
from support.interrupted import Disk, Kill
from support.toys import CHANNELS, CLASSES, Stemmed, descended, job, pair
from torch import nn

from bench.common.errors import UserError
from bench.executors.ray.transfer import PackedDense
from bench.jobs.recipe import Recipe
from bench.pairs import PAIRS
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.prepare import prepare
from bench.problem.training.frozen import frozen_norms, frozen_parameters, frozen_state
from bench.problem.training.loop import Training
from bench.run import tested
from bench.run.one_job import run_job
from datasets.inputs.images import Images, Normalisation

CPU = torch.device("cpu")
RECIPES = {
    "sgd": Recipe(epochs=3, batch=32, learning_rate=0.05, weight_decay=0.01),
    "adamw": Recipe(epochs=3, batch=32, learning_rate=0.01, weight_decay=0.1, optimizer="adamw"),
    "plain": Recipe(epochs=3, batch=32, learning_rate=0.05, momentum=0.0, weight_decay=0.1),
}
WAYS = [
    ("magnitude", "fine-tune", "sgd"),
    ("magnitude", "fine-tune", "adamw"),
    ("magnitude", "gradual", "plain"),
    ("str", "sparse-training", "sgd"),
    ("gmp", "sparse-training", "sgd"),
    ("rigl", "sparse-training", "adamw"),
    ("set", "sparse-training", "sgd"),
    ("scratch", "sparse-training", "sgd"),
]


class Tokens(nn.Module):
    """A frozen embedding with padding of the pixels' brightness, and a frozen BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(9, 3, padding_idx=0)
        self.table.weight.requires_grad_(False)
        self.first = nn.Linear(3 * CHANNELS * 64, 8)
        self.norm = nn.BatchNorm1d(8).requires_grad_(False)
        self.last = nn.Linear(8, CLASSES)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        tokens = ((inputs + 1) * 4).long().clamp(0, 8)
        return self.last(self.norm(self.first(self.table(tokens).flatten(1))).relu())


class Shared(nn.Module):
    """A frozen weight under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(CHANNELS * 64, CHANNELS * 64, bias=False)
        self.two = nn.Linear(CHANNELS * 64, CHANNELS * 64, bias=False)
        self.two.weight = self.one.weight
        self.one.weight.requires_grad_(False)
        self.first, self.last = nn.Linear(CHANNELS * 64, 8), nn.Linear(8, CLASSES)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        hidden = self.two(self.one(inputs.flatten(1)).relu()).relu()
        return self.last(self.first(hidden).relu())


FROZEN = {
    Stemmed: {"stem.0.weight", "stem.0.bias", "stem.1.weight", "stem.1.bias", "last.bias", "steps"}
    | {"stem.1.running_mean", "stem.1.running_var", "stem.1.num_batches_tracked"},
    Tokens: {"table.weight", "norm.weight", "norm.bias"}
    | {"norm.running_mean", "norm.running_var", "norm.num_batches_tracked"},
    Shared: {"one.weight", "two.weight"},
}


@pytest.fixture(params=FROZEN, ids=lambda net: net.__name__)
def net(request) -> type[nn.Module]:
    return request.param


@pytest.fixture
def states(monkeypatch) -> list[dict[str, torch.Tensor]]:
    """The state of each model that a job evaluated."""
    found = []
    evaluate = tested.evaluate

    def noting(model, images, objective):
        found.append({name: value.clone() for name, value in model.state_dict().items()})
        return evaluate(model, images, objective)

    monkeypatch.setattr(tested, "evaluate", noting)
    return found


def moved(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, value in one.items() if not torch.equal(value, other[name])}


def test_what_is_frozen_is_read_off_the_model(net) -> None:
    model = net()
    names = frozen_parameters(model)
    assert frozen_state(model, names) == FROZEN[net]
    assert not frozen_state(nn.Linear(2, 2), ())


def test_a_part_is_frozen_as_a_whole_or_not_at_all() -> None:
    whole = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, affine=False))
    whole[0].requires_grad_(False)
    part = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    part[0].requires_grad_(False)
    bias = nn.BatchNorm2d(4)
    bias.bias.requires_grad_(False)
    bare = nn.BatchNorm2d(4, affine=False)
    model = nn.Sequential(whole, part, bias, bare)
    assert set(frozen_norms(model, frozen_parameters(model))) == {whole[1]}


@pytest.mark.parametrize(("method", "protocol", "recipe"), WAYS)
def test_frozen_parts_stay_bit_equal(toys, states, net, method, protocol, recipe) -> None:
    dense = prepare(pair(net), CPU)
    assert dense.frozen == frozen_parameters(net())
    found = run_job(job(method, protocol, seed=1, training=RECIPES[recipe]), dense, "study", method)
    assert found.status == "ok", found.reason
    before = dense.model.state_dict()
    assert moved(before, states[-1]) == before.keys() - FROZEN[net]


@pytest.mark.parametrize("changes", [{}, {"weight_decay": 0.1}, {"momentum": 0.9}])
def test_dense_training_leaves_them_as_they_were_built(toys, net, changes) -> None:
    asked = pair(net, **changes)
    dense = prepare(asked, CPU)
    built = asked.build()
    trained = dense.model.state_dict()
    assert moved(built.state_dict(), trained) == trained.keys() - FROZEN[net]
    if not changes:
        still = {Stemmed: ["stem.1"], Tokens: ["norm"], Shared: []}[net]
        expected = descended(built, toys.train, *still).state_dict()
        for name, value in trained.items():
            torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-4, msg=name)


def test_all_frozen_is_one_sentence(toys) -> None:
    asked = pair(lambda: Stemmed().requires_grad_(False))
    with pytest.raises(UserError, match=r"can't prune first\.weight: the model freezes it"):
        prepare(asked, CPU)


@pytest.mark.usefixtures("registries")
def test_frozen_names_travel_to_a_cluster(toys, net) -> None:
    PAIRS["toy"] = pair(net)
    dense = prepare(PAIRS["toy"], CPU)
    there = PackedDense.of(dense).unpack(CPU)
    assert there.frozen == dense.frozen != frozenset()
    assert there.train.layout == dense.train.layout


def test_an_interrupted_training_keeps_them_too(toys, net) -> None:
    half = Normalisation((0.5,) * CHANNELS, (0.5,) * CHANNELS)
    images = Images(toys.train, half, CPU)

    def training(saver=None) -> Training:
        model = pair(net).build()
        frozen = frozen_parameters(model)
        generator = torch.Generator().manual_seed(1)
        return Training(model, {}, images, RECIPES["sgd"], generator, saver=saver, frozen=frozen)

    whole = training()
    whole.run()
    disk = Disk(4)
    with pytest.raises(Kill):
        training(disk).run()
    disk.restart()
    resumed = training(disk)
    resumed.run()
    assert not moved(whole.model.state_dict(), resumed.model.state_dict())
    assert moved(pair(net).build().state_dict(), resumed.model.state_dict()).isdisjoint(FROZEN[net])


def test_frozen_layers_cost_no_gradient_in_the_count_of_flops(toys) -> None:
    dense = prepare(pair(Shared), CPU)
    found = run_job(job("magnitude", "fine-tune"), dense, "study", "magnitude")
    free = dataclasses.replace(dense, frozen=frozenset())
    other = run_job(job("magnitude", "fine-tune"), free, "study", "magnitude")
    # Less: two gradients of a 192×192 weight, and the one of the hidden activation between them and
    # that between them and `first`; 3 epochs of 96 examples.
    assert other.train_flops - found.train_flops == 288 * 2 * (3 * 192 * 192 + 192 * 8)


def test_the_dense_model_of_a_job_has_no_gradients(toys, net) -> None:
    dense: Dense = prepare(pair(net), CPU)
    assert not any(parameter.requires_grad for parameter in dense.model.parameters())
