"""The commands that read records and compute nothing: `report`, `compare` and `check`."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.options import (
    DEFAULT_RESULTS,
    Out,
    Overrides,
    Plugins,
    Results,
    StudyName,
    option,
)


def report(
    study: StudyName,
    set_: Overrides = None,
    plugin: Plugins = None,
    results: Results = DEFAULT_RESULTS,
    published: Annotated[
        bool, typer.Option("--published", help="Show values of papers beside ours.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Write the page alone, again and again, until Ctrl-C.")
    ] = False,
    every: Annotated[
        int, option("--every", "SECONDS", "How often --watch looks (default: 3).", min=1)
    ] = 3,
    out: Out = None,
) -> None:
    """Write a page, tables (LaTeX, Markdown, CSV) and figures (PDF, PNG) of a study's records."""
    from bench.cli.drawing import drawing

    # Entered first, so that the drawing processes start while this one imports PyTorch to read the
    # study.
    with nullcontext() if watch else drawing() as pool:
        from bench.cli.grid import load_grid, report_grid
        from bench.jobs.store import RecordStore

        loaded, grid = load_grid(study, set_ or [], plugin or [])
        store = RecordStore(results, loaded.name)
        folder = out or results / "reports" / loaded.name
        if watch:
            from bench.cli.watch import watch_grid

            watch_grid(loaded, grid, store, folder, every=every, published=published)
        else:
            report_grid(loaded, grid, grid, store, folder, published=published, pool=pool)


def compare(
    study: StudyName,
    baseline: Annotated[
        str | None, option("--baseline", "LABEL", "Differences to this method (magnitude).")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Compare unequal conditions too, and mark it.")
    ] = False,
    set_: Overrides = None,
    plugin: Plugins = None,
    results: Results = DEFAULT_RESULTS,
    out: Out = None,
) -> None:
    """Compare a study's methods by paired statistics over its records.

    Refuses where rows differ in budget, checkpoint, training or code.
    """
    from bench import comparison
    from bench.cli.grid import load_grid
    from bench.common import screen
    from bench.jobs.store import RecordStore

    loaded, grid = load_grid(study, set_ or [], plugin or [])
    gathered = comparison.gather(grid, RecordStore(results, loaded.name))
    found = comparison.compare(loaded.title, gathered, baseline, anyway=anyway)
    folder = out or results / "reports" / loaded.name
    files = comparison.write_comparison(found, folder)
    screen.results.print(comparison.comparison_text(found), markup=False)
    screen.results.print(f"Written: {', '.join(map(str, files))}", markup=False)


def check(
    study: StudyName,
    published: Annotated[
        str | None, option("--published", "TABLE", "Only this published table.")
    ] = None,
    junit: Annotated[
        Path | None, option("--junit", "FILE.xml", "Write the verdicts as JUnit XML.")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Take these records as the new baseline.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail also where nothing is shown either way.")
    ] = False,
    baselines: Annotated[
        Path, option("--baselines", "DIR", "Folder of baselines (default: results/baselines).")
    ] = DEFAULT_RESULTS / "baselines",
    set_: Overrides = None,
    plugin: Plugins = None,
    results: Results = DEFAULT_RESULTS,
    out: Annotated[
        Path | None, option("--out", "DIR", "Write check.md and check.csv into this folder.")
    ] = None,
) -> None:
    """Judge a study's records against published values and against its baseline.

    Exits with 1 where a method got worse than the study's gate allows, and where there was nothing
    to compare: neither a baseline nor a published value of these results.
    """
    from bench.check.check import Options
    from bench.check.check import check as judge
    from bench.cli.grid import load_grid
    from bench.jobs.store import RecordStore

    loaded, grid = load_grid(study, set_ or [], plugin or [])
    options = Options(baselines, published, junit, out, update, strict)
    if not judge(loaded, grid, RecordStore(results, loaded.name), options):
        sys.exit(1)
