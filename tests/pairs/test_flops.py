"""FLOPs are those of every product that is made, whatever makes it, and of nonzero weights only."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.pairs.flops import forward_flops

ROOT = Path(__file__).parents[2]


class Functional(nn.Module):
    """A linear layer without a layer, and a product of a matrix and a vector."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(5, 4))
        self.vector = nn.Parameter(torch.ones(5))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight) @ self.vector


class Recurrent(nn.Module):
    """The output of an LSTM or GRU."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0]


class SelfAttention(nn.Module):
    """One attention layer on its own input."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x, x, x, need_weights=False)[0]


CASES = {
    # 2 × multiplications of a weight with an input, at each position
    "linear": (nn.Linear(4, 3), (1, 4), 2 * 12),
    "linear on a sequence": (nn.Linear(4, 3), (1, 7, 4), 2 * 12 * 7),
    "functional": (Functional(), (1, 4), 2 * 20 + 2 * 5),
    "Conv1d, same padding": (nn.Conv1d(3, 4, 3, padding="same"), (1, 3, 8), 2 * 36 * 8),
    "Conv2d in groups": (nn.Conv2d(4, 6, 3, groups=2), (1, 4, 5, 5), 2 * 6 * 2 * 9 * 9),
    "Conv1d in groups, circular": (
        nn.Conv1d(4, 6, 3, padding=1, groups=2, padding_mode="circular"),
        (1, 4, 8),
        2 * 6 * 2 * 3 * 8,
    ),
    "Conv3d, depthwise": (nn.Conv3d(3, 3, 2, groups=3), (1, 3, 3, 3, 3), 2 * 3 * 8 * 8),
    "Conv3d": (nn.Conv3d(2, 3, 2), (1, 2, 3, 3, 3), 2 * 3 * 2 * 8 * 8),
    "LSTM": (Recurrent(nn.LSTM(4, 5, batch_first=True)), (1, 6, 4), 2 * 6 * 20 * (4 + 5)),
    "GRU": (Recurrent(nn.GRU(4, 5, batch_first=True)), (1, 6, 4), 2 * 6 * 15 * (4 + 5)),
    # Four projections of 8 × 8 at five positions, and two products of 5 × 5 × 4 in two heads each.
    "attention": (SelfAttention(), (1, 5, 8), 2 * 5 * 4 * 64 + 2 * 2 * 2 * 25 * 4),
}


@pytest.mark.parametrize("name", CASES)
def test_every_product_counts(name) -> None:
    model, shape, expected = CASES[name]
    flops = forward_flops(model.eval().requires_grad_(False), torch.randn(shape))
    assert (flops.total, list(flops.uncounted)) == (expected, [])


@pytest.mark.parametrize("name", ["linear", "functional", "Conv1d, same padding", "LSTM"])
def test_zero_weights_don_t_count(name) -> None:
    model, shape, expected = CASES[name]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0).view(-1)[::2] = 0
    left = sum(int(p.count_nonzero()) for p in model.parameters() if p.dim() > 1)
    size = sum(p.numel() for p in model.parameters() if p.dim() > 1)
    assert left == size / 2
    found = forward_flops(model.requires_grad_(False), torch.randn(shape)).total
    vector = 2 * 3 if name == "functional" else 0  # of its five, one more than half are zero
    products = expected - 2 * 5 if name == "functional" else expected
    assert found == products / 2 + (2 * 2 if vector else 0)


def test_a_weight_that_is_computed_counts_by_what_is_multiplied() -> None:
    class Masked(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            mask = torch.tensor([[1.0], [0.0], [0.0]])
            return F.linear(x, self.weight * mask, self.bias)

    assert forward_flops(Masked(4, 3).requires_grad_(False), torch.randn(1, 4)).total == 2 * 4


def test_what_has_no_formula_is_named() -> None:
    class Trilinear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Bilinear(3, 3, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x, x)

    flops = forward_flops(Trilinear().requires_grad_(False), torch.randn(1, 3))
    assert flops.total == 0
    assert list(flops.uncounted) == ["_trilinear"]


def test_a_product_by_broadcasting_is_named() -> None:
    class Broadcast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(5, 4))

        def forward(self, x: Tensor) -> Tensor:
            return (x.unsqueeze(1) * self.weight).sum(2)

    flops = forward_flops(Broadcast().requires_grad_(False), torch.randn(1, 4))
    assert list(flops.uncounted) == ["mul"]


def test_a_network_that_casts_its_input_is_counted() -> None:
    """Casts and sums with a factor are operations whose settings go by name."""

    class Casting(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            weight = torch.sub(self.weight, torch.ones(3, 4).double(), alpha=2)
            return F.linear(x.to(torch.float64), weight)

    layer = Casting(4, 3).double().requires_grad_(False)
    layer.weight.copy_(torch.tensor([[2.0], [1.0], [1.0]]).expand(3, 4))
    assert forward_flops(layer, torch.randn(1, 4)).total == 2 * 8


def test_the_compiler_is_not_loaded_to_count() -> None:
    """PyTorch loads its compiler, which takes a second, before a mode that it may have to skip."""
    script = (
        "import sys, torch; from torch import nn; from bench.pairs.flops import forward_flops\n"
        "assert forward_flops(nn.Linear(4, 3), torch.ones(1, 4)).total == 24\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
