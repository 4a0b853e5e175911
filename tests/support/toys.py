"""Pairs of small networks that nobody designed the suite for, on a dataset made in memory."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import datasets
from bench.jobs.budget import Budget
from bench.jobs.job import Job
from bench.jobs.recipe import Recipe
from bench.jobs.schedule import Gradual
from bench.pairs.pair import Pair
from datasets.inputs.images import Normalisation
from methods import build, configuration

CPU = torch.device("cpu")
EXAMPLES = {"train": 96, "validation": 20, "test": 40}
CHANNELS, SIDE, CLASSES = 3, 8, 4


def dataset() -> datasets.Dataset:
    """Four classes of noisy images, one quarter of which is bright."""
    return datasets.Dataset("toys", CLASSES, *map(split, EXAMPLES.values()), digest="0" * 64)


def split(count: int, channels: int = CHANNELS) -> datasets.Split:
    generator = torch.Generator().manual_seed(count)
    images = torch.randint(128, (count, channels, SIDE, SIDE), generator=generator)
    labels = torch.arange(count) % CLASSES
    half = SIDE // 2
    for image, label in zip(images, labels.tolist(), strict=True):
        down, right = half * (label // 2), half * (label % 2)
        image[:, down : down + half, right : right + half] += 100
    return datasets.Split(images.to(torch.uint8), labels)


def pair(model: Callable[[], nn.Module], prunable: str = r"(first|last)\.weight", **recipe) -> Pair:
    """The model with a recipe whose every epoch is one step of plain gradient descent."""
    fields = {"epochs": 4, "batch": 1000, "learning_rate": 0.3, "momentum": 0.0}
    fields |= {"schedule": "constant"} | recipe
    half = Normalisation((0.5,) * CHANNELS, (0.5,) * CHANNELS)
    return Pair("toy", model, "toys", half, prunable, Recipe(**fields))


def job(method: str, protocol: str = "one-shot", **changes) -> Job:
    few = {"samples": 20} if method == "woodfisher" else {}
    few |= {"interval": 2} if method in ("str", "rigl", "set") else {}
    recipe = Recipe(epochs=3, batch=32, learning_rate=0.05, weight_decay=0.01)
    fields = {
        "pair": "toy",
        "method": method,
        "hyperparameters": configuration(build(method, few)),
        "allocation": "global",
        "sparsity": 0.5,
        "seed": 0,
        "protocol": protocol,
        "training": None if protocol == "one-shot" else recipe,
        "schedule": Gradual(end=2.0, frequency=0.5) if protocol == "gradual" else None,
        "budget": Budget(
            calibration_examples=96, backward_passes=500, recomputations=10, training_steps=20
        ),
    }
    return Job(**(fields | changes))


def descended(model: nn.Module, train: datasets.Split, *still: str) -> nn.Module:
    """The training of `pair` the obvious way: all images at once, no layout, no masks."""
    inputs, rate = (train.images.float() / 255 - 0.5) / 0.5, 0.3
    for _ in range(4):
        model.train().zero_grad()
        for name in still:
            model.get_submodule(name).eval()
        F.cross_entropy(model(inputs).float(), train.labels).backward()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.sub_(rate * parameter.grad)
    return model.eval()


class Net(nn.Module):
    """A layer `first`, a ReLU and a layer `last` on what `view` makes a row of."""

    def __init__(self, first: nn.Module, wide: int) -> None:
        super().__init__()
        self.first, self.last = first, nn.Linear(wide, CLASSES)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = F.relu(self.first(inputs))
        return self.last(hidden.view(len(hidden), -1))


class Viewing(Net):
    """Two-dimensional convolution, BatchNorm, and `view`."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(CHANNELS, 4, 3, stride=2), 36)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = F.relu(self.norm(self.first(inputs)))
        return self.last(hidden.view(len(hidden), -1))


class Flattening(Viewing):
    """The same with `flatten`, which takes any layout."""

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(F.relu(self.norm(self.first(inputs))).flatten(1))


class Deep(Net):
    """A three-dimensional convolution over the channels as depth."""

    def __init__(self) -> None:
        super().__init__(nn.Conv3d(1, 3, 3, stride=(1, 2, 2)), 27)

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs.unsqueeze(1))


class Long(Net):
    """A one-dimensional convolution over the pixels in a row."""

    def __init__(self) -> None:
        super().__init__(nn.Conv1d(CHANNELS, 4, 5, stride=4), 60)

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs.view(len(inputs), CHANNELS, -1))


class Tied(nn.Module):
    """One weight in two convolutions, and one in two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(CHANNELS, 4, 3, stride=2)
        self.first = nn.Conv2d(4, 4, 3, padding=1)
        self.again = nn.Conv2d(4, 4, 3, padding=1)
        self.middle, self.twice = nn.Linear(36, 36), nn.Linear(36, 36)
        self.last = nn.Linear(36, CLASSES)
        self.again.weight = self.first.weight
        self.twice.weight = self.middle.weight

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = F.relu(self.again(F.relu(self.first(F.relu(self.stem(inputs))))))
        return self.last(F.relu(self.twice(F.relu(self.middle(hidden.flatten(1))))))


class Buffered(Flattening):
    """Buffers as models have them: expanded, of no dimension, a view, shared, transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(0.1).expand(CHANNELS, 1, 1))
        self.register_buffer("scale", torch.tensor(1.25))
        table = torch.rand(6, 4)
        self.register_buffer("part", table[1:3])
        self.register_buffer("table", table)
        self.register_buffer("same", table)
        self.register_buffer("turned", table.T)
        self.register_buffer("places", torch.arange(3))

    def forward(self, inputs: Tensor) -> Tensor:
        shifted = self.scale * (inputs - self.mean) + self.turned.mean() - self.part.mean()
        return super().forward(shifted)


class Half(Flattening):
    """Weights in half precision, and inputs turned into it."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.to(dtype)

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs.to(self.first.weight.dtype))


class LastChannels(Flattening):
    """Weights that the builder itself laid out with channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.to(memory_format=torch.channels_last)


class Particular(Flattening):
    """Refuses whatever isn't in row-major order."""

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.first(inputs)
        assert inputs.is_contiguous()
        assert hidden.is_contiguous()
        return self.last(F.relu(self.norm(hidden)).flatten(1))


class Grey(Viewing):
    """One input channel, made of three."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, stride=2)

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs.mean(1, keepdim=True))


class Stemmed(nn.Module):
    """A frozen stem of a convolution and BatchNorm, a frozen number, and layers that train."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(CHANNELS, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.stem.requires_grad_(False)
        self.first = nn.Conv2d(4, 6, 3, stride=2)
        self.norm = nn.BatchNorm2d(6)
        self.last = nn.Linear(24, CLASSES)
        self.last.bias.requires_grad_(False)
        self.steps = nn.Parameter(torch.arange(3), requires_grad=False)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = F.relu(self.norm(self.first(self.stem(inputs))))
        return self.last(hidden.view(len(hidden), -1))


NETS = {
    "view": Viewing,
    "flatten": Flattening,
    "conv3d": Deep,
    "conv1d": Long,
    "tied": Tied,
    "buffers": Buffered,
    "bfloat16": lambda: Half(torch.bfloat16),
    "float16": lambda: Half(torch.float16),
    "channels last": LastChannels,
    "particular": Particular,
    "grey": Grey,
    "frozen": Stemmed,
}
