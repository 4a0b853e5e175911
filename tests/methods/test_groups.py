"""Methods with statistics of layers, on groups, sequences and padding, against dense algebra.

The oracles take a layer's inputs from the definition of the layer, one position and one group after
another, and its gradients from plain backward passes.
"""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from support.oracles import joint_obs, sum_of_single_moves
from support.tiny import PLENTY, TinyExamples, slow_gradients
from torch import Tensor, nn

from bench.jobs.budget import Meter
from bench.problem.calibration import Calibration
from bench.problem.problem import Problem, Target
from bench.problem.weights import flatten, unflatten
from methods import build
from methods.combinatorial import elimination as module

SAMPLES, DAMPING = 12, 1e-2


def depthwise() -> nn.Sequential:
    """Depthwise with a stride, a pointwise convolution in groups, and a linear layer."""
    return nn.Sequential(
        nn.Conv2d(4, 4, 2, stride=2, padding=1, groups=4, bias=False),
        nn.Tanh(),
        nn.Conv2d(4, 6, 1, groups=2),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(54, 3),
    )


def dilated() -> nn.Sequential:
    """Two groups of one-dimensional dilated convolution with circular padding."""
    layer = nn.Conv1d(4, 6, 2, padding=1, dilation=2, groups=2, padding_mode="circular")
    return nn.Sequential(layer, nn.Tanh(), nn.Flatten(), nn.Linear(30, 3))


class Sequences(nn.Module):
    """Linear layers on a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.c = nn.Linear(4, 3, bias=False), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.tanh(self.a(x)).mean(1))


class Twice(nn.Module):
    """One convolution in two groups, used twice, and its weight once more in another."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv1d(4, 4, 3, padding="same", groups=2)
        self.b = nn.Conv1d(4, 4, 3, stride=2, groups=2)
        self.b.weight = self.a.weight
        self.c = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.tanh(self.b(torch.tanh(self.a(torch.tanh(self.a(x)))))).flatten(1))


def at_few_positions(count: int) -> nn.Sequential:
    """Groups of eight inputs and four outputs: a gradient's columns are less than the gradient."""
    layer = nn.Conv1d(8, 8, 2, groups=2, bias=False)
    return nn.Sequential(layer, nn.Tanh(), nn.Flatten(), nn.Linear(8 * count, 3))


NETS = {
    "depthwise": (depthwise, (4, 4, 4)),
    "dilated": (dilated, (4, 5)),
    "at one position": (lambda: at_few_positions(1), (8, 2)),
    "at two positions": (lambda: at_few_positions(2), (8, 3)),
    "sequence": (Sequences, (5, 4)),
    "twice": (Twice, (4, 6)),
}


def problem_of(name: str, allocation: str = "global", sparsity: float = 0.5) -> Problem:
    torch.manual_seed(0)
    make, shape = NETS[name]
    net = make().double().eval().requires_grad_(False)
    draw = torch.Generator().manual_seed(1)
    inputs = torch.randn(20, *shape, generator=draw, dtype=torch.float64)
    calibration = Calibration(
        TinyExamples(inputs, torch.randint(3, (20,), generator=draw)), 0, Meter(PLENTY)
    )
    parameters = {n: n.rpartition(".")[0] for n, p in net.named_parameters() if p.dim() > 1}
    return Problem(net, parameters, calibration, Target(sparsity, allocation))


def windows(layer: nn.Module, given: Tensor) -> Iterator[Tensor]:
    """What one group of the layer multiplies at one position, [n, in]: group after group."""
    if isinstance(layer, nn.Linear):
        yield from (given.unsqueeze(1) if given.dim() == 2 else given).unbind(1)
        return
    sides = layer._reversed_padding_repeated_twice
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = F.pad(given, sides, mode=mode)
    options = [layer.kernel_size, layer.dilation, (0, 0), layer.stride]
    if padded.dim() == 3:  # as an image of height one, for torch's own unfold
        padded, options = padded.unsqueeze(2), [(1, *option)[:2] for option in options]
        options[2] = (0, 0)
    for part in padded.chunk(layer.groups, dim=1):
        yield from F.unfold(part, *options).unbind(2)


def rows_by_block(problem: Problem) -> dict[str, list[tuple[int, Tensor]]]:
    """For each group of each weight its number of uses T and what it multiplied, [n T, in]."""
    model, (inputs, _) = problem.model, problem.examples(SAMPLES)
    seen: dict[str, list[list[Tensor]]] = {name: [] for name in problem.weights}

    def note(layer: nn.Module, given: tuple[Tensor], _output: Tensor) -> None:
        name = next(n for n in seen if model.get_parameter(n) is layer.weight)
        found, groups = list(windows(layer, given[0])), getattr(layer, "groups", 1)
        size = len(found) // groups
        parts = [found[size * group : size * (group + 1)] for group in range(groups)]
        if not seen[name]:
            seen[name] = [[] for _ in parts]
        for own, part in zip(seen[name], parts, strict=True):
            own.extend(part)

    layers = [layer for layer in model.modules() if hasattr(layer, "weight")]
    handles = [layer.register_forward_hook(note) for layer in layers]
    model(inputs)
    for handle in handles:
        handle.remove()
    return {name: [(len(own), torch.cat(own)) for own in parts] for name, parts in seen.items()}


def deltas_by_block(problem: Problem) -> dict[str, list[Tensor]]:
    """For each group of each weight the gradients of its outputs, [n T, out].

    Each example is run alone, with a zero added to every layer's output, whose gradient is δ.
    """
    model, (inputs, labels) = problem.model, problem.examples(SAMPLES)
    names = {id(model.get_parameter(name)): name for name in problem.weights}
    found: dict[str, list[Tensor]] = {name: [] for name in problem.weights}
    for one, label in zip(inputs, labels, strict=True):
        added: list[tuple[str, nn.Module, Tensor]] = []

        def add(layer: nn.Module, _given: tuple[Tensor], output: Tensor, added=added) -> Tensor:
            zero = torch.zeros_like(output).requires_grad_()
            added.append((names[id(layer.weight)], layer, zero))
            return output + zero

        layers = [layer for layer in model.modules() if hasattr(layer, "weight")]
        handles = [layer.register_forward_hook(add) for layer in layers]
        loss = F.cross_entropy(model(one[None]), label[None])
        for handle in handles:
            handle.remove()
        gradients = torch.autograd.grad(loss, [zero for _, _, zero in added])
        for (name, layer, _), delta in zip(added, gradients, strict=True):
            if isinstance(layer, nn.Linear):
                found[name].append(delta.reshape(-1, delta.shape[-1]))
            else:
                found[name].append(delta[0].flatten(1).T)
    groups = {name: len(parts) for name, parts in rows_by_block(problem).items()}
    return {
        name: list(torch.cat(parts).chunk(groups[name], dim=1)) for name, parts in found.items()
    }


def kfac_blocks(problem: Problem) -> list[tuple[Tensor, Tensor]]:
    """S and A of each group by their definitions, in the order of the weights."""
    blocks, deltas = [], deltas_by_block(problem)
    for name, parts in rows_by_block(problem).items():
        for (uses, rows), delta in zip(parts, deltas[name], strict=True):
            blocks.append((delta.T @ delta / SAMPLES / uses, rows.T @ rows / SAMPLES))
    return blocks


def dense_kfac(problem: Problem, pi: bool) -> Tensor:
    found = []
    for S, A in kfac_blocks(problem):
        ratio = ((A.trace() / len(A)) / (S.trace() / len(S))) ** 0.5 if pi else 1.0
        root = DAMPING**0.5
        damped = (
            S + root / ratio * torch.eye(len(S)).double(),
            A + root * ratio * torch.eye(len(A)).double(),
        )
        found.append(torch.kron(*damped))
    return torch.block_diag(*found)


def dense_ekfac(problem: Problem) -> Tensor:
    blocks = kfac_blocks(problem)
    rows = slow_gradients(problem, SAMPLES).split([len(S) * len(A) for S, A in blocks], dim=1)
    found = []
    for (S, A), part in zip(blocks, rows, strict=True):
        U = torch.kron(torch.linalg.eigh(S)[1], torch.linalg.eigh(A)[1])
        found.append(U @ torch.diag((part @ U).square().mean(0) + DAMPING) @ U.T)
    return torch.block_diag(*found)


def dense_layer_errors(problem: Problem, scale: float, relative: bool) -> Tensor:
    """The damped H of every output unit [d, d]; `relative` to the mean of the layer's diagonal."""
    blocks = []
    for name, parts in rows_by_block(problem).items():
        hessians = [scale * rows.T @ rows / SAMPLES for _, rows in parts]
        mean = torch.cat([H.diagonal() for H in hessians]).mean() if relative else 1.0
        units = len(problem.weights[name]) // len(parts)
        for H in hessians:
            blocks += [H + DAMPING * mean * torch.eye(len(H)).double()] * units
    return torch.block_diag(*blocks)


def check(problem: Problem, method, H: Tensor, move=sum_of_single_moves) -> None:
    """The method's scores and weights are those of the dense matrix H [d, d]."""
    weights, inverse = flatten(problem.weights), torch.linalg.inv(H)
    scores = weights**2 / (2 * inverse.diagonal())
    torch.testing.assert_close(flatten(method.scores(problem)), scores, rtol=1e-8, atol=0)
    keep = flatten(problem.select(unflatten(scores, like=problem.weights)))
    expected = (weights + move(weights, inverse, keep)) * keep
    found = flatten(method.prune(problem))
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9)
    assert torch.equal(found != 0, keep)


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("pi", [False, True])
def test_kfac_has_a_block_for_each_group(net, pi) -> None:
    problem = problem_of(net)
    method = build("kfac", {"samples": SAMPLES, "damping": DAMPING, "pi": pi})
    check(problem, method, dense_kfac(problem, pi))


@pytest.mark.parametrize("net", NETS)
def test_kfac_in_the_style_of_obd(net) -> None:
    problem = problem_of(net)
    method = build("kfac", {"samples": SAMPLES, "damping": DAMPING, "style": "obd"})
    expected = flatten(problem.weights) ** 2 * dense_kfac(problem, False).diagonal() / 2
    torch.testing.assert_close(flatten(method.scores(problem)), expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("net", NETS)
def test_ekfac_has_a_block_for_each_group(net) -> None:
    problem = problem_of(net)
    check(
        problem,
        build("ekfac", {"samples": SAMPLES, "damping": DAMPING}),
        dense_ekfac(problem),
    )


def test_the_traces_of_ekfac_s_blocks_are_those_of_the_exact_fisher() -> None:
    problem = problem_of("depthwise")
    exact = slow_gradients(problem, SAMPLES).square().mean(0)
    found = build("ekfac", {"samples": SAMPLES, "damping": DAMPING}).inverse(problem)
    traces = [float((part.eigenvalues - DAMPING).sum()) for part in found.parts]
    expected = [float(part.sum()) for part in exact.split([16, 12, 162])]
    assert traces == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("allocation", ["global", "layerwise"])
@pytest.mark.parametrize(("update", "move"), [("sum", sum_of_single_moves), ("joint", joint_obs)])
def test_l_obs_is_least_squares_by_group(net, allocation, update, move) -> None:
    problem = problem_of(net, allocation)
    method = build("l-obs", {"samples": SAMPLES, "damping": DAMPING, "update": update})
    check(problem, method, dense_layer_errors(problem, 1.0, relative=False), move)


@pytest.mark.parametrize("net", NETS)
def test_obc_is_greedy_least_squares_by_group(monkeypatch, net) -> None:
    """Each unit loses, again and again, the weight that is cheapest with the rest refitted."""
    monkeypatch.setattr(module, "WORKING_SET", 3000)  # rows in several parts, across groups
    problem = problem_of(net, "layerwise", 0.6)
    H, start = dense_layer_errors(problem, 2.0, relative=True), 0
    found = build("obc", {"samples": SAMPLES, "damping": DAMPING}).prune(problem)
    for name, weight in problem.weights.items():
        for w, own in zip(weight.flatten(1), found[name].flatten(1), strict=True):
            block = H[start : start + len(w), start : start + len(w)]
            start += len(w)
            gone: list[int] = []
            for _ in range(int((own == 0).sum())):
                left = [q for q in range(len(w)) if q not in gone]
                gone.append(min(left, key=lambda q: refit(w, block, [*gone, q])[0]))
            torch.testing.assert_close(own, refit(w, block, gone)[1], rtol=1e-7, atol=1e-10)
            assert (own == 0).nonzero().flatten().tolist() == sorted(gone)
    assert start == len(H)


def refit(w: Tensor, H: Tensor, gone: list[int]) -> tuple[float, Tensor]:
    """The least ½ δHδᵀ with the weights `gone` at zero, and w + δ."""
    rest = [q for q in range(len(w)) if q not in gone]
    move = -w.clone()
    move[rest] = 0
    if gone and rest:
        move[rest] = torch.linalg.solve(H[rest][:, rest], H[rest][:, gone] @ w[gone])
    moved = w + move
    moved[gone] = 0
    return float(move @ H @ move / 2), moved


@pytest.mark.parametrize("name", ["kfac", "ekfac", "l-obs", "obc"])
def test_a_group_without_input_is_no_failure(name) -> None:
    """As a dead channel before a depthwise convolution; other groups are as without it."""
    problem = problem_of("depthwise")
    problem._calibration._examples.inputs[:, 1] = 0
    found = build(name, {"samples": SAMPLES, "damping": DAMPING}).prune(problem)
    assert all(weight.isfinite().all() for weight in found.values())
    assert int((flatten(found) == 0).sum()) == round(0.5 * flatten(found).numel())


@pytest.mark.parametrize("name", ["kfac", "ekfac", "l-obs", "obc"])
def test_groups_in_single_precision_are_those_of_double(name) -> None:
    """Over many positions, where columns are multiplied in single; one channel is far smaller."""
    scores = []
    for dtype in (torch.float32, torch.float64):
        problem = problem_of("depthwise")
        inputs = problem._calibration._examples.inputs
        wide = inputs.repeat(1, 1, 6, 6) * torch.tensor([1.0, 1e-25, 1.0, 1.0]).view(1, 4, 1, 1)
        problem._calibration._examples.inputs = wide.float().to(dtype)
        net = problem.model
        net[4], net[5] = nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Flatten()), net[5]
        net.float().to(dtype)
        method = build(name, {"samples": SAMPLES, "damping": DAMPING})
        scores.append(method.scores(problem))
    for layer, found in scores[0].items():
        torch.testing.assert_close(found.double(), scores[1][layer], rtol=1e-3, atol=0)
