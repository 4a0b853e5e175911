"""The quadratic model against the real loss of the small pair, and what measurements refuse."""

import numpy as np
import pandas as pd
import pytest
import torch

from bench.common.errors import UserError
from bench.measurements import measure
from bench.measurements.forms import APPROXIMATIONS
from bench.measurements.quadratic_figures import path_figure, ratio_figure
from bench.measurements.quadratic_model import measured, overall_ratios
from bench.pairs import PAIRS
from bench.pairs.preparing.prepare import prepare
from bench.report.figures.canvas import settings
from methods import build

SPARSITIES = (0.5, 0.9)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    dense = prepare(PAIRS["mlpnet-mnist5k"], torch.device("cpu"))
    criteria = {
        "magnitude": build("magnitude", {}),
        "kfac": build("kfac", {"samples": 20, "damping": 1e-3}),
        "woodfisher": build("woodfisher", {"samples": 20}),
    }
    return pd.DataFrame(measured(dense, criteria, 0, samples=20, sparsities=SPARSITIES))


def test_for_small_moves_the_exact_hessian_foretells_the_loss(table) -> None:
    steps = table[(table.fraction == 0.125) & (table.sparsity == 0.5) & ~table.compensated]
    assert len(steps) == 3
    foretold = steps.first_order + steps.hessian
    size = (steps.first_order.abs() + steps.hessian.abs()).to_numpy()
    np.testing.assert_array_less((steps.actual - foretold).abs(), 0.1 * size)


def test_predictions_grow_with_the_square_of_the_step(table) -> None:
    whole, half = (
        table[table.fraction == fraction].reset_index(drop=True) for fraction in (1.0, 0.5)
    )
    for name in APPROXIMATIONS:
        np.testing.assert_allclose(half[name], whole[name] / 4, rtol=1e-12)
    np.testing.assert_allclose(half.first_order, whole.first_order / 2, rtol=1e-12)
    assert whole.actual_test.notna().all() and half.actual_test.isna().all()


def test_a_ratio_is_over_seeds_and_missing_where_the_loss_fell() -> None:
    base = {"criterion": "a", "compensated": False, "fraction": 1.0, "actual_test": 0.0}
    base |= dict.fromkeys(APPROXIMATIONS, 0.3)
    rows = [
        base | {"seed": seed, "sparsity": sparsity, "actual": actual}
        for seed, sparsity, actual in ((0, 0.5, 0.1), (1, 0.5, 0.3), (0, 0.9, -0.1))
    ]
    ratios = overall_ratios(pd.DataFrame(rows)).set_index(["sparsity", "approximation"])
    found = ratios.loc[(0.5, "kfac")]
    assert (found.ratio_min, found.ratio_max) == pytest.approx((1, 3))
    assert found.ratio == pytest.approx(2)
    assert np.isnan(ratios.loc[(0.9, "kfac")].ratio)


def test_figures_draw_every_approximation_but_the_one_of_another_scale(table) -> None:
    with settings():
        ratios, path = ratio_figure(overall_ratios(table)), path_figure(table)
    for figure in (ratios, path):
        panels = [axes for axes in figure.axes if axes.get_label() == "panel"]
        # All but L-OBS, and one more: the level of a right answer, or the actual loss.
        assert [len(axes.lines) for axes in panels] == [len(APPROXIMATIONS)] * 4


def test_an_unknown_measurement_is_answered_with_the_nearest(tmp_path) -> None:
    with pytest.raises(UserError, match="no measurement 'quadratic'. Did you mean"):
        measure("quadratic", tmp_path)


def test_a_folder_that_is_a_file_is_said(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Choose a folder you may write to"):
        measure("curvature-pictures", tmp_path / "file")
