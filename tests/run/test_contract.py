"""What the harness checks of a method, on a network of a few weights."""

import copy
import random

import numpy as np
import pytest
import torch
from support.tiny import tiny_conv, tiny_mlp

from bench.common.errors import MethodError
from bench.problem.problem import Target
from bench.run.contract import check_weights, untouched

DENSE = {"a": torch.arange(1.0, 7.0).view(2, 3), "b": torch.arange(1.0, 5.0)}


def pruned(a: int, b: int) -> dict[str, torch.Tensor]:
    """So many zeros at the start of each layer."""
    found = {name: weight.clone() for name, weight in DENSE.items()}
    found["a"].view(-1)[:a] = 0
    found["b"][:b] = 0
    return found


@pytest.mark.parametrize(
    ("allocation", "sparsity", "zeros"),
    [
        ("global", 0.5, (5, 0)),
        ("global", 0.5, (1, 4)),
        ("global", 0.0, (0, 0)),
        ("layerwise", 0.5, (3, 2)),
        # Densities ∝ 5/6 and 4/4: of the 5 weights kept, 5 · 5/9 and 5 · 4/9 are left.
        ("erk", 0.5, (3, 2)),
    ],
)
def test_right_counts_pass_as_they_are(allocation, sparsity, zeros) -> None:
    found = pruned(*zeros)
    assert check_weights(found, DENSE, Target(sparsity, allocation)) is found


@pytest.mark.parametrize(
    ("allocation", "zeros", "sentence"),
    [
        ("global", (4, 0), "too few zeros: 4 in all layers, sparsity 0.5 asks for exactly 5"),
        ("global", (3, 3), "too many zeros: 6 in all layers, sparsity 0.5 asks for exactly 5"),
        ("layerwise", (4, 1), "too many zeros: 4 in a, sparsity 0.5 asks for exactly 3"),
        ("layerwise", (3, 1), "too few zeros: 1 in b, sparsity 0.5 asks for exactly 2"),
    ],
)
def test_wrong_counts_are_said(allocation, zeros, sentence) -> None:
    with pytest.raises(MethodError, match=sentence):
        check_weights(pruned(*zeros), DENSE, Target(0.5, allocation))


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (None, "returned NoneType, expected a dict of weights by layer"),
        ({"a": DENSE["a"]}, r"returned layers \['a'\], differing in b"),
        (DENSE | {"c": DENSE["a"]}, r"returned layers \['a', 'b', 'c'\], differing in c"),
        (DENSE | {"b": 3}, "returned int for layer b, expected a tensor"),
        (DENSE | {"a": DENSE["a"].T}, r"shape \(3, 2\) for layer a, expected \(2, 3\)"),
        (DENSE | {"a": DENSE["a"].half()}, "dtype torch.float16 for layer a, expected torch.fl"),
        (DENSE | {"b": DENSE["b"].to("meta")}, "device meta for layer b, expected cpu"),
        (DENSE | {"b": DENSE["b"].log().log()}, "NaN or infinite weights in layer b"),
        (DENSE | {"a": DENSE["a"] / 0}, "NaN or infinite weights in layer a"),
    ],
)
def test_what_is_no_set_of_weights_is_said(found, sentence) -> None:
    with pytest.raises(MethodError, match=sentence):
        check_weights(found, DENSE, Target(0.0, "global"))


def test_weights_that_are_gone_stay_gone() -> None:
    target = Target(0.5, "global")
    inside = {"a": torch.ones(2, 3, dtype=torch.bool), "b": torch.tensor([True] * 3 + [False])}
    with pytest.raises(MethodError, match="revived weights of layer b that were gone already"):
        check_weights(pruned(5, 0), DENSE, target, inside)
    found = pruned(4, 0)
    found["b"][3] = 0
    assert check_weights(found, DENSE, target, inside) is found


def numpys() -> None:
    np.random.random()


@pytest.mark.parametrize("draw", [lambda: torch.rand(1), random.random, numpys])
def test_global_randomness_is_seen_and_put_back(draw) -> None:
    model = tiny_mlp().eval()
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()
    said = pytest.raises(MethodError, match="global random state: draw from problem.generator")
    with said, untouched(model, copy.deepcopy(model)):
        draw()
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert all(np.array_equal(a, b) for a, b in zip(np.random.get_state(), states[2], strict=True))
    with pytest.raises(ZeroDivisionError), untouched(model, copy.deepcopy(model)):
        draw()
        raise ZeroDivisionError
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]


def test_a_model_that_is_left_alone_passes() -> None:
    model = tiny_conv().eval()
    with untouched(model, copy.deepcopy(model)):
        handle = model[0].register_forward_hook(lambda *_: None)
        model(torch.zeros(1, 2, 6, 6))
        handle.remove()


def moves_a_statistic(model) -> None:
    model[1].running_mean += 1


def moves_a_bias(model) -> None:
    with torch.no_grad():
        model[3].bias[0] = 7


def loses_a_parameter(model) -> None:
    del model[3].bias
    model[3].bias = None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (moves_a_statistic, "changed the dense model: 1.running_mean is not what it was"),
        (moves_a_bias, "changed the dense model: 3.bias is not what it was"),
        (loses_a_parameter, "changed the dense model: 3.bias is not what it was"),
        (lambda m: m.train(), "left the dense model in training mode"),
        (lambda m: m[0].register_forward_hook(print), "left hooks behind in module 0"),
        (lambda m: m[0].register_forward_pre_hook(print), "left hooks behind in module 0"),
        (lambda m: m[4].register_full_backward_hook(print), "left hooks behind in module 4"),
        (lambda m: m.register_forward_hook(print), "left hooks behind in module at the top"),
    ],
)
def test_what_a_method_leaves_behind_is_said(change, sentence) -> None:
    model = tiny_conv().eval()
    with pytest.raises(MethodError, match=sentence), untouched(model, copy.deepcopy(model)):
        change(model)
