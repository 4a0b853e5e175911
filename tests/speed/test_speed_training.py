"""The training loop's overhead: the time of our loop over that of a bare one, in one run."""

import copy
import time

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import datasets
from bench.common.layout import laid_out
from bench.jobs.recipe import Recipe
from bench.pairs.mlpnet import MLPNet
from bench.pairs.pair import HALF, MNIST
from bench.pairs.resnet_cifar import ResNet20
from bench.problem.training.loop import Sparsifier, Training
from datasets.inputs.images import Images, shift

pytestmark = pytest.mark.speed
CPU = torch.device("cpu")
RECIPE = Recipe(epochs=1, batch=64, learning_rate=0.01, weight_decay=1e-4, augmentation="shift")
ROUNDS = 5
EPOCHS = {"mlpnet": 5, "resnet20": 1}
"""As many as take long beside what a training begins with: a copy, seeds, modes."""


class HalfZero(Sparsifier):
    """Keeps every other weight of each layer, as fine-tuning does."""

    def before_step(self, training: Training) -> None:
        if training.step == 0:
            training.set_masks({n: every_other(w) for n, w in training.parameters.items()})


def every_other(weight: torch.Tensor) -> torch.Tensor:
    return (torch.arange(weight.numel()) % 2 == 0).view(weight.shape)


def bare(model: nn.Module, images: Images, epochs: int) -> None:
    """What anyone would write with torch alone: no masks, no meter, no checks."""
    generator = torch.Generator().manual_seed(0)
    model.train().requires_grad_(True)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4
    )
    steps = epochs * -(-len(images) // RECIPE.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(epochs):
        for positions in torch.randperm(len(images), generator=generator).split(RECIPE.batch):
            inputs, labels = images.batch(positions, shift, generator)
            loss = F.cross_entropy(model(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def ours(model: nn.Module, images: Images, epochs: int) -> None:
    prunable = {
        f"{name}.weight": name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    }
    generator = torch.Generator().manual_seed(0)
    recipe = RECIPE.model_copy(update={"epochs": epochs})
    Training(model, prunable, images, recipe, generator).run(HalfZero())


@pytest.mark.parametrize("pair", ["mlpnet", "resnet20"])
def test_the_overhead_of_the_loop(benchmark, pair) -> None:
    """Alternating rounds, the fastest of each: under 10 % on a machine that does nothing else."""
    if pair == "mlpnet":
        net, images = MLPNet(), Images(datasets.load("mnist5k").train, MNIST, CPU)
    else:
        split = datasets.load("cifar10").train
        few = datasets.Split(split.images[:1280], split.labels[:1280])
        net = ResNet20()
        images = laid_out(Images(few, HALF, CPU), torch.channels_last)
    seconds: dict[str, list[float]] = {"bare": [], "ours": []}

    def alternate() -> None:
        for name, loop in (("bare", bare), ("ours", ours)):
            model = copy.deepcopy(net)
            if name == "bare":  # as anyone would who knows about layouts
                model.to(memory_format=torch.channels_last)
            start = time.perf_counter()
            loop(model, images, EPOCHS[pair])
            seconds[name].append(time.perf_counter() - start)

    alternate()
    benchmark.pedantic(alternate, rounds=ROUNDS)
    ratio = min(seconds["ours"]) / min(seconds["bare"])
    benchmark.extra_info["ratio"] = ratio
    print(f"\n{pair}: the loop takes {ratio:.3f} times a bare one")
    assert ratio < 1.1
