"""A kind of figure is declared once: print and page draw it from one table with one axis."""

import json

import pytest
from support.drawn import draw, lines, panels
from support.pages import data, own
from support.records import make_cell, make_grid, make_job

from bench.report import frame, summary, write_report
from bench.report.figures.kind import Axis, Kind
from bench.report.figures.kinds import KINDS, SECTIONS
from bench.report.figures.points import points_figure
from bench.report.page.write import scripts_of_page

LOSS = Kind(
    "loss",
    Axis("Cross-entropy (nats)", "loss_mean"),
    Axis("Test accuracy (%)", "accuracy_mean", unit="%"),
    printed=points_figure,
    linked=True,
    form="points",
    section="tradeoff",
    choice="Loss",
)


def test_a_new_kind_is_printed_linked_and_on_the_page(tmp_path) -> None:
    files = write_report("x", "", make_grid(), tmp_path, kinds=[*KINDS, LOSS])
    assert tmp_path / "figures" / "resnet20-cifar10-loss.pdf" in files
    assert "(figures/resnet20-cifar10-loss.png)" in (tmp_path / "report.md").read_text()
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    (choice,) = [line for line in own(text).splitlines() if 'value="loss"' in line]
    assert 'name="tradeoff-kind"' in choice and "<span>Loss</span>" in choice
    (kind,) = [kind for kind in data(text)["kinds"] if kind["name"] == "loss"]
    assert kind == json.loads(json.dumps(LOSS.declaration()))


def test_print_draws_the_points_and_the_axis_that_are_declared() -> None:
    cells = [make_cell("a", make_job(), loss=0.5), make_cell("b", make_job("b"), loss=2.5)]
    (axes,) = panels(draw(LOSS, cells))
    drawn = {label: list(line.get_xdata()) for label, line in lines(axes).items()}
    assert {label: drawn[label] for label in "ab"} == {"a": [0.5], "b": [2.5]}
    assert (axes.get_xscale(), axes.get_xlabel()) == ("linear", "Cross-entropy (nats)")


def test_the_page_reads_what_the_kinds_of_its_charts_are_drawn_from() -> None:
    columns = set(summary(frame(make_grid()))) | {"layers", "layer", "label"}
    shown = [kind for kind in KINDS if kind.form]
    assert len(shown) >= 8
    for kind in shown:
        named = {kind.x.column, kind.y.column, *kind.band, *kind.parts.values(), kind.whole}
        assert named - {""} <= columns, kind.name
    assert {kind.section for kind in shown} == {section.name for section in SECTIONS}
    scripts = "".join(path.read_text(encoding="utf-8") for path in scripts_of_page())
    for kind in shown:
        assert f"FORMS.{kind.form} = " in scripts


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.printed], ids=lambda k: k.name)
def test_every_printed_kind_draws_the_grid(kind: Kind) -> None:
    assert draw(kind, make_grid()) is not None
    assert panels(draw(kind, make_grid()))


def test_a_logarithmic_axis_has_no_place_for_zero() -> None:
    cells = [make_cell("a", make_job(sparsity=s), prune_seconds=t) for s, t in ((0.5, 0), (0.9, 2))]
    (time,) = [kind for kind in KINDS if kind.name == "time"]
    points = time.points(summary(frame(cells)))
    assert points.x.isna().tolist() == [True, False] and points.x.iloc[1] == 2.0
