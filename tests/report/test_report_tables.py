"""Tables of a report: golden LaTeX, hostile text, and cells that went wrong."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.checkout import ROOT
from support.records import make_cell, make_grid, make_job

from bench.jobs.budget import Budget
from bench.jobs.cell import Cell
from bench.report import frame, summary, summary_text
from bench.report.numerals import percent, seconds
from bench.report.panels import tables
from bench.report.tables import latex, markdown
from bench.report.tables.tables import Footnotes, Table

GOLDEN = ROOT / "tests" / "data" / "report.tex"
NASTY = "a_b%c&d#e$f{g}h~i^j\\k <script>alert(1)</script> | *x* [y] `z` --m λ"


def make_tables(cells: list[Cell]) -> list[Table]:
    table = frame(cells)
    return tables(table, summary(table))


def entry(table: Table, label: str, column: str) -> tuple[str, str, str]:
    row = next(row for row in table.rows if row.heading == label)
    return tuple(row.table_cells[list(table.columns).index(column)][:3])


def test_latex_of_the_grid_is_the_golden_one() -> None:
    text = latex.document(make_tables(make_grid()), "Example")
    assert text == GOLDEN.read_text(encoding="utf-8"), (
        "If the change is wanted: python tests/report/test_report_tables.py rewrites the file."
    )


def test_a_panel_has_tables_of_accuracy_cost_and_phases() -> None:
    found = [(table.kind, table.setting) for table in make_tables(make_grid())]
    assert found == [
        (kind, f"resnet20-cifar10, {allocation} allocation, one-shot")
        for allocation in ("global", "layerwise")
        for kind in ("accuracy", "cost", "phases")
    ]


def test_partial_failed_and_missing_cells_stay_visible() -> None:
    whole, _, _, layers, *_ = make_tables(make_grid())
    assert entry(whole, "obd", "98") == ("–", "", "")
    text, spread, mark = entry(whole, "magnitude", "95")
    assert (float(text) > 80, float(spread) > 0, mark) == (True, True, "a")
    assert whole.notes == [("a", "2 of 3 seeds; seed 2: has not run"), ("–", "has not run")]
    assert entry(layers, "woodfisher", "90") == ("over-budget", "", "b")
    assert ("b", "seeds 0, 1, 2: over-budget (asked for 9,000 passes)") in layers.notes


def test_one_seed_is_shown_without_a_spread_and_the_caption_says_so() -> None:
    table = make_tables([make_cell("a", make_job(), accuracy=90.123)])[0]
    assert entry(table, "a", "90") == ("90.12", "", "")
    assert "one seed (0)" in table.caption


def test_the_caption_states_the_conditions() -> None:
    accuracy, cost, *_ = make_tables(make_grid())
    for part in (
        "resnet20-cifar10, global allocation, one-shot",
        "sample standard deviation over 3 seeds (0, 1, 2)",
        "268,336 prunable of 269,722 parameters",
        "10,000 test images",
        "1,000 calibration examples, 5,000 backward passes",
        "e08b9b71ee33",
    ):
        assert part in accuracy.caption
    assert "cpu (Xeon, 2 threads)" in cost.caption


def test_unequal_conditions_are_said_and_not_averaged_in_silence() -> None:
    cells = [
        make_cell("a", make_job(), checkpoint_sha256="1" * 64),
        make_cell("b", make_job(budget=Budget()), checkpoint_sha256="2" * 64, dense_accuracy=92.0),
    ]
    table = make_tables(cells)[0]
    assert "budgets of these cells differ" in table.caption
    assert "dense checkpoints differ" in table.caption
    assert table.lead[0].table_cells[0].text == "92.00–93.50"


def test_the_cost_table_has_medians_maxima_and_limits_of_what_is_ok() -> None:
    times = [1.0, 2.0, 90.0]
    cells = [make_cell("a", make_job(seed=n), prune_seconds=t) for n, t in enumerate(times)]
    cells.append(make_cell("a", make_job(seed=3), "failed", prune_seconds=1000.0))
    cells.append(make_cell("b", make_job(), None))
    table = make_tables(cells)[1]
    assert [entry.text for entry in table.lead[0].table_cells] == ["", "", "", "1,000", "5,000"]
    texts = {row.heading: [entry.text for entry in row.table_cells] for row in table.rows}
    assert texts["a"] == ["3/4", "2.0", "30.0", "1,000", "1,000"]
    assert texts["b"] == ["0/1", "–", "–", "–", "–"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a_b%c&d#e$f{g}", r"a\_b\%c\&d\#e\$f\{g\}"),
        ("~^\\", r"\textasciitilde{}\textasciicircum{}\textbackslash{}"),
        ("<b>|", r"\textless{}b\textgreater{}\textbar{}"),
        ("--flag [x]", r"-{}-flag {[}x]"),
        ("one\n two", "one two"),
        ("é–λ鰻\x1b", r"é--$\lambda${[}U+9C3B]{[}U+001B]"),
    ],
)
def test_latex_escape(text: str, wanted: str) -> None:
    assert latex.escape(text) == wanted


def test_markdown_escape_leaves_no_markup_and_no_column() -> None:
    text = markdown.escape(NASTY + "\n# b\x1b[31m")
    assert "<" not in text and "\n" not in text and "\x1b" not in text
    assert not re.search(r"(?<!\\)[|*_`$\[\]#{}~^]", text)
    assert "&lt;script&gt;" in text


def test_hostile_labels_keep_the_columns_of_a_markdown_table() -> None:
    table = make_tables([make_cell(NASTY, make_job(), "failed", reason=NASTY)])[0]
    lines = [line for line in markdown.markdown(table).splitlines() if line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in lines] == [3] * 4


def test_many_sparsities_are_set_in_blocks_that_hold_every_column() -> None:
    cells = [make_cell("a", make_job(sparsity=n / 10)) for n in range(9)]
    text = latex.latex(make_tables(cells)[0], "x")
    assert re.findall(r"^method & .*$", text, re.M) == [
        r"method & 0 & 10 & 20 & 30 \\",
        r"method & 40 & 50 & 60 & 70 & 80 \\",
    ]


def test_equal_footnotes_share_a_mark_and_long_ones_are_cut() -> None:
    notes = Footnotes()
    marks = [notes.mark(text) for text in ("x", "y", "x", *map(str, range(25)))]
    assert marks[:4] == ["a", "b", "a", "c"]
    assert marks[-1] == "aa"
    notes.mark("long " * 100)
    assert len(notes.listed(dash=False)[-1][1]) == 240


@pytest.mark.parametrize(
    ("duration", "wanted"),
    [(0.00053, "0.00053"), (0.41, "0.41"), (1, "1.0"), (1234.5, "1,234.5"), (1e-9, "0.000000001")],
)
def test_seconds_have_two_digits_and_no_exponent(duration: float, wanted: str) -> None:
    assert seconds(duration) == wanted


def test_percent_has_no_noise() -> None:
    assert [percent(value) for value in (0.07, 0.5, 0.995, 0)] == ["7", "50", "99.5", "0"]


def test_text_for_the_terminal_shows_each_panel_and_the_progress() -> None:
    text = summary_text(make_grid())
    assert text.count("top-1 test accuracy") == 2
    assert "over-budget [b]" in text
    assert text.endswith("112 of 120 cells are ok; 1 failed, 3 over-budget, 4 have not run.")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles_with_booktabs_only(tmp_path: Path) -> None:
    nasty = [make_cell(NASTY, make_job(sparsity=n / 8, seed=0), reason="") for n in range(7)]
    nasty.append(make_cell("[*x", make_job(sparsity=0.99), "failed", reason=NASTY))
    for name, cells in {"good": make_grid(), "nasty": nasty}.items():
        (tmp_path / f"{name}.tex").write_text(latex.document(make_tables(cells), NASTY), "utf-8")
    page = r"\documentclass{article}\usepackage{booktabs}\begin{document}"
    page += r"\input{good}\input{nasty}\end{document}"
    (tmp_path / "page.tex").write_text(page)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    log = (tmp_path / "page.log").read_text(errors="replace")
    assert "Overfull \\hbox" not in log.split("nasty.tex")[0]
    assert "Missing character" not in log


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(latex.document(make_tables(make_grid()), "Example"), encoding="utf-8")
