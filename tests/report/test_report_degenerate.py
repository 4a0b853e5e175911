"""Reports on data with nothing to draw, divide or compare: all is written and says what isn't."""

import csv
import itertools
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from support.comparisons import gathered
from support.drawn import draw
from support.records import make_cell, make_job

from bench.common.errors import UserError
from bench.comparison import compare, comparison_text, write_comparison
from bench.jobs.cell import Cell
from bench.report import frame, summary_text, write_report
from bench.report.figures import canvas
from bench.report.figures.kinds import against_kind
from bench.report.gaps import exhausted, untimed
from bench.report.numerals import percent
from bench.study.figure import Against

PLAIN = {"prune_seconds": 0.1, "phase_seconds": {"gradients": 0.05, "inverse": 0.02}}
UNTIMED: dict[str, Any] = {"prune_seconds": None, "peak_bytes": None}
EMPTIED = {"nonzero": 0, "prunable": 32_360, "parameters": 32_360, "flops": 0, "accuracy": 10.0}
SOLID = {"nonzero": 0, "prunable": 0, "parameters": 1000, "flops": 2000, "dense_flops": 2000}
NUMBERLESS = re.compile(r"(?<![A-Za-z])(nan|inf|NaN|Infinity|<NA>)(?![A-Za-z])")


@pytest.fixture(autouse=True)
def coarse(monkeypatch) -> None:
    """Fewer dots take less time."""
    monkeypatch.setattr(canvas, "DPI", 40)


def grid(
    labels: tuple[str, ...] = ("magnitude", "obd"),
    sparsities: tuple[float, ...] = (0.5, 0.9),
    seeds: int = 2,
    status: str | None = "ok",
    protocol: str = "one-shot",
    **results: Any,
) -> list[Cell]:
    """Cells of one pair; the labels are methods."""
    reason = {} if status in ("ok", None) else {"reason": "because"}
    return [
        make_cell(
            label,
            make_job(label, sparsity=sparsity, seed=seed, protocol=protocol),
            status,
            **((PLAIN | results) if status == "ok" else reason),
        )
        for label, sparsity, seed in itertools.product(labels, sparsities, range(seeds))
    ]


def written(cells: list[Cell], out: Path, against: Against | None = None) -> dict[str, str]:
    """The texts of a whole report and comparison by name, and the names of its figures in one."""
    files = write_report("T", "D", cells, out, records=out / "records", against=against)
    assert all(file.stat().st_size > 0 for file in files)
    try:
        found = compare("T", gathered(cells), anyway=True)
        files += write_comparison(found, out)
        texts = {"screen": comparison_text(found)}
    except UserError as error:
        texts = {"screen": str(error)}
    texts["screen"] += summary_text(cells)
    for file in files:
        if file.suffix in (".md", ".csv", ".tex", ".html"):
            texts[file.name] = file.read_text(encoding="utf-8")
    data = re.search(r'id="data">(.*?)</script>', texts["report.html"], re.DOTALL)
    assert data
    json.loads(data[1], parse_constant=lambda name: pytest.fail(f"{name} in the page"))
    texts["report.html"] = texts["report.html"].partition("<script>")[0]
    for name, text in texts.items():
        assert not NUMBERLESS.search(text), name
    texts["figures"] = " ".join(
        sorted(f.stem.removeprefix("resnet20-cifar10-") for f in files if f.suffix == ".pdf")
    )
    return texts


NO_TIME = "Nothing is drawn against pruning time: no cell with a result has one above zero."
LINES = "accuracy budget flops layers linear time"


@pytest.mark.parametrize(
    ("cells", "figures", "sentence"),
    [
        (grid(("gmp", "rigl"), protocol="sparse-training", **UNTIMED), LINES, NO_TIME),
        (grid(prune_seconds=0.0, phase_seconds={}), LINES, NO_TIME),
        (grid(prune_seconds=0.0, phase_seconds={"gradients": 0.0}), f"{LINES} phases", NO_TIME),
        (grid(("str",), (0.9,), 1, **UNTIMED), LINES, NO_TIME),
        (
            [*grid(("magnitude",)), *grid(("gmp", "set"), **UNTIMED)],
            f"{LINES} phases",
            "Without a time of pruning: gmp, set.",
        ),
        (
            grid(sparsities=(0.99999,), **EMPTIED),
            "accuracy budget layers linear phases time",
            "Infinite where nothing is left, and not given: ratio of compression and theoretical "
            "speed-up.",
        ),
        (
            [*grid(sparsities=(0.5,)), *grid(sparsities=(0.99999,), **EMPTIED)],
            f"{LINES} phases",
            "No prunable weight is left at 99.999 % (magnitude, obd).",
        ),
        (
            grid(sparsities=(0.99999,), **{**EMPTIED, "parameters": 40_000}),
            "accuracy budget layers linear phases time",
            "There is no figure of FLOPs: no cell with a result has more than zero.",
        ),
        (grid(**SOLID), f"{LINES} phases", "It has no weights that can be pruned"),
        (
            grid(**SOLID | {"flops": 0, "dense_flops": 0}),
            "accuracy budget layers linear phases time",
            "It has no weights that can be pruned",
        ),
        (
            grid(flops=None, layer_sparsity={}),
            "accuracy budget linear phases time",
            "There is no figure of FLOPs",
        ),
    ],
)  # fmt: skip
def test_what_can_not_be_drawn_is_said(
    cells: list[Cell], figures: str, sentence: str, tmp_path: Path
) -> None:
    texts = written(cells, tmp_path)
    drawn = set(texts.pop("figures").split()) - {"critical-difference"}
    assert drawn == set(figures.split())
    page = texts["report.md"].replace("\\", "")
    assert sentence in page
    links = set(re.findall(r"!\[(\w+)\]", page))
    assert {"accuracy", "time"} <= links <= drawn
    assert sentence in texts["report.html"]


@pytest.mark.parametrize(
    "cells",
    [
        grid(("magnitude",), (0.9,), 1),
        grid(("magnitude", "obd", "kfac"), (0.9,), 1),
        grid(("magnitude",), (0.5, 0.9), 3),
        grid(sparsities=(0.0,)),
        grid(sparsities=(0.0, 0.999999999)),
        grid(sparsities=(1e-7, 0.5)),
        grid(accuracy=0.0, top5=0.0, loss=0.0, dense_accuracy=0.0),
        grid(accuracy=100.0, top5=100.0, loss=0.0, dense_accuracy=100.0, dense_loss=0.0),
        grid(accuracy=55.5, seeds=3),
        grid(dense_accuracy=None, test_examples=None, prunable=None, parameters=None, nonzero=None),
        grid(peak_bytes=0, prune_seconds=1e-9),
        grid(status="failed"),
        grid(status="skipped"),
        grid(status="over-budget"),
        grid(status=None),
        [*grid(("magnitude",), status="failed"), *grid(("obd",))],
        [*grid(("magnitude",), (0.5,)), *grid(("obd",), (0.9,))],
        [
            cell if cell.job.seed == (cell.job.sparsity > 0.5) else Cell(cell.label, cell.job, None)
            for cell in grid()
        ],
    ],
)  # fmt: skip
def test_a_whole_report_is_written_of(cells: list[Cell], tmp_path: Path) -> None:
    texts = written(cells, tmp_path)
    names = {f"resnet20-cifar10{end}" for end in (".tex", "-macros.tex")}
    names |= {"report.html", "report.md", "summary.csv", "cells.csv"}
    assert names <= set(texts)
    results = any(cell.record and cell.record.status == "ok" for cell in cells)
    assert ("accuracy" in texts["figures"].split()) is results
    assert ("there is no figure" in texts["report.md"]) is not results
    for row in csv.DictReader(texts["cells.csv"].splitlines()):
        assert row["compression"] == "" or 1 <= float(row["compression"]) < 1e9


def random_cells(seed: int) -> list[Cell]:
    """A grid in which every measure may be missing, zero or huge, and every cell without result."""
    draw = random.Random(seed)
    protocols = draw.choice([["one-shot"], ["sparse-training"], ["one-shot", "fine-tune"]])
    methods = draw.sample(["magnitude", "obd", "woodfisher", "gmp", "own"], draw.randint(1, 4))
    sparsities = draw.sample([0.0, 0.5, 0.9, 0.999, 0.999999999], draw.randint(1, 3))
    measured = {
        "accuracy": draw.choice([0.0, 100.0, 50.0]),
        "prune_seconds": draw.choice([None, 0.0, 1e-9, 1e5]),
        "phase_seconds": draw.choice([{}, {"gradients": 0.0}, {"gradients": 1e-9}]),
        "flops": draw.choice([None, 0, 1, 10**15]),
        "dense_flops": draw.choice([None, 0, 10**15]),
        "prunable": draw.choice([None, 0, 1, 269_722]),
        "nonzero": draw.choice([None, 0, 1]),
        "layer_sparsity": draw.choice([{}, {"a.weight": 1.0}]),
        "peak_bytes": draw.choice([None, 0, 2**40]),
        "dense_accuracy": draw.choice([None, 0.0, 100.0]),
    }
    statuses = draw.choice([["ok"], ["ok", "ok", "failed", "skipped", None], ["failed", None]])
    cells = []
    for protocol, method, sparsity in itertools.product(protocols, methods, sorted(sparsities)):
        label = method if len(protocols) == 1 else f"{method}, {protocol}"
        for number in range(draw.randint(1, 3)):
            job = make_job(method, sparsity=sparsity, seed=number, protocol=protocol)
            status = draw.choice(statuses)
            noisy = {"accuracy": round(measured["accuracy"] * draw.choice([1, 1, 0.9]), 2)}
            results = measured | noisy if status == "ok" else {}
            cells.append(make_cell(label, job, status, **results))
    return cells


@pytest.mark.parametrize("seed", range(8))
def test_a_whole_report_is_written_of_anything(seed: int, tmp_path: Path) -> None:
    written(random_cells(seed), tmp_path)


def test_a_figure_of_an_earlier_report_does_not_stay(tmp_path: Path) -> None:
    write_report("T", "D", grid(), tmp_path)
    figures = tmp_path / "figures"
    assert len(list(figures.glob("*-layers.*"))) == len(list(figures.glob("*-flops.*"))) == 2
    write_report("T", "D", grid(layer_sparsity={}, flops=None), tmp_path)
    assert not [*figures.glob("*-layers.*"), *figures.glob("*-flops.*")]
    assert len(list(figures.glob("*-accuracy.*"))) == 2


def test_ratios_are_missing_where_nothing_is_left() -> None:
    table = frame([*grid(sparsities=(0.9,)), *grid(sparsities=(0.99999,), **EMPTIED)])
    kept = 269_722 - 268_336 + 26_834
    known = table[table.sparsity == 0.9]
    assert known.compression.tolist() == [269_722 / kept] * 4
    assert known.speedup.tolist() == [41_000_000 / (41_000_000 * 26_834 // 268_336)] * 4
    gone = table[table.sparsity > 0.9]
    assert gone.compression.isna().all() and gone.speedup.isna().all()
    assert exhausted(known) == "" == untimed(known)


def test_rows_of_a_heat_map_keep_their_names_where_an_allocation_lacks_some() -> None:
    cells = []
    for label, allocation, share in (
        ("magnitude", "global", 0.1), ("obd", "global", 0.2), ("kfac", "global", 0.3),
        ("obd", "layerwise", 0.4),
    ):  # fmt: skip
        job = make_job(label, allocation=allocation)
        cells.append(make_cell(label, job, layer_sparsity={"a.weight": share}))
    figure = draw("layers", cells)
    assert figure
    shown = [
        {
            axes.get_yticklabels()[round(text.get_position()[1])].get_text(): text.get_text()
            for text in axes.texts
        }
        for axes in figure.axes
    ]
    assert shown == [{"magnitude": "10.0", "obd": "20.0", "kfac": "30.0"}, {"obd": "40.0"}]


def test_protocols_and_controls_do_not_share_a_line_against_a_field() -> None:
    cells = []
    for protocol, accuracy in (("one-shot", 10.0), ("fine-tune", 60.0)):
        jobs = {"protocol": protocol}
        cells.append(
            make_cell(f"magnitude, {protocol}", make_job("magnitude", **jobs), accuracy=1.0)
        )
        for step, samples in enumerate((10, 1000)):
            job = make_job("obd", hyperparameters={"samples": samples}, **jobs)
            label = f"obd {samples}, {protocol}"
            cells.append(make_cell(label, job, accuracy=accuracy + step))
            control = job.model_copy(update={"control": "shuffled mask"})
            cells.append(make_cell(f"{label} [shuffled mask]", control, accuracy=99.0))
    figure = draw(against_kind(Against(x="samples")), cells)
    assert figure
    lines = [
        list(line.get_ydata())
        for axes in figure.axes
        for line in axes.lines
        if line.get_gid() == "90"
    ]
    assert lines == [[10.0, 11.0], [60.0, 61.0]]
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["obd, one-shot", "obd, fine-tune"]


@pytest.mark.parametrize(
    "values", [[[1, 2], [3, 4]], [None, 1], [0.0, 1e-3], [True, False], ["full", 3], [7, 7]]
)
def test_any_value_has_a_place_against_a_field(values: list[Any], tmp_path: Path) -> None:
    cells = [
        make_cell(f"obd {n}", make_job("obd", hyperparameters={"time": value}), accuracy=50.0 + n)
        for n, value in enumerate(values)
    ]
    texts = written(cells, tmp_path, Against(x="time"))
    # There is a figure called `time` already.
    assert {"time", "time-field"} <= set(texts["figures"].split())
    assert "![time-field]" in texts["report.md"].replace("\\", "")


def test_ratios_of_compression_leave_each_other_room() -> None:
    labels = ("magnitude", "obd", "kfac", "cbs", "obc", "set", "str", "gmp")
    figure = draw("accuracy", grid(labels, sparsities=(0.5, 0.9999)))
    with canvas.settings():
        figure.draw_without_rendering()
    above = [axes for axes in figure.axes if axes.get_label() != "panel"]
    assert len(above) == 4
    renderer = FigureCanvasAgg(figure).get_renderer()
    for axes in above:
        boxes = [text.get_window_extent(renderer) for text in axes.get_xticklabels()]
        assert len(boxes) >= 2
        assert not any(one.overlaps(next_) for one, next_ in itertools.pairwise(boxes))


def test_sparsities_are_written_without_exponent_and_apart_from_all() -> None:
    wanted = {1e-7: "0.00001", 0.999999999: "99.9999999", 0.999999999999: "99.9999999999"}
    wanted |= {0.57: "57", 0.29: "29", 0.0: "0", 0.995: "99.5"}
    assert {value: percent(value) for value in wanted} == wanted


@pytest.mark.parametrize(
    "labels",
    [
        ("日本語", "ü", "b"),
        ("W" * 100, "x y " * 25, "b"),
        ("$x$", "a\\$b", "_c"),
        ("<b>", "&amp;", "'\""),
    ],
)
def test_any_label_can_be_drawn(labels: tuple[str, ...], tmp_path: Path) -> None:
    figures = written(grid(labels), tmp_path)["figures"].split()
    assert set(figures) == {*LINES.split(), "phases"}
