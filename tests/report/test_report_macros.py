"""Numbers for prose: a macro a cell, its name in letters, and the document that quotes it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.published_values import reproduction
from support.records import make_cell, make_grid, make_job

from bench.check.reproduction import Ours
from bench.check.tables import published_tables
from bench.jobs.cell import Cell
from bench.report import frame, summary
from bench.report.panels import tables
from bench.report.tables import latex
from bench.report.tables.macros import letters, macros


def defined(cells: list[Cell], pair: str = "resnet20-cifar10") -> dict[str, str]:
    table = frame(cells)
    text = macros(summary(table), table, pair)
    return dict(re.findall(r"^\\newcommand\{\\([A-Za-z]+)\}\{(.*)\}$", text, re.M))


def test_every_cell_of_the_summary_has_its_mean_and_spread() -> None:
    found = defined(make_grid())
    means = summary(frame(make_grid()))
    own = means[(means.label == "woodfisher") & (means.sparsity == 0.95)].iloc[0]
    assert found["benchWoodfisherGlobalNinetyFive"] == f"{own.accuracy_mean:.2f}"
    assert found["benchWoodfisherGlobalNinetyFiveSpread"] == f"{own.accuracy_std:.2f}"
    assert found["benchWoodfisherLayerwiseNinety"] == "over-budget"
    assert found["benchObdGlobalNinetyEight"] == "missing"
    assert found["benchDense"] == "93.50"
    assert len(found) == 1 + len(means) + means.accuracy_std.notna().sum()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("95", "NinetyFive"),
        ("99.5", "NinetyNinePointFive"),
        ("obd, 4096", "ObdFourThousandNinetySix"),
        ("chita++", "ChitaPlusPlus"),
        ("m-fac 0", "MFacZero"),
        ("1215013", "OneMillionTwoHundredFifteenThousandThirteen"),
        ("λ{}\\", ""),
    ],
)
def test_names_are_letters_only(text: str, wanted: str) -> None:
    assert letters(text) == wanted


def test_labels_that_differ_in_signs_alone_keep_names_of_their_own() -> None:
    cells = [make_cell(label, make_job(label), accuracy=90.0) for label in ("a b", "a-b", "a_b")]
    names = [name for name in defined(cells) if name.startswith("benchAB")]
    assert names == [
        "benchABGlobalNinety",
        *(f"benchABGlobalNinetyAgain{n}" for n in ("Two", "Three")),
    ]


def test_pairs_of_one_study_do_not_share_a_name() -> None:
    cells = [make_cell("a", make_job(pair=pair)) for pair in ("x", "y")]
    assert not set(defined(cells, "x")) & set(defined(cells, "y"))


@pytest.mark.skipif(
    not (shutil.which("pdflatex") and shutil.which("pdftotext")),
    reason="pdflatex or pdftotext is not installed",
)
def test_the_compiled_document_says_what_the_records_say(tmp_path: Path) -> None:
    table = frame(make_grid())
    means = summary(table)
    published = published_tables([reproduction(84.52, Ours("obd", [85.0], 10_000))])
    document = latex.document([*tables(table, means), *published], "Example")
    (tmp_path / "tables.tex").write_text(document, "utf-8")
    (tmp_path / "macros.tex").write_text(macros(means, table, "resnet20-cifar10"), "utf-8")
    (tmp_path / "page.tex").write_text(
        r"\documentclass{article}\usepackage{booktabs}\input{macros}\begin{document}"
        r"Quoted: \benchWoodfisherGlobalNinety{} and \benchWoodfisherLayerwiseNinety."
        r"\input{tables}\end{document}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    subprocess.run(["pdftotext", "-layout", "page.pdf"], cwd=tmp_path, check=True)
    text = " ".join((tmp_path / "page.txt").read_text("utf-8").split())
    own = means.query("label == 'woodfisher' and allocation == 'global' and sparsity == 0.9")
    mean = f"{own.accuracy_mean.iloc[0]:.2f}"
    assert f"Quoted: {mean} and over-budget." in text
    assert text.count(mean) == 2
    for said in (
        "10,000 test images",
        "268,336 prunable of 269,722",
        "Budget of every cell: 1,000 calibration examples, 5,000 backward passes",
        "over 3 seeds (0, 1, 2)",
        "asked for 9,000 passes",
        "OutOfMemory at layer",
        "reproduced",
        "Some 2020",
    ):
        assert said in re.sub(r"-\s(?=[a-z])", "", text), said
