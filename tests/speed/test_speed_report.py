"""The speed benchmark of the report: what it takes beside plain matplotlib and plain imports."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from support.checkout import ROOT
from support.records import SPARSITIES, make_grid

from bench.report import write_report

pytestmark = pytest.mark.speed


def least(call: Callable[[], Any], rounds: int = 2) -> float:
    """Seconds of processor time, so that it matters little what else the machine does."""
    times = []
    for _ in range(rounds + 1):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times[1:])


def plain(out: Path) -> None:
    """One figure of two panels with four lines each, as matplotlib draws it unasked."""
    figure = Figure(figsize=(6.9, 2.5), layout="constrained")
    for axes in figure.subplots(1, 2, sharey=True):
        for height in range(4):
            axes.plot(SPARSITIES, [height] * len(SPARSITIES), marker="o", label=f"method {height}")
        axes.legend()
    for suffix in ("pdf", "png"):
        figure.savefig(out / f"plain.{suffix}", dpi=200)


def test_a_whole_report_against_one_plain_figure(tmp_path: Path) -> None:
    """Seven figures, page, tables and data of 120 cells: at most 16 plain figures."""
    cells = make_grid()
    ours = least(lambda: write_report("x", "", cells, tmp_path))
    ratio = ours / least(lambda: plain(tmp_path))
    print(f"\nreport / plain figure = {ratio:.2f}")
    assert ratio < 16


def test_the_command_against_its_imports(bench, small_study, tmp_path: Path) -> None:
    """`report` on two cores: at most 2.5 times what importing its libraries takes."""
    assert bench("run", small_study, "--results", tmp_path).returncode == 0
    code = "import torch, torchvision, pandas, matplotlib.figure, scipy.special"
    times: dict[str, list[float]] = {"imports": [], "report": []}
    for _ in range(3):
        for name, command in {
            "imports": ["-c", code],
            "report": ["-m", "bench", "report", str(small_study), "--results", str(tmp_path)],
        }.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *command], cwd=ROOT, check=True, capture_output=True)
            times[name].append(time.perf_counter() - start)
    ratio = min(times["report"]) / min(times["imports"])
    print(f"\nreport / imports = {ratio:.2f}")
    assert ratio < 2.5
