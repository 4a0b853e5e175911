"""The command `run`: it runs a study's jobs and writes its report."""

import sys
from pathlib import Path
from typing import Annotated

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
    from bench.cli.running import run_cells
    from bench.executors.options import Options
    from bench.jobs.store import RecordStore
    from bench.study.filters import Filters

    loaded, grid = load_grid(study, set_ or [], plugin or [])
    filters = Filters(
        pair or (), method or (), allocation or (), sparsity or (), seed or (), protocol or ()
    )
    cells = filters.apply(grid)
    plugins = [*map(Path, loaded.plugins), *(plugin or [])]
    devices = tuple(device.split(","))
    options = Options(jobs, devices, threads, timeout, plugins, executor, gpus, slurm or ())
    store = RecordStore(results, loaded.name)
    store.prepare()
    records = run_cells(loaded.name, cells, store, options, memory * 2**20)
    with drawing() as pool:
        where_to = out or results / "reports" / loaded.name
        report_grid(loaded, grid, cells, store, where_to, pool=pool)
    if any(record.status == "failed" for record in records):
        sys.exit(1)
