"""Where downloaded and computed data are on this machine: `BENCH_DATA` and `BENCH_MIRROR`."""

import os
from pathlib import Path


def data_folder() -> Path:
    """Return the folder of datasets and dense checkpoints: `BENCH_DATA`, or else a cache folder."""
    if chosen := os.environ.get("BENCH_DATA"):
        return Path(chosen).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "pruning-bench"


def mirrors() -> list[Path]:
    """Return the folders of `BENCH_MIRROR`, in order.

    They are searched before anything is downloaded.
    """
    listed = os.environ.get("BENCH_MIRROR", "")
    return [Path(entry).expanduser() for entry in listed.split(os.pathsep) if entry]
