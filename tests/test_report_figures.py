"""Figures of a report, inspected before they are saved: what is drawn is what the summary says."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from records import SPARSITIES, make_cell, make_grid, make_job

from bench.report import Cell, frame, summary
from bench.report.canvas import settings
from bench.report.curves import accuracy_figure
from bench.report.palette import _BUILT_IN, looks
from bench.report.timing import spread_out, time_figure


def draw(kind, cells: list[Cell]) -> Figure:
    means = summary(frame(cells))
    with settings():
        return kind(means, 93.5, looks(zip(means.label, means.method, strict=True)))


def panels(figure: Figure) -> list:
    """The panels without the second scales that stand above them."""
    return [axes for axes in figure.axes if axes.get_label() == "panel"]


def lines(axes) -> dict:
    return {line.get_gid(): line for line in axes.lines if line.get_gid()}


def test_lines_are_the_means_of_the_summary_with_gaps_as_gaps() -> None:
    means = summary(frame(make_grid()))
    figure = draw(accuracy_figure, make_grid())
    for axes, allocation in zip(panels(figure), ("global", "layerwise"), strict=True):
        for label, part in means[means.allocation == allocation].groupby("label"):
            line = lines(axes)[label]
            np.testing.assert_array_equal(line.get_xdata(), SPARSITIES)
            np.testing.assert_array_equal(line.get_ydata(), part.accuracy_mean)
    assert np.isnan(lines(panels(figure)[0])["obd"].get_ydata()[-1])
    assert np.isnan(lines(panels(figure)[1])["woodfisher"].get_ydata()[2])


def test_a_cell_with_missing_seeds_is_hollow_and_not_also_solid() -> None:
    axes = panels(draw(accuracy_figure, make_grid()))[0]
    hollow = [line for line in axes.lines if line.get_gid() == "partial" and len(line.get_xdata())]
    assert [list(line.get_xdata()) for line in hollow] == [[0.95]]
    assert hollow[0].get_markerfacecolor() == "none"
    assert lines(axes)["magnitude"].get_markevery() == [0, 1, 2, 4]


def test_panels_share_the_scale_and_name_the_axes() -> None:
    first, second = panels(draw(accuracy_figure, make_grid()))
    assert first.get_ylabel() == "Test accuracy (%)"
    assert first.get_xlabel() == second.get_xlabel() == "Sparsity (% of prunable weights removed)"
    assert first.get_ylim() == second.get_ylim()
    assert first.get_xlim() == second.get_xlim()
    assert [tick.get_text() for tick in first.get_xticklabels()] == ["50", "80", "90", "95", "98"]


def test_high_sparsities_do_not_crowd() -> None:
    cells = [make_cell("a", make_job(sparsity=s)) for s in (0, 0.9, 0.99, 0.999)]
    axes = panels(draw(accuracy_figure, cells))[0]
    places = axes.transData.transform([(tick, 0) for tick in axes.get_xticks()])[:, 0]
    np.testing.assert_allclose(np.diff(places), np.diff(places)[0], rtol=1e-9)


def test_labels_of_close_sparsities_are_thinned() -> None:
    cells = [make_cell("a", make_job(sparsity=s)) for s in (0.1, 0.11, 0.12, 0.9, 0.98)]
    axes = panels(draw(accuracy_figure, cells))[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["12", "90", "98"]


def test_time_figure_has_a_point_for_every_result_and_none_else() -> None:
    means = summary(frame(make_grid()))
    figure = draw(time_figure, make_grid())
    assert len(panels(figure)) == 8
    chosen = means[(means.allocation == "layerwise") & (means.sparsity == 0.9)]
    points = lines(panels(figure)[5])
    assert set(points) == {"random", "magnitude", "obd", "front"}
    for row in chosen[chosen.ok > 0].itertuples():
        assert list(points[row.label].get_xdata()) == [row.prune_seconds_median]
        assert list(points[row.label].get_ydata()) == [row.accuracy_mean]


def test_a_study_without_times_or_with_one_cell_still_draws() -> None:
    for cell in (make_cell("a", make_job(), prune_seconds=None), make_cell("a", make_job())):
        assert len(panels(draw(time_figure, [cell]))) == 1
        assert len(panels(draw(accuracy_figure, [cell]))) == 1


def test_sparsities_of_the_time_figure_come_from_the_upper_part() -> None:
    assert spread_out(SPARSITIES, 4) == [0.8, 0.9, 0.95, 0.98]
    assert spread_out([0.5, 0.9], 4) == [0.5, 0.9]


def test_every_method_looks_different_also_without_colour() -> None:
    assert len(set(_BUILT_IN.values())) == len(_BUILT_IN) == 17
    uncoloured = {(look.marker, look.line) for look in _BUILT_IN.values()}
    assert len(uncoloured) == len(_BUILT_IN)


def test_a_method_keeps_its_look_whatever_else_is_in_the_study() -> None:
    alone = looks([("woodfisher", "woodfisher")])
    crowd = looks([("new", "new"), *((name, name) for name in reversed(_BUILT_IN))])
    assert crowd["woodfisher"] == alone["woodfisher"]
    assert crowd["new"] == looks([("new", "new")])["new"]
    assert crowd["new"] not in _BUILT_IN.values()


def test_variants_share_the_hue_and_differ_in_marker_and_line() -> None:
    found = looks([("wf", "woodfisher"), ("wf m=10", "woodfisher"), ("wf m=20", "woodfisher")])
    assert len({look.colour for look in found.values()}) == 1
    assert len({look.marker for look in found.values()}) == 3
    assert len({look.line for look in found.values()}) == 3


def test_colour_in_the_figure_is_the_methods_own() -> None:
    for axes in panels(draw(accuracy_figure, make_grid())):
        assert to_hex(lines(axes)["obd"].get_color()) == _BUILT_IN["obd"].colour.lower()


@pytest.mark.parametrize("label", ["a$b", "$x^$", "_hidden", "<b> & %"])
def test_labels_are_text_and_not_mathematics(label: str) -> None:
    figure = draw(accuracy_figure, [make_cell(label, make_job())])
    figure.draw_without_rendering()
    assert [text.get_text() for text in figure.legends[0].texts] == [label.replace("$", r"\$")]
