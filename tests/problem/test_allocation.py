"""Selection removes exactly what was asked for, with ties broken by index."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.common.errors import MethodError
from bench.problem.allocation import pruned_counts, pruned_total, select


def test_ties_go_to_the_lower_index() -> None:
    scores = {"a": torch.tensor([[1.0, 0.0], [0.0, 0.0]]), "b": torch.tensor([0.0, 2.0])}
    masks = select(scores, "global", 0.5)
    assert masks["a"].tolist() == [[True, False], [False, False]]
    assert masks["b"].tolist() == [True, True]


def test_layerwise_takes_its_share_of_each_layer() -> None:
    scores = {"a": torch.tensor([4.0, 3.0, 2.0, 1.0]), "b": torch.tensor([0.4, 0.3, 0.2, 0.1])}
    masks = select(scores, "layerwise", 0.5)
    assert masks["a"].tolist() == masks["b"].tolist() == [True, True, False, False]


def test_layerwise_counts_are_whole_and_sum_exactly() -> None:
    shapes = {name: torch.Size([n]) for name, n in {"a": 3, "b": 3, "c": 4}.items()}
    # Shares are 1.5, 1.5 and 2: the total is 5, and the larger fraction that comes first wins.
    assert pruned_counts("layerwise", shapes, 0.5) == {"a": 2, "b": 1, "c": 2}


def test_layerwise_takes_the_same_share_of_layers_of_any_shape() -> None:
    shapes = {
        "square": torch.Size([20, 20]),
        "flat": torch.Size([2, 200]),
        "small": torch.Size([5]),
    }
    assert pruned_counts("layerwise", shapes, 0.8) == {"square": 320, "flat": 320, "small": 4}


def test_what_is_left_over_goes_to_the_largest_fractions() -> None:
    shapes = {name: torch.Size([n]) for name, n in {"a": 11, "b": 17, "c": 13}.items()}
    # Shares are 3.3, 5.1 and 3.9, in all 12.3: the one that is left over goes to c, though b is
    # larger; at 0.4 they are 4.4, 6.8 and 5.2, in all 16.4, and it goes to b.
    assert pruned_counts("layerwise", shapes, 0.3) == {"a": 3, "b": 5, "c": 4}
    assert pruned_counts("layerwise", shapes, 0.4) == {"a": 4, "b": 7, "c": 5}


@pytest.mark.parametrize("shapes", [[(2, 5), (1, 2)], [(40, 784), (20, 40)], [(3, 3, 3, 3)]])
def test_erk_that_removes_nothing_leaves_every_layer_dense(shapes) -> None:
    shapes = {str(number): torch.Size(shape) for number, shape in enumerate(shapes)}
    assert pruned_counts("erk", shapes, 0.0) == dict.fromkeys(shapes, 0)


def test_erk_of_mlpnet_by_hand() -> None:
    shapes = {
        "fc1": torch.Size([40, 784]),
        "fc2": torch.Size([20, 40]),
        "fc3": torch.Size([10, 20]),
    }
    # Densities are proportional to (in + out) / (in × out); 0.1 × 32,360 weights are kept.
    raw = {"fc1": 824, "fc2": 60, "fc3": 30}
    scale = 3236 / sum(raw.values())
    kept = {"fc1": 824 * scale, "fc2": 60 * scale, "fc3": 30 * scale}
    counts = pruned_counts("erk", shapes, 0.9)
    assert counts is not None
    for name, shape in shapes.items():
        assert abs(shape.numel() - counts[name] - kept[name]) <= 1
    assert sum(counts.values()) == 32360 - 3236


def test_erk_keeps_a_full_layer_dense() -> None:
    shapes = {"wide": torch.Size([100, 100]), "narrow": torch.Size([2, 3])}
    counts = pruned_counts("erk", shapes, 0.5)
    assert counts == {"wide": 5003, "narrow": 0}


@pytest.mark.parametrize("allocation", ["global", "layerwise", "erk"])
@settings(max_examples=60, deadline=None)
@given(
    sparsity=st.floats(0, 1, exclude_max=True),
    sizes=st.lists(st.tuples(st.integers(1, 7), st.integers(1, 9)), min_size=1, max_size=4),
)
def test_every_allocation_removes_exactly_the_rounded_total(allocation, sparsity, sizes) -> None:
    scores = {str(i): torch.arange(a * b).view(a, b) % 3.0 for i, (a, b) in enumerate(sizes)}
    masks = select(scores, allocation, sparsity)
    removed = sum(int((~mask).sum()) for mask in masks.values())
    assert removed == pruned_total(sparsity, sum(a * b for a, b in sizes))


@pytest.mark.parametrize("allocation", ["global", "layerwise", "erk"])
def test_what_was_removed_stays_removed(allocation) -> None:
    scores = {"a": torch.rand(8, 8), "b": torch.rand(4, 8)}
    before = select(scores, allocation, 0.5)
    after = select({k: -v for k, v in scores.items()}, allocation, 0.75, within=before)
    for name in scores:
        assert not (after[name] & ~before[name]).any()
    assert sum(int((~mask).sum()) for mask in after.values()) == 72


def test_nan_scores_are_refused() -> None:
    with pytest.raises(MethodError, match="layer a contain NaN"):
        select({"a": torch.tensor([1.0, float("nan")])}, "global", 0.5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0.0, -0.0, 1.0, 2.0, -3.0, float("inf")]), min_size=1), st.data())
def test_the_same_weights_go_as_by_a_stable_sort(values, data) -> None:
    pruned = data.draw(st.integers(0, len(values) - 1))
    scores = torch.tensor(values)
    mask = select({"a": scores}, "global", pruned / len(values))["a"]
    assert (~mask).nonzero().squeeze(1).tolist() == sorted(
        scores.argsort(stable=True)[:pruned].tolist()
    )
