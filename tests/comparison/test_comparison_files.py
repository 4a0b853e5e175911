"""A comparison as files and from the command line; the diagram is inspected before it is saved."""

import csv
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from support.comparisons import altered, gathered, grid
from support.records import make_cell, make_grid

from bench.common.errors import UserError
from bench.common.statistics.inference import rank
from bench.comparison import compare, write_comparison
from bench.comparison.diagram import diagram
from bench.jobs.store import RecordStore
from bench.report.figures.canvas import settings
from bench.report.figures.palette import looks

FILES = [
    "compare.md",
    "compare.csv",
    "tables/compare.tex",
    "figures/critical-difference.pdf",
    "figures/critical-difference.png",
]


def drawn(ranks: np.ndarray, blocks: int, labels: tuple[str, ...]) -> Figure:
    """The diagram of methods with about these mean ranks."""
    noise = np.random.default_rng(0)
    ranking = rank(-ranks + noise.normal(size=(blocks, len(ranks))))
    with settings():
        figure = diagram(labels, ranking, looks((label, "obd") for label in labels), "A note.")
        figure.draw_without_rendering()
    return figure


def test_all_files_are_written_and_repeat_to_the_byte(tmp_path: Path) -> None:
    comparison = compare("Example", gathered(make_grid()))
    for name in ("a", "b"):
        files = write_comparison(comparison, tmp_path / name)
        assert [path.relative_to(tmp_path / name).as_posix() for path in files] == FILES
    for file in FILES:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
    png = (tmp_path / "a" / FILES[-1]).read_bytes()
    assert struct.unpack(">I", png[16:20]) == (680,)  # one column


def test_the_data_file_holds_every_number(tmp_path: Path) -> None:
    write_comparison(compare("Example", gathered(grid())), tmp_path)
    with (tmp_path / "compare.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    counts = {kind: sum(row["quantity"] == kind for row in rows) for kind in ("accuracy", "area")}
    assert counts == {"accuracy": 3 * 2 * 3, "area": 3 * 2}
    ranks = {row["label"]: float(row["mean"]) for row in rows if row["quantity"] == "mean rank"}
    assert ranks == {"magnitude": 3.0, "obd": 2.0, "woodfisher": 1.0}
    assert sum(row["quantity"] == "nemenyi" for row in rows) == 6
    assert {row["differing"] for row in rows} == {""}


def test_anyway_marks_every_file(tmp_path: Path) -> None:
    unequal = altered(grid(), "obd", checkpoint_sha256="f" * 64)
    write_comparison(compare("Example", gathered(unequal), anyway=True), tmp_path)
    assert "NOT A FAIR COMPARISON" in (tmp_path / "compare.md").read_text("utf-8")
    tex = (tmp_path / "tables" / "compare.tex").read_text("utf-8")
    assert tex.count("NOT A FAIR COMPARISON") == tex.count(r"\begin{table}") == 7
    with (tmp_path / "compare.csv").open(encoding="utf-8") as file:
        assert all(
            "differ in the dense checkpoint" in row["differing"] for row in csv.DictReader(file)
        )
    plain = tmp_path / "plain"
    write_comparison(compare("Example", gathered(grid())), plain)
    assert (plain / FILES[-1]).read_bytes() != (tmp_path / FILES[-1]).read_bytes()


def test_a_diagram_that_no_longer_holds_is_removed(tmp_path: Path) -> None:
    write_comparison(compare("Example", gathered(grid())), tmp_path)
    assert (tmp_path / FILES[-1]).exists()
    few = [cell for cell in grid() if cell.job.sparsity > 0.5]
    files = write_comparison(compare("Example", gathered(few)), tmp_path)
    assert len(files) == 3 and not (tmp_path / FILES[-1]).exists()
    assert "critical-difference.png" not in (tmp_path / "compare.md").read_text("utf-8")


def test_significance_is_bold_and_the_next_underlined(tmp_path: Path) -> None:
    write_comparison(compare("Example", gathered(grid())), tmp_path)
    tex = (tmp_path / "tables" / "compare.tex").read_text("utf-8")
    row = next(line for line in tex.splitlines() if line.startswith("woodfisher"))
    assert row.count(r"\textbf{") == 3 and r"\underline" not in row
    assert r"\underline{" in next(line for line in tex.splitlines() if line.startswith("obd"))
    page = (tmp_path / "compare.md").read_text("utf-8")
    assert "**97" in page and "<ins>" in page
    one = compare("Example", gathered(grid(seeds=1)))
    assert not any(
        cell.rank for table in one.tables for row in table.rows for cell in row.table_cells
    )


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles_with_booktabs_only(tmp_path: Path) -> None:
    nasty = "a_b%c&d#e$f{g}h~i^j\\k <script> | *x* [y] `z` --m λ"
    strange = [
        make_cell(nasty if cell.label == "obd" else cell.label, cell.job, accuracy=50.0)
        for cell in grid()
    ]
    for name, cells in {"good": make_grid(), "nasty": strange}.items():
        comparison = compare(nasty, gathered(altered(cells, nasty, recalibration=1)), anyway=True)
        write_comparison(comparison, tmp_path / name)
        shutil.copy(tmp_path / name / "tables" / "compare.tex", tmp_path / f"{name}.tex")
    page = r"\documentclass{article}\usepackage{booktabs}\begin{document}"
    (tmp_path / "page.tex").write_text(page + r"\input{good}\clearpage\input{nasty}\end{document}")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    log = (tmp_path / "page.log").read_text(errors="replace")
    assert "Overfull \\hbox" not in log.split("nasty.tex")[0]
    assert "Missing character" not in log
    assert "[U+" not in (tmp_path / "good.tex").read_text("utf-8").replace("{[}", "[")


@pytest.mark.parametrize("count", [3, 8, 17])
def test_no_labels_of_the_diagram_overlap(count: int) -> None:
    labels = tuple(f"a method of long name, {index}" for index in range(count))
    figure = drawn(np.arange(count) * 0.2, 12, labels)
    axes = figure.axes[0]
    renderer = FigureCanvasAgg(figure).get_renderer()
    for texts in (axes.get_yticklabels(), [*axes.get_xticklabels(), *axes.texts]):
        boxes = [text.get_window_extent(renderer) for text in texts]
        for index, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[index + 1 :])
            assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
    assert figure.get_size_inches()[0] == pytest.approx(3.4)


def test_the_diagram_shows_ranks_cliques_and_the_critical_difference() -> None:
    labels = ("worse", "best", "middle", "far")
    ranks = np.array([0.2, 0.0, 0.1, 30.0])
    ranking = rank(-ranks + np.random.default_rng(0).normal(size=(30, 4)))
    figure = drawn(ranks, 30, labels)
    axes = figure.axes[0]
    bars = [line.get_xdata() for line in axes.lines if line.get_gid() == "clique"]
    close = sorted(ranking.ranks)
    assert close[2] - close[0] < ranking.critical_difference < close[3] - close[2]
    np.testing.assert_allclose(bars, [[close[0] - 0.03, close[2] + 0.03]])
    assert [text.get_text() for text in axes.texts] == [f"CD = {ranking.critical_difference:.2f}"]
    rows = [text.get_text().split() for text in axes.get_yticklabels()]
    order = np.argsort(ranking.ranks)
    assert rows == [[labels[index], f"{ranking.ranks[index]:.2f}"] for index in order]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"can't be written to .*file.*Choose a folder"):
        write_comparison(compare("x", gathered(grid())), tmp_path / "file")


def test_from_the_command_line(bench, small_study: Path, tmp_path: Path) -> None:
    results = tmp_path / "with space"
    assert bench("run", small_study, "--results", results).returncode == 0
    done = bench("compare", small_study, "--results", results)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "difference to magnitude" in done.stdout and "8 of 8 cells are ok" in done.stdout
    assert "no ranking and no critical-difference diagram" in done.stdout
    out = results / "reports" / "small"
    assert {"compare.md", "compare.csv"} <= {path.name for path in out.iterdir()}

    store = RecordStore(results, "small")
    for key in store.keys():  # noqa: SIM118
        record = store.read(key)
        assert record
        if record.label == "woodfisher":
            store.write(record.model_copy(update={"checkpoint_sha256": "0" * 64}))
    done = bench("compare", small_study, "--results", results)
    assert done.returncode == 2
    assert "no fair comparison" in done.stderr and "differ in the dense checkpoint" in done.stderr
    assert done.stdout == ""
    done = bench("compare", small_study, "--results", results, "--anyway", "--out", tmp_path / "o")
    assert done.returncode == 0, done.stderr
    assert "NOT A FAIR COMPARISON" in done.stdout
    assert "NOT A FAIR" in (tmp_path / "o" / "compare.md").read_text("utf-8")


def test_mistakes_are_one_sentence(bench, small_study: Path, tmp_path: Path) -> None:
    for arguments, words in (
        (("quickstrat",), "Did you mean 'quickstart'?"),
        ((small_study,), "no records of the study"),
    ):
        done = bench("compare", *arguments, "--results", tmp_path / "none")
        assert done.returncode == 2
        assert words in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "none").exists()
