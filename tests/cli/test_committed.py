"""Packed records are enough to draw, compare and load a study, but count as no run."""

import math
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageColor
from support.grids import SMALL

from bench.cli.committed import redraw
from bench.jobs.packed import packed_path
from bench.report import load_records
from bench.report.figures.palette import looks
from bench.report.small import shrink


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Path:
    """A folder with the small study's file, its results, and others where it is packed."""
    import os
    import subprocess
    import sys

    from support.checkout import ROOT

    folder = tmp_path_factory.mktemp("ran")
    (folder / "small.toml").write_text(SMALL)
    for words in (
        ["run", folder / "small.toml", "--results", folder / "results"],
        ["pack", "small", "--results", folder / "results", "--out", folder / "kept"],
    ):
        command = [sys.executable, "-m", "bench", *map(str, words)]
        subprocess.run(command, cwd=ROOT, env=dict(os.environ), check=True, capture_output=True)
    return folder


def test_a_report_is_drawn_from_packed_records_alone(ran, bench, tmp_path) -> None:
    done = bench("report", ran / "small.toml", "--results", ran / "kept", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "8 of 8 cells are ok" in done.stdout
    assert "shown from" in done.stderr
    drawn = ran / "results" / "reports" / "small"
    for name in ("report.md", "summary.csv", "cells.csv"):
        assert (tmp_path / name).read_bytes() == (drawn / name).read_bytes()
    assert "records/small" in (drawn / "report.html").read_text()
    assert "records/small" not in (tmp_path / "report.html").read_text()


def test_packed_records_are_compared_and_loaded(ran, bench, tmp_path) -> None:
    texts = []
    for results in ("results", "kept"):
        words = ("compare", ran / "small.toml", "--out", tmp_path / results)
        done = bench(*words, "--results", ran / results)
        assert done.returncode == 0, done.stderr
        texts.append((tmp_path / results / "compare.md").read_bytes())
    assert texts[0] == texts[1]
    assert load_records(ran / "kept").equals(load_records(ran / "results"))


def test_a_run_computes_what_is_only_packed(ran, bench, tmp_path) -> None:
    shutil.copytree(ran / "kept", tmp_path / "results")
    words = ("run", ran / "small.toml", "--results", tmp_path / "results", "--method", "magnitude")
    done = bench(*words)
    assert done.returncode == 0, done.stderr
    assert "recorded already" not in done.stderr
    files = list((tmp_path / "results" / "records" / "small").glob("*.json"))
    assert len(files) == 4
    report = tmp_path / "results" / "reports" / "small" / "report.md"
    assert "8 of 8 cells are ok" in report.read_text()


def test_a_gate_does_not_judge_what_is_only_packed(ran, bench) -> None:
    done = bench("check", ran / "small.toml", "--results", ran / "kept")
    assert done.returncode == 2
    assert "run it first" in done.stderr


def test_damage_is_one_sentence_for_every_command(ran, bench, tmp_path) -> None:
    path = packed_path(tmp_path, "small")
    path.parent.mkdir()
    path.write_bytes(packed_path(ran / "kept", "small").read_bytes()[:-50])
    for command in ("report", "compare"):
        done = bench(command, ran / "small.toml", "--results", tmp_path, "--out", tmp_path / "o")
        assert done.returncode == 2
        assert "are damaged" in done.stderr and "Traceback" not in done.stderr


def test_nothing_to_pack_is_one_sentence(bench, tmp_path) -> None:
    done = bench("pack", "small", "--results", tmp_path, "--out", tmp_path)
    assert done.returncode == 2
    assert "There are no records in" in done.stderr


def test_a_redrawn_report_is_brief_and_lies_where_it_was(ran, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("bench.study.study.built_in", lambda: {"small": ran / "small.toml"})
    monkeypatch.setattr("bench.cli.drawing.cores", lambda: 1)
    shutil.copytree(ran / "kept", tmp_path / "kept")
    place, own = (tmp_path / "kept" / theme / "small" for theme in ("theme", "reports"))
    for folder in (place, own):  # the report of a run of one's own comes first by name
        folder.mkdir(parents=True)
        (folder / "report.md").touch()
    redraw(None, tmp_path / "kept")
    assert [path.name for path in own.iterdir()] == ["report.md"]
    assert not (own / "report.md").read_text()
    drawn = ran / "results" / "reports" / "small"
    assert (place / "summary.csv").read_bytes() == (drawn / "summary.csv").read_bytes()
    files = {str(path.relative_to(place)) for path in place.rglob("*.*")}
    pair = "mlpnet-mnist5k"
    figures = {f"figures/{pair}-{kind}.png" for kind in ("accuracy", "time")}
    tables = {f"tables/{pair}.tex", f"tables/{pair}-macros.tex"}
    assert files == {"report.md", "summary.csv"} | figures | tables
    for figure in figures:
        assert f"({figure})" in (place / "report.md").read_text()
        with Image.open(place / figure) as small, Image.open(drawn / figure) as whole:
            assert small.width == round(0.6 * whole.width)
        assert (place / figure).stat().st_size < (drawn / figure).stat().st_size / 2


def test_a_small_figure_keeps_the_colours_of_the_methods(ran, tmp_path) -> None:
    """A palette of mostly greys would make them look alike, and unlike the other figures."""
    drawn = ran / "results" / "reports" / "small" / "figures" / "mlpnet-mnist5k-accuracy.png"
    small = tmp_path / "small.png"
    shutil.copy(drawn, small)
    shrink(small)
    with Image.open(small) as picture:
        colours = [colour for _, colour in picture.convert("RGB").getcolors(picture.size[0] ** 2)]
    styles = looks([("magnitude", "magnitude"), ("woodfisher", "woodfisher")])
    for style in styles.values():
        wanted = ImageColor.getrgb(style.colour)
        assert min(math.dist(colour, wanted) for colour in colours) < 12, style
