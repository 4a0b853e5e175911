"""The look of a method: its own wherever it is drawn, and told apart without colour too."""

from itertools import pairwise

from support.drawn import draw, lines, panels
from support.records import make_cell, make_job

from bench.report.figures.palette import _BUILT_IN, PART_COLOURS, looks
from bench.study.grid import CONTROLS
from methods import METHODS


def test_every_method_looks_different_also_without_colour() -> None:
    assert set(_BUILT_IN) <= set(METHODS)
    assert len(set(_BUILT_IN.values())) == len(_BUILT_IN)
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


def test_a_control_is_its_methods_line_in_dots_with_hollow_markers() -> None:
    labels = ["wf", *(f"wf [{control}]" for control in CONTROLS), "wf [m=10]"]
    found = looks((label, "woodfisher") for label in labels)
    own = found["wf"]
    controls = [found[f"wf [{control}]"] for control in CONTROLS]
    assert all((c.colour, c.marker, c.hollow) == (own.colour, own.marker, True) for c in controls)
    assert len({own.line, *(control.line for control in controls)}) == 1 + len(CONTROLS)
    assert not found["wf [m=10]"].hollow
    cells = [make_cell(label, make_job("woodfisher")) for label in labels]
    for axes in panels(draw("accuracy", cells)):
        for control in CONTROLS:
            assert lines(axes)[f"wf [{control}]"].get_markerfacecolor() == "white"


def test_phases_are_told_apart_in_grayscale() -> None:
    parts = list(PART_COLOURS.values())
    greys = [luminance(colour) for colour, _ in parts]
    assert greys == sorted(greys)
    steps = [after - before for before, after in pairwise(greys)]
    # The last two steps are told apart by a hatch.
    assert min(steps[:3]) > 0.12 and parts[-1][1] and not any(hatch for _, hatch in parts[:-1])


def luminance(colour: str) -> float:
    """Lightness from 0 to 1 as a printer without colour gives it (Rec. 601)."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255
