"""ExactOBS against greedy least squares by brute force, and its limits."""

import pytest
import torch
from support.tiny import tiny_conv, tiny_mlp, tiny_problem

from bench.jobs.budget import Budget
from bench.problem.problem import Target
from bench.problem.weights import flatten
from methods import build
from methods.combinatorial import elimination as module
from methods.combinatorial.elimination import elimination

SAMPLES, DAMPING = 30, 1e-2


def dense_hessians(problem):
    """(2/n) Σ x xᵀ of each layer's inputs [in, in], with the relative damping."""
    hessians = {}
    for chunk in problem.inputs(SAMPLES):
        for name, columns in chunk.items():
            X = columns.transpose(1, 2).flatten(0, 1)
            hessians[name] = hessians.get(name, 0) + 2 * X.T @ X / SAMPLES
    for H in hessians.values():
        H.diagonal().add_(DAMPING * H.diagonal().mean())
    return hessians


def refit(w, H, gone):
    """The least ½ δHδᵀ with the weights `gone` at zero: its value, and w + δ."""
    rest = [q for q in range(len(w)) if q not in gone]
    move = -w.clone()
    if gone:
        move[rest] = torch.linalg.solve(H[rest][:, rest], H[rest][:, gone] @ w[gone])
    else:
        move[:] = 0
    return move @ H @ move / 2, w + move


def greedy(w, H, start=()):
    """Weights in the order in which each next one, refitted exactly, adds least; and what it adds.

    No inverse is downdated: every candidate is refitted from the dense weights.
    """
    gone, losses = list(start), [0.0] * len(start)
    base = refit(w, H, gone)[0]
    while len(gone) < len(w):
        rises = {
            q: float(refit(w, H, [*gone, q])[0] - base) for q in range(len(w)) if q not in gone
        }
        best = min(rises, key=rises.get)
        gone.append(best)
        losses.append(rises[best])
        base = base + rises[best]
    return gone, losses


@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])
@pytest.mark.parametrize("block", [1, 5, 32])
def test_each_removal_is_the_cheapest_refit(monkeypatch, net, block) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    monkeypatch.setattr(module, "WORKING_SET", 3000)
    problem = tiny_problem(net())
    for name, H in dense_hessians(problem).items():
        weight = problem.weights[name].flatten(1)
        trace = elimination(weight, torch.linalg.inv(H), None)
        for row, (w, order, losses) in enumerate(
            zip(weight, trace.order, trace.losses, strict=True)
        ):
            expected, rises = greedy(w, H)
            assert order.tolist() == expected, (name, row)
            torch.testing.assert_close(losses.tolist(), rises, rtol=1e-7, atol=1e-10)


def test_what_is_gone_goes_first_and_costs_nothing() -> None:
    problem = tiny_problem(tiny_mlp())
    name, H = next(iter(dense_hessians(problem).items()))
    weight = problem.weights[name].clone()
    gone = torch.zeros_like(weight, dtype=torch.bool)
    gone[:, [1, 4]] = True
    gone[2, 0] = True
    weight[gone] = 0
    trace = elimination(weight, torch.linalg.inv(H), gone)
    for row, w in enumerate(weight):
        start = gone[row].nonzero().squeeze(1).tolist()
        expected, rises = greedy(w, H, start)
        assert trace.order[row].tolist() == expected
        torch.testing.assert_close(trace.losses[row].tolist(), rises, rtol=1e-7, atol=1e-10)


def by_heap(problem, counts):
    """Units give their next weight, cheapest offer first, until each group has lost its count."""
    traces, lost = {}, {}
    for name, H in dense_hessians(problem).items():
        for unit, w in enumerate(problem.weights[name].flatten(1)):
            traces[name, unit] = greedy(w, H)
            lost[name, unit] = 0
    for names, count in counts:
        for _ in range(count):
            offers = {
                key: traces[key][1][lost[key]]
                for key in lost
                if key[0] in names and lost[key] < len(traces[key][0])
            }
            lost[min(offers, key=offers.get)] += 1
    found = {name: weight.flatten(1).clone() for name, weight in problem.weights.items()}
    for (name, unit), number in lost.items():
        H, gone = dense_hessians(problem)[name], traces[name, unit][0][:number]
        found[name][unit] = refit(found[name][unit], H, gone)[1]
        found[name][unit, gone] = 0
    return torch.cat([weight.flatten() for weight in found.values()])


@pytest.mark.parametrize("net", [tiny_mlp, tiny_conv])
@pytest.mark.parametrize("allocation", ["global", "layerwise"])
@pytest.mark.parametrize("sparsity", [0.5, 0.9])
def test_pruned_weights_are_the_heap_s_choice_refitted(net, allocation, sparsity) -> None:
    problem = tiny_problem(net(), sparsity=sparsity, allocation=allocation)
    found = build("obc", {"samples": SAMPLES}).prune(problem)
    if allocation == "global":
        counts = [(list(found), int((flatten(found) == 0).sum()))]
    else:
        counts = [([name], int((weight == 0).sum())) for name, weight in found.items()]
    torch.testing.assert_close(flatten(found), by_heap(problem, counts), rtol=1e-7, atol=1e-10)


def test_one_by_one_beats_all_at_once_on_the_layer_s_error() -> None:
    """With the same Hessian and the exact joint update on both sides, only the choice differs."""
    problem = tiny_problem(tiny_conv(), sparsity=0.7, allocation="layerwise")
    hessians = dense_hessians(problem)
    errors = {}
    for name in ("obc", "l-obs"):
        fields = {"update": "joint", "damping": 1e-9} if name == "l-obs" else {}
        found = build(name, {"samples": SAMPLES} | fields).prune(problem)
        moves = {n: (found[n] - weight).flatten(1) for n, weight in problem.weights.items()}
        errors[name] = sum(float(((m @ hessians[n]) * m).sum()) for n, m in moves.items())
    assert errors["obc"] < errors["l-obs"]


def test_a_support_is_kept() -> None:
    problem = tiny_problem(tiny_mlp(), sparsity=0.6)
    masks = {name: weight > -0.1 for name, weight in problem.weights.items()}
    pruned = {name: weight * masks[name] for name, weight in problem.weights.items()}
    found = build("obc", {"samples": SAMPLES}).prune(problem.at(pruned, masks))
    assert not (flatten(found)[~flatten(masks)] != 0).any()
    assert int((flatten(found) == 0).sum()) == round(0.6 * 62)


def test_no_backward_pass_and_no_label() -> None:
    allowed = Budget(calibration_examples=20)
    method = build("obc", {"samples": 20})
    one, other = (tiny_problem(tiny_conv(), budget=allowed) for _ in range(2))
    other._calibration._examples.labels = 2 - other._calibration._examples.labels
    assert torch.equal(flatten(method.prune(one)), flatten(method.prune(other)))
    assert one._meter.spent == allowed


def test_a_global_ranking_is_said_to_be_a_variation() -> None:
    method = build("obc", {})
    assert "is a variation of OBC" in method.remarks(Target(0.5, "global"))[0]
    assert method.remarks(Target(0.5, "layerwise")) == []
