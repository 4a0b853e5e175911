"""The training loop: deterministic, honest about divergence, good enough on real images."""

import pytest
import torch

import datasets
from bench.jobs.recipe import Recipe
from bench.pairs import PAIRS
from bench.pairs.evaluate import evaluate
from bench.pairs.flops import forward_flops
from bench.pairs.mlpnet import MLPNet
from bench.pairs.pair import MNIST
from bench.pairs.preparing.prepare import prepare
from bench.problem.training.loop import Diverged, Training
from datasets.inputs.images import Images, Normalisation, shift

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def images() -> Images:
    return Images(datasets.load("mnist5k").train, MNIST, CPU)


def trained(images: Images, seed: int = 0, **changes) -> MLPNet:
    torch.manual_seed(0)
    model = MLPNet()
    recipe = Recipe(**{"epochs": 1, "learning_rate": 0.05} | changes)
    Training(model, {}, images, recipe, torch.Generator().manual_seed(seed)).run()
    return model


@pytest.mark.parametrize("changes", [{}, {"optimizer": "adamw", "schedule": "onecycle"}])
def test_a_seed_decides_every_bit(images, changes) -> None:
    changes |= {"augmentation": "shift", "label_smoothing": 0.1}
    one, same = trained(images, **changes), trained(images, **changes)
    other = trained(images, **changes, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.fc1.weight, other.fc1.weight)


def test_divergence_is_an_error(images) -> None:
    with pytest.raises(Diverged, match="training loss was"):
        trained(images, learning_rate=1e9)


def test_the_dense_model_of_mnist5k_is_a_good_one() -> None:
    ready = prepare(PAIRS["mlpnet-mnist5k"], CPU)
    assert ready.evaluation.accuracy > 92
    assert ready.evaluation.examples == 1000
    assert ready.parameters == 32360
    again = prepare(PAIRS["mlpnet-mnist5k"], CPU)
    assert again.checkpoint_sha256 == ready.checkpoint_sha256
    assert again.evaluation == ready.evaluation


def test_evaluation_counts_by_hand() -> None:
    split = datasets.Split(
        images=torch.arange(12, dtype=torch.uint8).view(12, 1, 1, 1),
        labels=torch.tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0]),
    )

    class Lookup(torch.nn.Module):
        """Ranks class 0 first, then 1, 2, ..."""

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return torch.arange(10, 0, -1.0).log().expand(len(inputs), 10)

    result = evaluate(Lookup(), Images(split, Normalisation((0.0,), (1.0,)), CPU))
    assert result.accuracy == pytest.approx(100 * 3 / 12)
    assert result.top5 == pytest.approx(100 * 7 / 12)
    probabilities = torch.arange(10, 0, -1.0).double() / 55
    assert result.loss == pytest.approx(float(-probabilities[split.labels].log().mean()))


def test_flops_count_nonzero_weights_only() -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.Flatten())
    with torch.no_grad():
        net[0].weight.fill_(1)
        net[0].weight[0] = 0
    assert forward_flops(net, torch.zeros(1, 1, 5, 4)).total == 2 * 9 * 20


def test_shift_moves_whole_images() -> None:
    images = torch.zeros(200, 1, 9, 9, dtype=torch.uint8)
    images[:, :, 4, 4] = 255
    moved = shift(images, torch.Generator().manual_seed(0), most=2)
    places = moved.view(200, 81).float().argmax(1)
    rows, columns = places // 9, places % 9
    assert (moved.view(200, -1) == 255).sum(1).tolist() == [1] * 200
    assert set(rows.tolist()) == set(columns.tolist()) == {2, 3, 4, 5, 6}
