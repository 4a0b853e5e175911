"""Pairs of layers of every kind: prepared and pruned, skipped with a reason, or refused by name."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from support.own_pairs import job_of, own, ready
from torch import Tensor, nn

from bench.common.errors import UserError
from bench.run.one_job import run_job

__all__ = ["own"]


class Mixed(nn.Module):
    """Reflected borders, groups, one and three dimensions, and a linear layer on a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(1, 4, 5, 4, padding=2, padding_mode="reflect")
        self.b = nn.Conv2d(4, 4, 3, padding="same", groups=4)
        self.c = nn.Conv3d(1, 2, (2, 3, 3), stride=2)
        self.d = nn.Conv1d(4, 6, 3, padding=1, padding_mode="circular", groups=2)
        self.e, self.f = nn.Linear(6, 5), nn.Linear(5, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.b(F.relu(self.a(x))))  # [n, 4, 7, 7]
        x = F.relu(self.c(x.unsqueeze(1))).flatten(1, 2)  # [n, 4, 3, 3]
        x = F.relu(self.d(x.flatten(2))).mT  # [n, 9, 6]
        return self.f(torch.tanh(self.e(x)).mean(1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_all_methods_that_look_at_layers_prune_layers_of_every_kind(dtype, own) -> None:
    dense = ready(own(lambda: Mixed().to(dtype)))
    assert {p.dtype for p in dense.model.parameters()} == {dtype}
    assert dense.single == (dtype is torch.bfloat16)
    for method in ("kfac", "ekfac", "l-obs", "obc", "woodfisher"):
        job = job_of(method, fields={"samples": 20, "damping": 1e-2})
        record = run_job(job, dense, "study", method)
        assert record.status == "ok", record.reason
        size = sum(p.numel() for p in dense.model.parameters() if p.dim() > 1)
        assert record.nonzero == size - round(0.5 * size)


class Transposed(nn.Module):
    """A transposed convolution between a convolution and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 2, 4, 4), nn.ConvTranspose2d(2, 1, 2)
        self.c = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(F.relu(self.b(F.relu(self.a(x)))).flatten(1))


class Embedded(nn.Module):
    """An embedding of grey levels."""

    def __init__(self) -> None:
        super().__init__()
        self.b, self.c = nn.Embedding(4, 3), nn.Linear(147, 10)

    def forward(self, x: Tensor) -> Tensor:
        levels = F.avg_pool2d(x.float(), 4).flatten(1).clamp(0, 3).long()
        return self.c(self.b(levels).flatten(1).to(self.c.weight.dtype))


class Normed(nn.Module):
    """A normalisation whose scale has two dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.b, self.c = nn.LayerNorm([7, 7]), nn.Linear(49, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.b(F.avg_pool2d(x, 4).squeeze(1)).flatten(1))


class Attending(nn.Module):
    """Attention over the rows of an image: all its projections are outside of a layer's call."""

    def __init__(self) -> None:
        super().__init__()
        self.b, self.c = nn.MultiheadAttention(28, 2, batch_first=True), nn.Linear(28, 10)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.squeeze(1)
        return self.c(self.b(rows, rows, rows, need_weights=False)[0].mean(1))


UNSUPPORTED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "ConvTranspose2d": (Transposed, r".*\.weight"),
    "Embedding": (Embedded, r".*\.weight"),
    "LayerNorm": (Normed, r".*\.weight"),
    "MultiheadAttention": (Attending, r"c\.weight|b\.in_proj_weight"),
}


@pytest.mark.parametrize("kind", UNSUPPORTED)
def test_other_layers_are_pruned_by_methods_that_need_no_gradients_of_them(kind, own) -> None:
    build, rule = UNSUPPORTED[kind]
    dense = ready(own(build, prunable=rule))
    for method in ("magnitude", "random"):
        record = run_job(job_of(method), dense, "study", method)
        assert record.status == "ok", record.reason
    for method in ("woodfisher", "obd", "kfac", "l-obs", "obc"):
        record = run_job(job_of(method, fields={"samples": 5}), dense, "study", method)
        assert record.status == "skipped"
        assert f"per-example gradients of {kind}" in record.reason


def test_a_weight_that_attention_uses_outside_of_its_layer_is_refused(own) -> None:
    with pytest.raises(UserError, match=r"layer b\.out_proj is never called"):
        ready(own(Attending, prunable=r"c\.weight|b\.out_proj\.weight"))
    ready(own(Attending, prunable=r"c\.weight"))


class Shifted(nn.Conv1d):
    """Pads as "same" does, but with the odd one at the beginning."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv1d(F.pad(x, (2, 1)), self.weight, self.bias)


class Rolled(nn.Conv2d):
    """Says that it reflects, and pads by zeros."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, padding=1)


class WithFirst(nn.Module):
    def __init__(self, first: nn.Module, wide: int, form: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.a, self.c, self.form = first, nn.Linear(wide, 10), form

    def forward(self, x: Tensor) -> Tensor:
        return self.c(F.relu(self.a(self.form(x))).flatten(1))


WRONG = {
    "one dimension": lambda: WithFirst(
        Shifted(28, 2, 4, padding="same"), 56, lambda x: x.squeeze(1)
    ),
    "a mode": lambda: WithFirst(
        Rolled(1, 2, 3, padding=1, padding_mode="replicate"), 2 * 784, lambda x: x
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_padding_that_isn_t_as_the_layer_says_is_refused(name, own) -> None:
    with pytest.raises(UserError, match=r"the layer a .*off autograd"):
        ready(own(WRONG[name]))
