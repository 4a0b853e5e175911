"""Gradients produced some layers at a time give the same weights, and every pass is charged."""

import pytest
import torch
from support.tiny import PLENTY, tiny_conv, tiny_problem

from bench.jobs.budget import Meter, OverBudget
from bench.problem.calibration import Calibration
from bench.problem.gradients.sweep import SweptGradients, layer_groups
from bench.problem.passes import Settings
from bench.problem.problem import Problem
from methods.woodfisher import WoodFisher
from methods.woodtaylor import WoodTaylor

M = 30
ROW = (54 + 108 + 48) * 8  # bytes of one gradient of the three layers, as a matrix


def problem(gradients_memory: int = ROW * M, budget=PLENTY) -> Problem:
    kept = tiny_problem(tiny_conv())
    calibration = Calibration(kept._calibration._examples, 0, Meter(budget))
    settings = Settings(gradients_memory=gradients_memory)
    return Problem(kept._model, kept._prunable, calibration, kept.target, settings)


def test_layers_are_cut_into_groups_that_fit() -> None:
    sizes = {"a": 4, "b": 3, "c": 5, "d": 9, "e": 1, "f": 0}
    assert layer_groups(sizes, 8) == [["a", "b"], ["c"], ["d"], ["e", "f"]]
    assert layer_groups(sizes, 22) == [list(sizes)]
    assert layer_groups({"one": 1, "two": 2}, 2) == [["one"], ["two"]]
    assert layer_groups(sizes, 0) == [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]


@pytest.mark.parametrize("batch", [1, 2])
def test_swept_rows_are_the_rows(batch) -> None:
    whole, swept = (
        problem().gradients_by_layer(M // batch, batch),
        problem(1).gradients_by_layer(M // batch, batch),
    )
    assert isinstance(swept, SweptGradients)
    assert not isinstance(whole, SweptGradients)
    matrix = whole.dense()
    assert swept.shape == tuple(matrix.shape)
    assert swept.dtype == matrix.dtype
    assert torch.equal(swept.dense(), matrix)
    assert torch.equal(torch.cat(list(swept.columns(7)), dim=1), matrix)
    torch.testing.assert_close(swept.gram().tril(), (matrix @ matrix.T).tril())
    wide, tall = torch.randn(matrix.shape[1]).double(), torch.randn(len(matrix)).double()
    torch.testing.assert_close(swept.times(wide), matrix @ wide)
    torch.testing.assert_close(swept.transposed_times(tall), matrix.T @ tall)


@pytest.mark.parametrize("update", ["sum", "joint"])
@pytest.mark.parametrize("blocks", ["full", "layer", 40, 7])
@pytest.mark.parametrize("method", [WoodFisher, WoodTaylor])
def test_pruned_weights_are_those_of_gradients_kept(method, blocks, update) -> None:
    chosen = method(samples=M, blocks=blocks, update=update, recomputations=2)
    kept = chosen.prune(problem())
    swept = chosen.prune(problem(ROW * M // 2))
    for name, weight in kept.items():
        torch.testing.assert_close(swept[name], weight)
        assert torch.equal(swept[name] == 0, weight == 0)


@pytest.mark.parametrize(
    ("method", "blocks", "sweeps"),
    [(WoodFisher, "layer", 2), (WoodFisher, 40, 2), (WoodFisher, "full", 4), (WoodTaylor, 40, 3)],
)
def test_every_pass_is_charged(method, blocks, sweeps) -> None:
    chosen = method(samples=M, blocks=blocks)
    kept, swept = problem(), problem(1)
    chosen.prune(kept)
    chosen.prune(swept)
    assert kept._meter.spent.backward_passes == M
    assert swept._meter.spent.backward_passes == sweeps * 3 * M
    assert swept._meter.spent.calibration_examples == M


def test_survivors_that_stay_cost_no_sweep() -> None:
    swept = problem(1)
    WoodFisher(samples=M, blocks="layer", update_scale=0.0).prune(swept)
    assert swept._meter.spent.backward_passes == 3 * M


def test_sweeps_over_the_budget_are_stopped() -> None:
    scarce = problem(1, PLENTY.model_copy(update={"backward_passes": 5 * M}))
    with pytest.raises(OverBudget, match="asked for 180 backward passes, the budget allows 150"):
        WoodFisher(samples=M, blocks="layer").prune(scarce)


def test_no_two_groups_are_kept_together() -> None:
    swept = problem(1).gradients_by_layer(M)
    alive: list[object] = []

    def use(rows: object) -> int:
        import weakref

        alive.append(weakref.ref(rows))
        return sum(reference() is not None for reference in alive)

    assert isinstance(swept, SweptGradients)
    assert swept.sweep(use) == [1, 1, 1]
