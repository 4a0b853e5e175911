"""The report as files: which there are, that they repeat to the byte, and that gaps stay gaps."""

import importlib.util
import struct
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from support.checkout import ROOT
from support.records import make_cell, make_grid, make_job

from bench.common.errors import UserError
from bench.jobs.cell import Cell
from bench.report import frame, summary, summary_text, write_report

FIGURES = [
    f"figures/resnet20-cifar10-{kind}.{suffix}"
    for kind in ("accuracy", "linear", "time", "flops", "phases", "layers", "budget")
    for suffix in ("pdf", "png")
]
PARQUET = ["summary.parquet", "cells.parquet"] if importlib.util.find_spec("pyarrow") else []
FILES = [
    "report.md",
    "summary.csv",
    "cells.csv",
    "tables/resnet20-cifar10.tex",
    "tables/resnet20-cifar10-macros.tex",
    "report.html",
    *PARQUET,
    *FIGURES,
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    files = write_report("Example", "One paragraph.\n\nAnother <b>.", make_grid(), out)
    assert [path.relative_to(out).as_posix() for path in files] == FILES
    return out


def test_all_files_are_there_and_nothing_else(report: Path) -> None:
    found = {path.relative_to(report).as_posix() for path in report.rglob("*") if path.is_file()}
    assert found == set(FILES)
    assert all((report / name).stat().st_size > 500 for name in FILES)


def test_two_reports_of_the_same_records_are_the_same_bytes(report: Path, tmp_path: Path) -> None:
    write_report("Example", "One paragraph.\n\nAnother <b>.", make_grid(), tmp_path)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (report / name).read_bytes(), name


def test_figures_have_the_width_of_a_page_and_no_date(report: Path) -> None:
    png = (report / FIGURES[1]).read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">I", png[16:20]) == (1380,)
    assert b"CreationDate" not in (report / FIGURES[0]).read_bytes()


def test_one_allocation_has_the_width_of_a_column(tmp_path: Path) -> None:
    write_report("x", "", [make_cell("a", make_job())], tmp_path)
    assert struct.unpack(">I", (tmp_path / FIGURES[1]).read_bytes()[16:20]) == (680,)


def test_data_files_hold_full_precision(report: Path) -> None:
    means = summary(frame(make_grid()))
    read = pd.read_csv(report / "summary.csv")
    assert len(read) == len(means)
    assert read.accuracy_mean.equals(means.accuracy_mean)
    cells = pd.read_csv(report / "cells.csv")
    assert cells.status.tolist() == frame(make_grid()).status.tolist()


def test_the_page_links_figures_and_says_how_much_has_run(report: Path) -> None:
    page = (report / "report.md").read_text(encoding="utf-8")
    assert page.startswith("# Example\n\nOne paragraph.\n\nAnother &lt;b&gt;.\n\n112 of 120 cells")
    assert "(figures/resnet20-cifar10-accuracy.png)" in page
    assert page.count("| woodfisher ") == 6


def test_a_study_that_has_not_run_has_gaps_and_no_figure(tmp_path: Path) -> None:
    cells = [Cell(cell.label, cell.job, None) for cell in make_grid()]
    files = write_report("Example", "", cells, tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in files] == FILES[: -len(FIGURES)]
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "0 of 120 cells are ok; 120 have not run." in page
    assert "no figure" in page
    assert "nan" not in page.lower() and "nan" not in files[3].read_text("utf-8").lower()
    assert "0 of 120" in summary_text(cells)


def test_a_pair_without_results_does_not_take_the_figures_of_another(tmp_path: Path) -> None:
    cells = [make_cell("a", make_job()), make_cell("a", make_job(pair="other"), "failed")]
    files = write_report("x", "", cells, tmp_path)
    drawn = [path.name for path in files if path.suffix == ".png"]
    assert len(drawn) == 6 and all(name.startswith("resnet20") for name in drawn)
    assert (tmp_path / "tables" / "other.tex").exists()


def test_no_cells_at_all_is_a_report_too(tmp_path: Path) -> None:
    write_report("Nothing", "", [], tmp_path)
    assert "0 of 0 cells are ok." in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_names_of_pairs_become_names_of_files(tmp_path: Path) -> None:
    pairs = ["../a b", "a/b", "A-b"]
    files = write_report(
        "x", "", [Cell("m", make_job(pair=pair), None) for pair in pairs], tmp_path
    )
    assert [path.name for path in files if path.suffix == ".tex"] == [
        f"{name}{kind}.tex" for name in ("a-b", "a-b-2", "A-b-3") for kind in ("", "-macros")
    ]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"can't be written to .*file.*Choose a folder"):
        write_report("x", "", [make_cell("a", make_job())], tmp_path / "file")


def test_the_report_never_imports_torch_nor_pyplot() -> None:
    code = (
        "import sys, bench.report; assert 'matplotlib' not in sys.modules\n"
        "import bench.report.figures.kinds\n"
        "assert not {'torch', 'matplotlib.pyplot'} & set(sys.modules)"
    )
    root = ROOT
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
