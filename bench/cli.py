"""The commands: list what there is, fetch data, run a study, and report on its records."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from bench.record import Record, RecordStore
    from bench.study import Entry, Study

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _option(name: str, metavar: str, text: str, **more: Any) -> Any:
    return typer.Option(name, metavar=metavar, help=text, show_default=False, **more)


StudyName = Annotated[
    str,
    typer.Argument(metavar="STUDY", help="A built-in study's name, or the path of a TOML file."),
]
Results = Annotated[Path, _option("--results", "DIR", "Folder of the records (default: results).")]
Out = Annotated[
    Path | None,
    _option("--out", "DIR", "Folder for tables and figures (default: RESULTS/reports/STUDY)."),
]
Plugins = Annotated[
    list[Path] | None,
    _option("--plugin", "FILE.py", "A file with METHODS or PAIRS of your own; its code is run."),
]
Overrides = Annotated[
    list[str] | None,
    _option("--set", "METHOD.FIELD=VALUE", "Change a hyper-parameter of the study's method."),
]
DEFAULT_RESULTS = Path("results")


@app.callback()
def configure(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")] = False,
) -> None:
    """Compare neural-network pruning methods under identical, enforced budgets.

    Options that filter or change a study may be given several times.
    """
    from bench.screen import configure_logging

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
    from bench import screen
    from bench.catalogue import tables

    _load_plugins(plugin or [])
    for table in tables(kind):
        screen.results.print(table, "")


@app.command()
def run(
    study: StudyName,
    pair: Annotated[list[str] | None, _option("--pair", "NAME", "Only this pair.")] = None,
    method: Annotated[
        list[str] | None, _option("--method", "LABEL", "Only the method with this label.")
    ] = None,
    allocation: Annotated[
        list[str] | None, _option("--allocation", "NAME", "Only this allocation.")
    ] = None,
    sparsity: Annotated[
        list[float] | None, _option("--sparsity", "FRACTION", "Only this fraction removed.")
    ] = None,
    seed: Annotated[list[int] | None, _option("--seed", "N", "Only this seed.")] = None,
    protocol: Annotated[
        list[str] | None, _option("--protocol", "NAME", "Only this protocol.")
    ] = None,
    set_: Overrides = None,
    plugin: Plugins = None,
    results: Results = DEFAULT_RESULTS,
    out: Out = None,
    device: Annotated[
        str, _option("--device", "DEVICE", "Where to compute: cpu, cuda, cuda:1 (default: cpu).")
    ] = "cpu",
    memory: Annotated[
        int,
        _option(
            "--memory", "MIB", "Memory for one chunk of calibration data (default: 1024).", min=1
        ),
    ] = 1024,
) -> None:
    """Run a study's jobs, skipping those already recorded, and write its tables and figures.

    Exits with 1 if a job failed. A stopped run goes on where it was with the same command.
    """
    from bench.environment import choose_device
    from bench.filters import Filters
    from bench.record import RecordStore

    loaded, grid = _grid(study, set_ or [], plugin or [])
    filters = Filters(
        pair or (), method or (), allocation or (), sparsity or (), seed or (), protocol or ()
    )
    entries = filters.apply(grid)
    where = choose_device(device)
    store = RecordStore(results, loaded.name)
    store.prepare()
    records = _run(loaded, entries, where, store, memory * 2**20)
    _report(loaded, grid, entries, store, out or results / "reports" / loaded.name)
    if any(record.status == "failed" for record in records):
        sys.exit(1)


@app.command()
def report(
    study: StudyName,
    set_: Overrides = None,
    plugin: Plugins = None,
    results: Results = DEFAULT_RESULTS,
    out: Out = None,
) -> None:
    """Write a page, tables (LaTeX, Markdown, CSV) and figures (PDF, PNG) of a study's records."""
    from bench.record import RecordStore

    loaded, grid = _grid(study, set_ or [], plugin or [])
    store = RecordStore(results, loaded.name)
    _report(loaded, grid, grid, store, out or results / "reports" / loaded.name)


@app.command()
def compare(
    study: StudyName,
    baseline: Annotated[
        str | None, _option("--baseline", "LABEL", "Differences to this method (magnitude).")
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
    from bench import comparison, screen
    from bench.record import RecordStore

    loaded, grid = _grid(study, set_ or [], plugin or [])
    gathered = comparison.gather(grid, RecordStore(results, loaded.name))
    found = comparison.compare(loaded.title, gathered, baseline, anyway=anyway)
    where = out or results / "reports" / loaded.name
    files = comparison.write_comparison(found, where)
    screen.results.print(comparison.comparison_text(found), markup=False)
    screen.results.print(f"Written: {', '.join(map(str, files))}", markup=False)


@app.command()
def check(
    study: StudyName,
    published: Annotated[
        str | None, _option("--published", "TABLE", "Only this published table.")
    ] = None,
    junit: Annotated[
        Path | None, _option("--junit", "FILE.xml", "Write the verdicts as JUnit XML.")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Take these records as the new baseline.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail also where nothing is shown either way.")
    ] = False,
    baselines: Annotated[
        Path, _option("--baselines", "DIR", "Folder of baselines (default: results/baselines).")
    ] = DEFAULT_RESULTS / "baselines",
    set_: Overrides = None,
    plugin: Plugins = None,
    results: Results = DEFAULT_RESULTS,
    out: Annotated[
        Path | None, _option("--out", "DIR", "Write check.md and check.csv into this folder.")
    ] = None,
) -> None:
    """Judge a study's records against published values and against its baseline.

    Exits with 1 where a method got worse than the study's [gate] allows.
    """
    from bench.check import Options
    from bench.check import check as judge
    from bench.record import RecordStore

    loaded, grid = _grid(study, set_ or [], plugin or [])
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
        _option("--out", "DIR", "Folder for the files (default: RESULTS/measurements/NAME)."),
    ] = None,
) -> None:
    """Measure curvature itself on the published MLPNet: numbers (CSV) and figures (PDF, PNG)."""
    from bench import screen
    from bench.measurements import measure as take

    files = take(name, out or results / "measurements" / name)
    screen.results.print(f"Written: {', '.join(map(str, files))}", markup=False)


@app.command()
def fetch(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's name.")],
    source: Annotated[
        str | None, _option("--source", "NAME", "Only this source, not all in their order.")
    ] = None,
) -> None:
    """Get a dataset, verify it, and keep it in the cache folder (BENCH_DATA)."""
    import datasets
    from bench import screen

    with screen.bar(f"fetching {dataset}") as show:
        fetched = datasets.fetch(dataset, source, lambda what, n, of: show(n, of, what))
    screen.results.print(str(fetched), markup=False)


def _load_plugins(paths: list[Path]) -> None:
    from bench.plugins import load_plugin

    for path in paths:
        load_plugin(path)


def _grid(name: str, overrides: list[str], plugins: list[Path]) -> "tuple[Study, list[Entry]]":
    """The study with plugins loaded and overrides applied, and all its jobs."""
    from bench.filters import overridden
    from bench.study import load_study

    study = load_study(name)
    _load_plugins([*map(Path, study.plugins), *plugins])
    study = overridden(study, overrides)
    return study, study.entries()


def _run(
    study: "Study", entries: "list[Entry]", device: Any, store: "RecordStore", memory: int
) -> "list[Record]":
    """Make the pairs ready, then run the jobs behind a progress bar."""
    from bench import screen
    from bench.execute import execute, prepare_pairs

    with screen.bar("preparing") as show:
        names = [entry.job.pair for entry in entries]
        pairs = prepare_pairs(names, device, lambda what, n, of: show(n, of, what))
    reused = done = 0

    def advance(record: "Record", was_finished: bool) -> None:
        nonlocal reused, done
        reused, done = reused + was_finished, done + 1
        show(done, len(entries), study.name)
        if record.status != "ok" and not was_finished:
            message = f"{record.status}: {record.job()}: {record.reason}"
            screen.messages.print(message, markup=False, style="red")

    try:
        with screen.bar(study.name) as show:
            show(0, len(entries), study.name)
            records = execute(study.name, entries, pairs, store, advance, memory)
    except KeyboardInterrupt:
        screen.messages.print(
            f"Stopped: {done} of {len(entries)} jobs are recorded. "
            "The same command goes on with the rest."
        )
        sys.exit(130)
    if reused:
        screen.messages.print(f"{reused} of {len(entries)} jobs were recorded already.")
    return records


def _report(
    study: "Study",
    grid: "list[Entry]",
    shown: "list[Entry]",
    store: "RecordStore",
    out: Path,
) -> None:
    """Write the whole grid's report to `out`, and show the entries of `shown` on the screen."""
    from bench import screen
    from bench.report import Cell, summary_text, write_report

    cells = {
        entry.job.key: Cell(entry.label, entry.job, store.recover(entry.job.key)) for entry in grid
    }
    write_report(
        study.title,
        study.description,
        list(cells.values()),
        out,
        records=store.folder,
        against=study.figure,
    )
    screen.results.print(summary_text([cells[entry.job.key] for entry in shown]), markup=False)
    screen.results.print(f"Page to open in a browser: {out / 'report.html'}", markup=False)
    screen.results.print(f"Tables and figures: {out}", markup=False)
