"""The options that several commands have; neither PyTorch nor pandas is imported here."""

from pathlib import Path
from typing import Annotated, Any

import typer


def option(name: str, metavar: str, text: str, **more: Any) -> Any:
    """Return an option whose default is named in its help text."""
    return typer.Option(name, metavar=metavar, help=text, show_default=False, **more)


StudyName = Annotated[
    str,
    typer.Argument(metavar="STUDY", help="A built-in study's name, or the path of a TOML file."),
]
Results = Annotated[Path, option("--results", "DIR", "Folder of the records (default: results).")]
Out = Annotated[
    Path | None,
    option("--out", "DIR", "Folder for tables and figures (default: RESULTS/reports/STUDY)."),
]
Plugins = Annotated[
    list[Path] | None,
    option(
        "--plugin", "FILE.py", "A file with METHODS, PAIRS or DATASETS of yours; its code is run."
    ),
]
Overrides = Annotated[
    list[str] | None,
    option("--set", "METHOD.FIELD=VALUE", "Change a hyper-parameter of the study's method."),
]
Executor = Annotated[
    str,
    option(
        "--executor",
        "NAME",
        "Where jobs run: local, ray, ray:ADDRESS, slurm, slurm:local (default: local).",
    ),
]
Jobs = Annotated[
    int | None,
    option("--jobs", "N", "Jobs at a time (default: 1; on Ray as many as fit).", min=1),
]
Gpus = Annotated[
    float,
    option("--gpus", "N", "GPUs or part of one for each job on a cluster (default: 1).", min=0.01),
]
SlurmOptions = Annotated[
    list[str] | None,
    option("--slurm", "KEY=VALUE", "An option of sbatch, such as partition=gpu or time=120."),
]
Devices = Annotated[
    str,
    option("--device", "DEVICE,...", "Where to compute: cpu, cuda, cuda:0,cuda:1 (default: cpu)."),
]
Memory = Annotated[
    int,
    option("--memory", "MIB", "Memory for one chunk of calibration data (default: 1024).", min=1),
]
Threads = Annotated[
    int | None,
    option(
        "--threads",
        "N",
        "Threads for each job (default: the cores, divided; on a cluster 1).",
        min=1,
    ),
]
Timeout = Annotated[
    float | None,
    option("--timeout", "SECONDS", "Stop a job that takes longer, and fail it.", min=0.001),
]
DEFAULT_RESULTS = Path("results")
"""The default folder of records and reports."""
