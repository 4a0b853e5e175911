"""Allocations spread a sparsity over layers to the unit; a new one is a function and its name."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.grids import run, study

from bench.jobs.allocation import ALLOCATIONS, pruned_counts, pruned_total
from bench.study.study import Study


def test_layerwise_counts_are_whole_and_sum_exactly() -> None:
    shapes = {name: (n,) for name, n in {"a": 3, "b": 3, "c": 4}.items()}
    # Shares are 1.5, 1.5 and 2: the total is 5, and the larger fraction that comes first wins.
    assert pruned_counts("layerwise", shapes, 0.5) == {"a": 2, "b": 1, "c": 2}


def test_layerwise_takes_the_same_share_of_layers_of_any_shape() -> None:
    shapes = {
        "square": (20, 20),
        "flat": (2, 200),
        "small": (5,),
    }
    assert pruned_counts("layerwise", shapes, 0.8) == {"square": 320, "flat": 320, "small": 4}


def test_what_is_left_over_goes_to_the_largest_fractions() -> None:
    shapes = {name: (n,) for name, n in {"a": 11, "b": 17, "c": 13}.items()}
    # Shares are 3.3, 5.1 and 3.9, in all 12.3: the one that is left over goes to c, though b is
    # larger; at 0.4 they are 4.4, 6.8 and 5.2, in all 16.4, and it goes to b.
    assert pruned_counts("layerwise", shapes, 0.3) == {"a": 3, "b": 5, "c": 4}
    assert pruned_counts("layerwise", shapes, 0.4) == {"a": 4, "b": 7, "c": 5}


@pytest.mark.parametrize("shapes", [[(2, 5), (1, 2)], [(40, 784), (20, 40)], [(3, 3, 3, 3)]])
def test_erk_that_removes_nothing_leaves_every_layer_dense(shapes) -> None:
    shapes = {str(number): shape for number, shape in enumerate(shapes)}
    assert pruned_counts("erk", shapes, 0.0) == dict.fromkeys(shapes, 0)


def test_erk_of_mlpnet_by_hand() -> None:
    shapes = {
        "fc1": (40, 784),
        "fc2": (20, 40),
        "fc3": (10, 20),
    }
    # Densities are proportional to (in + out) / (in × out); 0.1 × 32,360 weights are kept.
    raw = {"fc1": 824, "fc2": 60, "fc3": 30}
    scale = 3236 / sum(raw.values())
    kept = {"fc1": 824 * scale, "fc2": 60 * scale, "fc3": 30 * scale}
    counts = pruned_counts("erk", shapes, 0.9)
    assert counts is not None
    for name, shape in shapes.items():
        assert abs(math.prod(shape) - counts[name] - kept[name]) <= 1
    assert sum(counts.values()) == 32360 - 3236


def test_erk_keeps_a_full_layer_dense() -> None:
    shapes = {"wide": (100, 100), "narrow": (2, 3)}
    counts = pruned_counts("erk", shapes, 0.5)
    assert counts == {"wide": 5003, "narrow": 0}


def test_a_new_allocation_is_a_function_and_its_name(monkeypatch, tmp_path, pairs) -> None:
    def last_layer_dense(shapes, sparsity):
        *others, last = shapes
        size = {name: math.prod(shape) for name, shape in shapes.items()}
        goal = sparsity * sum(size.values()) / sum(size[name] for name in others)
        return {name: goal * size[name] for name in others} | {last: 0.0}

    monkeypatch.setitem(ALLOCATIONS, "last layer dense", last_layer_dense)
    grid = Study.model_validate(
        study({"magnitude": {}}).model_dump() | {"allocations": ["last layer dense"]}
    )
    (record,) = run(grid, tmp_path, pairs).values()
    assert record.status == "ok", record.reason
    assert record.layer_sparsity["fc3.weight"] == 0
    assert record.nonzero == 32_360 - 29_124


def test_an_unknown_allocation_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(ValueError, match="Valid names: global, layerwise, erk"):
        Study.model_validate(study({"magnitude": {}}).model_dump() | {"allocations": ["even"]})


MLPNET = {"fc1": (40, 784), "fc2": (20, 40), "fc3": (10, 20)}


def test_the_last_weight_may_go_to_another_layer_at_the_next_sparsity() -> None:
    """The paradox itself: at 0.89986 the second layer loses more than at 0.9."""
    steps = [step / 100_000 for step in range(89_000, 90_001)]
    counts = [pruned_counts("erk", MLPNET, step)["fc2"] for step in steps]
    assert max(counts) > counts[-1]


@pytest.mark.parametrize("allocation", ["layerwise", "erk"])
@settings(max_examples=100, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=5),
    steps=st.lists(st.floats(0, 1, exclude_max=True), min_size=2, max_size=8),
)
def test_no_layer_loses_more_on_the_way_than_at_the_end(allocation, sizes, steps) -> None:
    shapes = {str(number): shape for number, shape in enumerate(sizes)}
    *way, end = sorted(steps)
    gone = dict.fromkeys(shapes, 0)
    last = pruned_counts(allocation, shapes, end)
    for step in way:
        found = pruned_counts(allocation, shapes, step, end=end, gone=gone)
        assert all(gone[name] <= found[name] <= last[name] for name in shapes)
        assert sum(found.values()) == pruned_total(step, sum(map(math.prod, sizes)))
        gone = found
