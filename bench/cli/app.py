"""The commands: list what there is, fetch data, run a study, and report on its records."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Literal

import typer

from bench.cli import committed
from bench.cli.options import (
    DEFAULT_RESULTS,
    Devices,
    Executor,
    Gpus,
    Jobs,
    Memory,
    Out,
    Overrides,
    Plugins,
    Results,
    SlurmOptions,
    StudyName,
    Threads,
    Timeout,
    option,
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def configure(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")] = False,
) -> None:
    """Compare neural-network pruning methods under identical, enforced budgets.

    Options that filter or change a study may be given several times.
    """
    from bench.common.screen import configure_logging

    configure_logging(verbose)


@app.command("list")
def list_(
    kind: Annotated[
        Literal["methods", "pairs", "studies", "datasets", "all"],
        typer.Argument(help="What to list."),
    ] = "all",
    plugin: Plugins = None,
) -> None:
    """List the methods, pairs, studies and datasets that there are."""
    from bench.cli.catalogue import tables
    from bench.cli.grid import load_plugins
    from bench.common import screen

    load_plugins(plugin or [])
    for table in tables(kind):
        screen.results.print(table, "")


@app.command()
def run(
    study: StudyName,
    pair: Annotated[list[str] | None, option("--pair", "NAME", "Only this pair.")] = None,
    method: Annotated[
        list[str] | None, option("--method", "LABEL", "Only the method with this label.")
    ] = None,
    allocation: Annotated[
        list[str] | None, option("--allocation", "NAME", "Only this allocation.")
    ] = None,
    sparsity: Annotated[
        list[float] | None, option("--sparsity", "FRACTION", "Only this fraction removed.")
    ] = None,
    seed: Annotated[list[int] | None, option("--seed", "N", "Only this seed.")] = None,
    protocol: Annotated[
        list[str] | None, option("--protocol", "NAME", "Only this protocol.")
    ] = None,
    set_: Overrides = None,
    plugin: Plugins = None,
    results: Results = DEFAULT_RESULTS,
    out: Out = None,
    device: Devices = "cpu",
    memory: Memory = 1024,
    executor: Executor = "local",
    jobs: Jobs = None,
    threads: Threads = None,
    gpus: Gpus = 1.0,
    timeout: Timeout = None,
    slurm: SlurmOptions = None,
) -> None:
    """Run a study's jobs, skipping those already recorded, and write its tables and figures.

    Exits with 1 if a job failed. A stopped run goes on where it was with the same command.
    """
    from bench.cli.drawing import drawing
    from bench.cli.grid import load_grid, report_grid
    from bench.cli.run import run_entries
    from bench.executors.options import Options
    from bench.jobs.record import RecordStore
    from bench.study.filters import Filters

    loaded, grid = load_grid(study, set_ or [], plugin or [])
    filters = Filters(
        pair or (), method or (), allocation or (), sparsity or (), seed or (), protocol or ()
    )
    entries = filters.apply(grid)
    plugins = [*map(Path, loaded.plugins), *(plugin or [])]
    devices = tuple(device.split(","))
    options = Options(jobs, devices, threads, timeout, plugins, executor, gpus, slurm or ())
    store = RecordStore(results, loaded.name)
    store.prepare()
    records = run_entries(loaded.name, entries, store, options, memory * 2**20)
    with drawing() as pool:
        where_to = out or results / "reports" / loaded.name
        report_grid(loaded, grid, entries, store, where_to, pool=pool)
    if any(record.status == "failed" for record in records):
        sys.exit(1)


@app.command()
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

    # Entered first: what draws gets ready while this process imports torch to read the study.
    with nullcontext() if watch else drawing() as pool:
        from bench.cli.grid import load_grid, report_grid
        from bench.jobs.record import RecordStore

        loaded, grid = load_grid(study, set_ or [], plugin or [])
        store = RecordStore(results, loaded.name)
        folder = out or results / "reports" / loaded.name
        if watch:
            from bench.cli.watch import watch_grid

            watch_grid(loaded, grid, store, folder, every=every, published=published)
        else:
            report_grid(loaded, grid, grid, store, folder, published=published, pool=pool)


@app.command()
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
    from bench.jobs.record import RecordStore

    loaded, grid = load_grid(study, set_ or [], plugin or [])
    gathered = comparison.gather(grid, RecordStore(results, loaded.name))
    found = comparison.compare(loaded.title, gathered, baseline, anyway=anyway)
    folder = out or results / "reports" / loaded.name
    files = comparison.write_comparison(found, folder)
    screen.results.print(comparison.comparison_text(found), markup=False)
    screen.results.print(f"Written: {', '.join(map(str, files))}", markup=False)


@app.command()
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
    from bench.jobs.record import RecordStore

    loaded, grid = load_grid(study, set_ or [], plugin or [])
    options = Options(baselines, published, junit, out, update, strict)
    if not judge(loaded, grid, RecordStore(results, loaded.name), options):
        sys.exit(1)


@app.command()
def measure(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="quadratic-model or curvature-pictures.")
    ],
    results: Results = DEFAULT_RESULTS,
    out: Annotated[
        Path | None,
        option("--out", "DIR", "Folder for the files (default: RESULTS/measurements/NAME)."),
    ] = None,
) -> None:
    """Measure curvature itself on the published MLPNet: numbers (CSV) and figures (PDF, PNG)."""
    from bench.common import screen
    from bench.measurements import measure as take

    files = take(name, out or results / "measurements" / name)
    screen.results.print(f"Written: {', '.join(map(str, files))}", markup=False)


@app.command()
def fetch(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's name.")],
    source: Annotated[
        str | None, option("--source", "NAME", "Only this source, not all in their order.")
    ] = None,
) -> None:
    """Get a dataset, verify it, and keep it in the cache folder (BENCH_DATA)."""
    import datasets
    from bench.common import screen

    with screen.bar(f"fetching {dataset}") as show:
        fetched = datasets.fetch(dataset, source, lambda what, n, of: show(n, of, what))
    screen.results.print(str(fetched), markup=False)


app.command()(committed.pack)
app.command()(committed.redraw)
