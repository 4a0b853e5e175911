"""Tries mutants, a few at a time, each in a process forked from this one.

This process has imported torch, pytest and what else is slow, and nothing of the checkout: so a
child begins its tests at once, with the code of its own copy.
"""

import atexit
import contextlib
import gc
import importlib
import os
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from .checkout import Place

IMPORTS = (
    *("torch", "torchvision", "numpy", "pandas", "scipy.stats", "pydantic"),
    *("scikit_posthocs", "optuna", "matplotlib.pyplot", "pytest", "hypothesis", "typer"),
    *("tabulate", "mlxtend.data", "safetensors.torch", "curvlinops", "statsmodels.api", "timm"),
)
"""What takes long to import; what isn't installed is left out."""

MEMORY = 12 * 2**30
"""Bytes that a child may hold: a fault may ask for anything."""

T = TypeVar("T")
Outcome = Literal["killed", "survived", "timeout"]


@dataclass(frozen=True)
class Limits:
    """How long a run of tests may take, in seconds of the processor and of the clock."""

    processor: float
    clock: float


@dataclass
class Run(Generic[T]):
    """Tests that run in a child, and in the end how it exited and what processor time it took.

    `about` is what is tried, `tests` what pytest is called with, `data` the folder of data.
    """

    about: T
    tests: Sequence[str]
    limits: Limits
    place: Place
    data: Path
    pid: int = 0
    began: float = 0.0
    late: bool = False
    code: int = -1
    seconds: float = 0.0

    @property
    def outcome(self) -> Outcome:
        """What it says of a mutant: pytest exits with 1 for a failure, 2 and 4 for bad imports."""
        if self.late or self.code == -signal.SIGXCPU:
            return "timeout"
        if self.code == 0:
            return "survived"
        return "killed" if self.code < 0 or self.code in (1, 2, 3, 4) else "survived"


def warm_up() -> None:
    """Import what is slow, with one thread: a process of several can't be forked safely."""
    os.environ["OMP_NUM_THREADS"] = "1"
    for name in IMPORTS:
        with contextlib.suppress(ImportError), warnings.catch_warnings(action="ignore"):
            importlib.import_module(name)
    import hypothesis

    # A failing example needs no smaller one, and no run may remember those of another.
    hypothesis.settings.register_profile(
        "mutation",
        derandomize=True,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )
    hypothesis.settings.load_profile("mutation")
    gc.collect()
    gc.freeze()  # pytest collects garbage three times, which need not look at all of torch
    atexit.register(gc.unfreeze)


def run_all(
    places: Sequence[Place], waiting: Iterable[Callable[[Place], Run[T]]]
) -> Iterator[Run[T]]:
    """Start each run in a place as soon as one is free; gives them back as they end."""
    free, running = list(places), dict[int, Run[T]]()
    starts = iter(waiting)
    try:
        while True:
            while free and (start := next(starts, None)):
                run = start(free.pop())
                _begin(run)
                running[run.pid] = run
            if not running:
                return
            for run in _ended(running):
                del running[run.pid]
                yield run
                free.append(run.place)
    finally:
        for run in running.values():
            _stop(run)


def _ended(running: dict[int, Run[T]]) -> list[Run[T]]:
    """The runs that have ended, after waiting for a moment; those that are late are stopped."""
    ended = []
    for run in running.values():
        pid, status, usage = os.wait4(run.pid, os.WNOHANG)
        if pid:
            run.code = os.waitstatus_to_exitcode(status)
            run.seconds = usage.ru_utime + usage.ru_stime
            _stop(run)
            ended.append(run)
        elif time.monotonic() - run.began > run.limits.clock:
            run.late = True
            _stop(run)
    if not ended:
        time.sleep(0.02)
    return ended


def _begin(run: Run[Any]) -> None:
    run.began = time.monotonic()
    sys.stdout.flush()
    run.pid = os.fork()
    if run.pid == 0:
        code = 70
        try:
            os.setsid()
            code = _tests(run)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def _stop(run: Run[Any]) -> None:
    """End the child with all that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(run.pid, signal.SIGKILL)


def _tests(run: Run[Any]) -> int:
    """In the child: pytest on the tests, with output, folders and time of their own."""
    import pytest

    place, allowed = run.place, int(run.limits.processor) + 1
    with place.output.open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    resource.setrlimit(resource.RLIMIT_CPU, (allowed, allowed + 5))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    os.chdir(place.checkout)
    here = str(Path(__file__).resolve().parents[2])
    sys.path[:] = [str(place.checkout), *(p for p in sys.path if p not in ("", here))]
    os.environ["BENCH_DATA"] = str(run.data)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "pytest_timeout"]
    options += ["-m", "not slow and not speed", f"--basetemp={place.folder / 'scratch'}"]
    return int(pytest.main([*options, *run.tests]))
