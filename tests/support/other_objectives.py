"""A regression pair and a language pair on tensors made in memory."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import datasets
from bench.jobs.recipe import Recipe
from bench.pairs.pair import Pair

COUNTS = {"train": 60, "validation": 30, "test": 50}
TOKENS, LENGTH = 6, 5


@dataclass(frozen=True)
class Given:
    """Inputs and targets as they are."""

    inputs: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


class Tensors:
    """One split of them, as the protocol `Inputs` wants it."""

    layout = torch.contiguous_format

    def __init__(self, split: Given, device: torch.device) -> None:
        self.inputs, self.labels = split.inputs.to(device), split.labels.to(device)

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, positions: Tensor, augmentation: Any = None, generator: Any = None):
        assert augmentation is None
        return self.inputs[positions], self.labels[positions]

    def typed(self, dtype: torch.dtype) -> "Tensors":
        changed = copy.copy(self)
        if self.inputs.is_floating_point():
            changed.inputs = self.inputs.to(dtype)
        return changed


@dataclass(frozen=True)
class TensorPair(Pair):
    """A pair on tensors."""

    def inputs(self, split: Any, device: torch.device) -> Any:
        return Tensors(split, device)


class Text(nn.Module):
    """A token's successor, by an embedding and two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(TOKENS, 8)
        self.a, self.b = nn.Linear(8, 16), nn.Linear(16, TOKENS)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.b(torch.relu(self.a(self.embed(tokens))))


class Curve(nn.Module):
    """Two numbers of six, by linear layers with BatchNorm between them."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm, self.b = nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Linear(16, 2)

    def forward(self, rows: Tensor) -> Tensor:
        return self.b(torch.relu(self.norm(self.a(rows))))


def _texts(count: int) -> Given:
    """Each token is followed by the next one, and one time in ten by any."""
    generator = torch.Generator().manual_seed(count)
    text = torch.randint(TOKENS, (count, LENGTH + 1), generator=generator)
    for place in range(LENGTH):
        noisy = torch.rand(count, generator=generator) < 0.1
        following = (text[:, place] + 1) % TOKENS
        text[:, place + 1] = torch.where(noisy, text[:, place + 1], following)
    return Given(text[:, :-1].clone(), text[:, 1:].clone())


def _rows(count: int) -> Given:
    """Two smooth functions of six numbers, with noise."""
    generator = torch.Generator().manual_seed(count)
    rows = torch.randn(count, 6, generator=generator)
    smooth = torch.stack([rows[:, 0] * 2 - rows[:, 1], rows[:, 2].relu() + rows[:, 3]], dim=1)
    return Given(rows, smooth + 0.1 * torch.randn(count, 2, generator=generator))


DATA = {
    name: datasets.Dataset(name, classes, *map(make, COUNTS.values()), digest=digit * 64)
    for name, classes, make, digit in (("texts", TOKENS, _texts, "1"), ("rows", 0, _rows, "2"))
}
RECIPE = Recipe(epochs=30, batch=10, learning_rate=0.05)
PAIRS = {
    name: TensorPair(name, model, data, None, r"[ab]\.weight", RECIPE, objective=kind)
    for name, model, data, kind in (
        ("text-made", Text, "texts", "language-model"),
        ("curve-made", Curve, "rows", "regression"),
    )
}
