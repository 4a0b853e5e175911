"""The commands: list what there is, fetch data, run a study, and report on its records."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from bench.cli import committed
from bench.cli.options import (
    DEFAULT_RESULTS,
    Plugins,
    Results,
    option,
)
from bench.cli.read import check, compare, report
from bench.cli.run import run

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
"""The application, whose commands are the functions below and those imported above."""


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
    from bench.cli.listing import tables
    from bench.cli.remembered import recall, remember
    from bench.common import screen

    found = None if plugin else recall(kind)
    if found is None:
        from bench.cli.catalogue import listing
        from bench.cli.grid import load_plugins

        load_plugins(plugin or [])
        found = listing(kind)
        if not plugin:
            remember(kind, found)
    for table in tables(found):
        screen.results.print(table, "")


app.command()(run)
app.command()(report)
app.command()(compare)
app.command()(check)


@app.command()
def measure(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="quadratic-model, curvature-pictures or method-costs."),
    ],
    results: Results = DEFAULT_RESULTS,
    out: Annotated[
        Path | None,
        option("--out", "DIR", "Folder for the files (default: RESULTS/measurements/NAME)."),
    ] = None,
) -> None:
    """Measure what no grid of jobs shows, of curvature and of costs: numbers and figures."""
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
