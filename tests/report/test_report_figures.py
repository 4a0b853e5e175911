"""Figures of a report, inspected before they are saved: what is drawn is what the summary says."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from support.drawn import draw, lines, panels
from support.records import SPARSITIES, make_cell, make_grid, make_job

from bench.jobs.budget import Budget
from bench.jobs.cell import Cell
from bench.report import frame, summary
from bench.report.figures.palette import _BUILT_IN
from bench.report.figures.points import spread_out


def test_lines_are_the_means_of_the_summary_with_gaps_as_gaps() -> None:
    means = summary(frame(make_grid()))
    figure = draw("accuracy", make_grid())
    for axes, allocation in zip(panels(figure), ("global", "layerwise"), strict=True):
        for label, part in means[means.allocation == allocation].groupby("label"):
            line = lines(axes)[label]
            np.testing.assert_array_equal(line.get_xdata(), SPARSITIES)
            np.testing.assert_array_equal(line.get_ydata(), part.accuracy_mean)
    assert np.isnan(lines(panels(figure)[0])["obd"].get_ydata()[-1])
    assert np.isnan(lines(panels(figure)[1])["woodfisher"].get_ydata()[2])


def test_a_cell_with_missing_seeds_is_hollow_and_not_also_solid() -> None:
    axes = panels(draw("accuracy", make_grid()))[0]
    hollow = [line for line in axes.lines if line.get_gid() == "partial" and len(line.get_xdata())]
    assert [list(line.get_xdata()) for line in hollow] == [[0.95]]
    assert hollow[0].get_markerfacecolor() == "none"
    assert lines(axes)["magnitude"].get_markevery() == [0, 1, 2, 4]


def test_panels_share_the_scale_and_name_the_axes() -> None:
    first, second = panels(draw("accuracy", make_grid()))
    assert first.get_ylabel() == "Test accuracy (%)"
    assert first.get_xlabel() == second.get_xlabel() == "Sparsity (% of prunable weights removed)"
    assert first.get_ylim() == second.get_ylim()
    assert first.get_xlim() == second.get_xlim()
    assert [tick.get_text() for tick in first.get_xticklabels()] == ["50", "80", "90", "95", "98"]


def test_high_sparsities_do_not_crowd() -> None:
    cells = [make_cell("a", make_job(sparsity=s)) for s in (0, 0.9, 0.99, 0.999)]
    axes = panels(draw("accuracy", cells))[0]
    places = axes.transData.transform([(tick, 0) for tick in axes.get_xticks()])[:, 0]
    np.testing.assert_allclose(np.diff(places), np.diff(places)[0], rtol=1e-9)


def test_labels_of_close_sparsities_are_thinned_and_both_ends_stay() -> None:
    cells = [make_cell("a", make_job(sparsity=s)) for s in (0.1, 0.11, 0.12, 0.9, 0.98)]
    axes = panels(draw("accuracy", cells))[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["10", "90", "98"]


def test_time_figure_has_a_point_for_every_result_and_none_else() -> None:
    means = summary(frame(make_grid()))
    figure = draw("time", make_grid())
    assert len(panels(figure)) == 8
    chosen = means[(means.allocation == "layerwise") & (means.sparsity == 0.9)]
    points = lines(panels(figure)[5])
    assert set(points) == {"random", "magnitude", "obd", "front"}
    for row in chosen[chosen.ok > 0].itertuples():
        assert list(points[row.label].get_xdata()) == [row.prune_seconds_median]
        assert list(points[row.label].get_ydata()) == [row.accuracy_mean]


def test_a_study_without_times_or_with_one_cell_still_draws() -> None:
    for cell in (make_cell("a", make_job(), prune_seconds=None), make_cell("a", make_job())):
        assert len(panels(draw("time", [cell]))) == 1
        assert len(panels(draw("accuracy", [cell]))) == 1


def test_sparsities_of_the_time_figure_come_from_the_upper_part() -> None:
    assert spread_out(SPARSITIES, 4) == [0.8, 0.9, 0.95, 0.98]
    assert spread_out([0.5, 0.9], 4) == [0.5, 0.9]


def test_colour_in_the_figure_is_the_methods_own() -> None:
    for axes in panels(draw("accuracy", make_grid())):
        assert to_hex(lines(axes)["obd"].get_color()) == _BUILT_IN["obd"].colour.lower()


@pytest.mark.parametrize("label", ["a$b", "$x^$", "_hidden", "<b> & %"])
def test_labels_are_text_and_not_mathematics(label: str) -> None:
    figure = draw("accuracy", [make_cell(label, make_job())])
    figure.draw_without_rendering()
    assert [text.get_text() for text in figure.legends[0].texts] == [label.replace("$", r"\$")]


def crowd() -> list[Cell]:
    """Eight labels of five methods, one of which has no result."""
    names = ["a", "b", "c", "c 2", "d", "d 2", "d 3", "e"]
    return [
        make_cell(name, make_job(name[0], sparsity=s), "failed" if name == "e" else "ok")
        for name in names
        for s in (0.5, 0.8, 0.9)
    ]


def test_many_methods_have_a_panel_each_with_the_others_faint_behind() -> None:
    figure = draw("accuracy", crowd())
    own = [set(lines(axes)) - {"partial"} for axes in panels(figure)]
    assert own == [{"a"}, {"b"}, {"c", "c 2"}, {"d", "d 2", "d 3"}, {"e"}, set(), set(), set()]
    faint = [line for line in panels(figure)[0].lines if not line.get_gid()]
    assert len(faint) == 8
    assert [text.get_text() for text in panels(figure)[4].texts] == ["no result"]
    assert panels(figure)[1].get_xlabel() and not panels(figure)[0].get_xlabel()


def test_one_legend_names_the_lines_that_share_a_panel_and_covers_none() -> None:
    figure = draw("accuracy", crowd())
    assert not [axes for axes in panels(figure) if axes.get_legend()]
    assert {t.get_text() for t in figure.legends[0].texts} == {"c", "c 2", "d", "d 2", "d 3"}
    assert [axes.get_title(loc="left") for axes in panels(figure)[:3]] == [
        *("a, global", "b, global", "c, global")
    ]
    figure.draw_without_rendering()
    lowest = figure.legends[0].get_window_extent().y0
    assert all(axes.get_tightbbox().y1 <= lowest for axes in panels(figure))


def test_panels_keep_their_room_under_long_legends() -> None:
    labels = [f"woodfisher, damping {number}" for number in range(20)]
    figure = draw("accuracy", [make_cell(label, make_job("woodfisher")) for label in labels])
    figure.draw_without_rendering()
    for axes in panels(figure):
        assert axes.get_window_extent().height / figure.dpi > 0.9


def test_ticks_of_time_have_units_and_few_labels() -> None:
    cells = [make_cell(str(n), make_job(str(n)), prune_seconds=10.0**n) for n in range(-3, 3)]
    axes = panels(draw("time", cells))[0]
    texts = [tick.get_text() for tick in axes.get_xticklabels()]
    assert [text for text in texts if text] == ["100 µs", "100 ms", "100 s"]
    assert len(axes.get_xticks()) == 8


def test_the_linear_figure_has_equal_steps_of_sparsity() -> None:
    cells = [make_cell("a", make_job(sparsity=s)) for s in (0.2, 0.5, 0.8)]
    axes = panels(draw("linear", cells))[0]
    places = axes.transData.transform([(tick, 0) for tick in (0.2, 0.5, 0.8)])[:, 0]
    np.testing.assert_allclose(np.diff(places), np.diff(places)[0], rtol=1e-9)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["20", "50", "80"]


def test_compression_ratios_stand_above_the_sparsities_that_have_them() -> None:
    cells = [make_cell("a", make_job(sparsity=s)) for s in (0.5, 0.8, 0.9, 0.95)]
    figure = draw("accuracy", cells)
    (above,) = [axes for axes in figure.axes if axes.get_label() != "panel"]
    texts = [tick.get_text() for tick in above.get_xticklabels()]
    assert texts == ["2×", "5×", "10×", "20×"]
    kept = 1 - above.get_xticks() * 268_336 / 269_722
    np.testing.assert_allclose(1 / kept, [2, 5, 10, 20], rtol=1e-4)


def test_the_front_holds_what_nothing_cheaper_reaches() -> None:
    times = {"a": (1.0, 80.0), "b": (2.0, 70.0), "c": (3.0, 90.0), "d": (3.0, 85.0)}
    cells = [
        make_cell(name, make_job(name), prune_seconds=seconds, accuracy=accuracy)
        for name, (seconds, accuracy) in times.items()
    ]
    front = lines(panels(draw("time", cells))[0])["front"]
    assert (list(front.get_xdata()), list(front.get_ydata())) == ([1.0, 3.0], [80.0, 90.0])


def test_flops_are_drawn_where_they_are_known_and_left_out_elsewhere() -> None:
    known = [make_cell("a", make_job(sparsity=s)) for s in (0.5, 0.9)]
    means = summary(frame(known))
    assert list(lines(panels(draw("flops", known))[0])["a"].get_xdata()) == list(means.flops_mean)
    assert draw("flops", [make_cell("a", make_job(), flops=None)]) is None


def test_bars_are_shares_of_the_limit_and_hatched_where_cells_went_over() -> None:
    figure = draw("budget", make_grid())
    examples, passes = panels(figure)
    assert [bar.get_width() for bar in examples.patches] == [0, 0, 100, 100]
    assert [bar.get_width() for bar in passes.patches] == [0, 0, 20, 20]
    assert [bool(bar.get_hatch()) for bar in passes.patches] == [False, False, False, True]
    assert draw("budget", [make_cell("a", make_job(budget=Budget()))]) is None


def test_the_heat_map_holds_the_layers_of_the_records() -> None:
    whole, layerwise = panels(draw("layers", make_grid()))
    np.testing.assert_allclose(whole.images[0].get_array(), [[85.5, 95.0]] * 4)
    assert [text.get_text() for text in whole.texts[:2]] == ["85.5", "95.0"]
    assert len(layerwise.get_yticklabels()) == 4
    assert draw("layers", [make_cell("a", make_job(), layer_sparsity={})]) is None
