"""Accuracy against a hyper-parameter: asked for by a study, drawn from its records."""

import numpy as np
import pytest
from support.drawn import draw
from support.grids import SMALL
from support.records import make_cell, make_job

from bench.common.errors import UserError
from bench.report import write_report
from bench.report.figures.axis import positions, written
from bench.report.figures.kinds import against_kind
from bench.study.figure import Against
from bench.study.study import load_study

DAMPINGS = (1e-5, 1e-3, 1e-1)
FIGURE = '[figure]\nx = "damping"\n\n[budget]'


def grid():
    cells = []
    for seed in range(2):
        for sparsity in (0.8, 0.95):
            at = {"sparsity": sparsity, "seed": seed}
            low = 5 * (sparsity > 0.9) + seed
            cells.append(make_cell("magnitude", make_job("magnitude", **at), accuracy=80.0 - low))
            cells += [
                make_cell(
                    f"woodfisher, {damping:g}",
                    make_job("woodfisher", hyperparameters={"damping": damping}, **at),
                    accuracy=90.0 - low + step,
                )
                for step, damping in enumerate(DAMPINGS)
            ]
    return cells


def drawn(**fields):
    return draw(against_kind(Against(x="damping", **fields)), grid())


def panels(figure):
    return [axes for axes in figure.axes if axes.get_label() == "panel" and axes.axison]


def test_a_line_is_a_sparsity_and_magnitude_a_level() -> None:
    (axes,) = panels(drawn())
    lines = {line.get_gid(): line for line in axes.lines if line.get_gid()}
    np.testing.assert_array_equal(lines["80"].get_xdata(), DAMPINGS)
    np.testing.assert_array_equal(lines["80"].get_ydata(), [89.5, 90.5, 91.5])
    np.testing.assert_array_equal(lines["95"].get_ydata(), [84.5, 85.5, 86.5])
    levels = [
        line.get_ydata()[0]
        for line in axes.lines
        if line.get_linestyle() == ":"
        or (line.get_gid() is None and len(set(line.get_ydata())) == 1)
    ]
    assert {79.5, 74.5, 93.5} <= set(levels)
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "damping"


def test_panels_are_those_that_the_study_asks_for() -> None:
    groups = {"small": ["woodfisher, 1e-05", "woodfisher, 0.001"], "large": ["woodfisher, 0.1"]}
    first, second = panels(drawn(panels=groups))
    assert [axes.get_title(loc="left") for axes in (first, second)] == ["small", "large"]
    longest = [
        max(len(line.get_xdata()) for line in axes.lines if line.get_gid())
        for axes in (first, second)
    ]
    assert longest[0] == 2


def test_scales_follow_the_values() -> None:
    assert positions([0.0, 0.1, 1.0]).scale == "linear"
    assert positions([3, 1, 10]).of == {1: 1.0, 3: 3.0, 10: 10.0}
    assert positions([3, 1, 10]).scale == "log"
    named = positions([10, 1000, "layer", "full"])
    assert named.scale == "names" and named.of["full"] == 3.0
    assert [written(value) for value in (1e-5, 0.05, 10_000, 1e6, "full")] == [
        "$10^{-5}$",
        "0.05",
        "10,000",
        "$10^{6}$",
        "full",
    ]


def test_a_report_has_the_figure_and_shows_it(tmp_path) -> None:
    files = write_report("x", "", grid(), tmp_path, against=Against(x="damping"))
    figure = tmp_path / "figures" / "resnet20-cifar10-damping.png"
    assert figure in files and figure.stat().st_size > 5000
    assert "(figures/resnet20-cifar10-damping.png)" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        ('x = "dampin"', "There is no hyper-parameter 'dampin'. Did you mean 'damping'?"),
        ('x = "damping"\npanels = { a = ["woodfishr"] }', "no label 'woodfishr'. Did you mean"),
        (
            'x = "damping"\npanels = { a = ["magnitude"] }',
            "The panel 'a' of the figure has 'magnitude', which has no 'damping': leave it out.",
        ),
    ],
)
def test_a_figure_of_what_is_not_there_is_refused(tmp_path, figure, message) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(SMALL.replace("[budget]", f"[figure]\n{figure}\n\n[budget]"))
    with pytest.raises(UserError, match=message):
        load_study(str(path)).cells()


def test_a_study_file_asks_for_it(tmp_path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(SMALL.replace("[budget]", FIGURE))
    study = load_study(str(path))
    assert study.figure == Against(x="damping")
    assert len(study.cells()) == 8
