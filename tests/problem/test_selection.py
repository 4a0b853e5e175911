"""Selection removes exactly what was asked for, with ties broken by index."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.common.errors import MethodError
from bench.jobs.allocation import ALLOCATIONS, pruned_total
from bench.problem.selection import select


def test_ties_go_to_the_lower_index() -> None:
    scores = {"a": torch.tensor([[1.0, 0.0], [0.0, 0.0]]), "b": torch.tensor([0.0, 2.0])}
    masks = select(scores, "global", 0.5)
    assert masks["a"].tolist() == [[True, False], [False, False]]
    assert masks["b"].tolist() == [True, True]


def test_layerwise_takes_its_share_of_each_layer() -> None:
    scores = {"a": torch.tensor([4.0, 3.0, 2.0, 1.0]), "b": torch.tensor([0.4, 0.3, 0.2, 0.1])}
    masks = select(scores, "layerwise", 0.5)
    assert masks["a"].tolist() == masks["b"].tolist() == [True, True, False, False]


@pytest.mark.parametrize("allocation", ALLOCATIONS)
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


@pytest.mark.parametrize("allocation", ALLOCATIONS)
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
