"""What results/ holds is small, is what its records say, and links to what is there."""

import re

import pandas as pd
import pytest
from support.checkout import ROOT

from bench.cli.committed import WRITTEN_BY_RUNS, in_theme
from bench.jobs.packed import packed_path, packed_studies, read_packed
from bench.jobs.store import RecordStore
from bench.report import frame, summary
from bench.study.study import load_study

RESULTS = ROOT / "results"
FILES = [
    path
    for path in sorted(RESULTS.rglob("*"))
    if path.is_file()
    and (
        path.relative_to(RESULTS).parts[0] not in WRITTEN_BY_RUNS
        or path.match("records/*.jsonl.xz")
    )
]
PACKED = packed_studies(RESULTS)


def test_the_results_are_small() -> None:
    assert len(FILES) > 100
    assert sum(path.stat().st_size for path in FILES) < 6 * 10**6
    assert [path.name for path in FILES if path.suffix == ".pdf" or path.name == "cells.csv"] == []
    pictures = [path for path in FILES if path.suffix == ".png"]
    assert max(path.stat().st_size for path in pictures) <= 150_000
    assert max(len(list(path.parent.glob("*.png"))) for path in pictures) <= 2


@pytest.mark.parametrize("study", PACKED)
def test_a_summary_is_that_of_its_packed_records(study) -> None:
    store = RecordStore(RESULTS, study)
    grid = load_study(study).cells()
    cells = [cell._replace(record=store.unpacked(cell.job.key)) for cell in grid]
    assert {cell.job.key for cell in cells} >= set(read_packed(packed_path(RESULTS, study)))
    drawn = summary(frame(cells)).to_csv(index=False, lineterminator="\n")
    path = in_theme(RESULTS, f"{study}/summary.csv")
    assert path is not None and drawn == path.read_text(), (
        f"draw it again: python -m bench redraw {study}"
    )


def test_every_report_has_its_summary_and_figures() -> None:
    reports = [path for path in FILES if path.name == "report.md"]
    assert len(reports) >= 20
    for path in reports:
        assert len(pd.read_csv(path.with_name("summary.csv"))) > 0
        figures = re.findall(r"!\[.*?\]\((.*?)\)", path.read_text())
        assert figures and all((path.parent / figure).is_file() for figure in figures)
