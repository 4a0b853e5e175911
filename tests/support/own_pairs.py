"""Pairs of a user's own on small real images: any network with any weights, and its problem."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from bench.jobs.budget import Budget
from bench.jobs.job import Job
from bench.pairs.checkpoint import SuppliedWeights
from bench.pairs.pair import MNIST, Pair
from bench.pairs.preparing.dense import Dense
from bench.pairs.preparing.prepare import prepare
from support.tiny import PLENTY

CPU = torch.device("cpu")
Make = Callable[..., Pair]


class Net(nn.Module):
    """784-40-40-10, in the plainest words."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(784, 40), nn.Linear(40, 40), nn.Linear(40, 10)

    def forward(self, x: Tensor) -> Any:
        return self.c(F.relu(self.b(F.relu(self.a(x.flatten(1))))))


class ConvNet(nn.Module):
    """Two convolutions and a linear layer; `conv` makes the second convolution."""

    def __init__(self, conv: Callable[..., nn.Module] = nn.Conv2d, padding: int = 1) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 4, 3, stride=2), conv(4, 6, 3, padding=padding)
        self.c = nn.Linear(6 * 4, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.b(F.relu(self.a(x))))
        return self.c(F.adaptive_avg_pool2d(x, 2).flatten(1))


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a pair of a function that builds a network; its weights lie in a mirror."""
    folder = tmp_path / "mirror" / "checkpoints"
    folder.mkdir(parents=True)
    mirrors = [str(folder.parent), *filter(None, [os.environ.get("BENCH_MIRROR")])]
    monkeypatch.setenv("BENCH_MIRROR", os.pathsep.join(mirrors))

    def make(build: Callable[[], nn.Module], prunable: str = r".*\.weight", **more: Any) -> Pair:
        torch.manual_seed(0)
        state = more.pop("state", None) or build().state_dict()
        file = f"own-{len(list(folder.iterdir()))}.safetensors"
        save_file({name: t.clone().contiguous() for name, t in state.items()}, folder / file)
        settings: dict[str, Any] = {
            "name": "own",
            "model": build,
            "dataset": "mnist5k",
            "normalisation": MNIST,
            "prunable": prunable,
            "dense": SuppliedWeights(file, "a test"),
        }
        return Pair(**settings | more)

    return make


def ready(pair: Pair) -> Dense:
    """The pair prepared on the CPU."""
    return prepare(pair, CPU)


def job_of(method: str, sparsity: float = 0.5, **more: Any) -> Job:
    """A one-shot job of the method on the pair `own`, with as much budget as it likes."""
    from methods import build, configuration

    fields = more.pop("fields", {})
    settings: dict[str, Any] = {
        "pair": "own",
        "method": method,
        "hyperparameters": configuration(build(method, fields)),
        "allocation": "global",
        "sparsity": sparsity,
        "seed": 0,
        "protocol": "one-shot",
        "budget": Budget(**PLENTY.model_dump() | {"tuning_trials": 0}),
    }
    return Job(**settings | more)
