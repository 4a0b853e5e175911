"""Finds a dataset: in the cache, in original files, in mirrors, and only then in the network."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from bench.common.errors import UserError, unknown
from bench.common.folders import data_folder, mirrors
from datasets.dataset import Definition, Parts, Progress, Source, SourceError
from datasets.obtaining import cache
from datasets.obtaining.cache import CorruptError
from datasets.obtaining.sources import read_files

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Local:
    """A `datasets/` folder on this machine, in a mirror or in `BENCH_DATA` with files by hand."""

    definition: Definition
    folder: Path
    name: str = "mirror"

    def at_hand(self) -> str | None:
        """Return the path of the preferred form that the folder has, or None."""
        return next((str(path) for path in self.found()), None)

    def found(self) -> list[Path]:
        """Return the forms of the dataset that the folder has, in order of preference."""
        places = [cache_name(self.definition), *(files.place for files in self.definition.files)]
        paths = [self.folder / place for place in places if (self.folder / place).exists()]
        return [path for path in paths if path != cache_path(self.definition)]

    def obtain(self, work: Path, progress: Progress) -> Parts:
        """Return the verified arrays of the first intact form; raises `SourceError`."""
        reasons = []
        for path in self.found():
            progress(f"reading {path}", 0, None)
            try:
                return self._read(path, work)
            except (SourceError, CorruptError, OSError) as error:
                reasons.append(f"{path.name}: {error}")
                log.warning("%s can't be used: %s", path, error)
        raise SourceError("; ".join(reasons) or f"{self.folder} holds none of its files")

    def _read(self, path: Path, work: Path) -> Parts:
        if path.name == cache_name(self.definition):
            return cache.read(path, self.definition.parts)
        files = next(f for f in self.definition.files if self.folder / f.place == path)
        parts = read_files(files, path, work)
        cache.verify(parts, self.definition.parts)
        return parts


def cache_name(definition: Definition) -> str:
    """Return the name of a dataset's cache file, here and in mirrors."""
    return f"{definition.name}.safetensors"


def cache_path(definition: Definition) -> Path:
    """Return the path of the dataset's cache file."""
    return data_folder() / "datasets" / cache_name(definition)


def candidates(definition: Definition, chosen: str | None = None) -> list[Source]:
    """Return the sources in which to look for the dataset, in order, or only those named `chosen`.

    Raises `UserError` for a name that no source has.
    """
    folders = [data_folder(), *mirrors()]
    every: list[Source] = [Local(definition, folder / "datasets") for folder in folders]
    every += definition.sources
    names = list(dict.fromkeys(source.name for source in every))
    if chosen is not None and chosen not in names:
        raise unknown(f"source of {definition.name}", chosen, names)
    return [source for source in every if chosen in (None, source.name)]


def cached(definition: Definition, chosen: str | None, progress: Progress) -> tuple[Parts, bool]:
    """Return the verified arrays, and whether they had to be obtained first; raises `UserError`."""
    path, sought = cache_path(definition), candidates(definition, chosen)
    try:
        return cache.read(path, definition.parts), False
    except (CorruptError, FileNotFoundError):
        return _obtain(definition, sought, progress)
    except OSError as error:
        raise UserError(
            f"{path} can't be read: {error.strerror or error}. "
            "Set BENCH_DATA to a folder that you may read and write."
        ) from error


def _obtain(definition: Definition, sought: list[Source], progress: Progress) -> tuple[Parts, bool]:
    """Do as `cached`, in one process at a time: the others wait and then read the cache."""
    path = cache_path(definition)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path), _work(path) as work:
            try:
                return cache.read(path, definition.parts), False
            except CorruptError as error:
                cache.set_aside(path, error)
            except FileNotFoundError:
                pass
            parts, source = _first(definition, sought, work, progress)
            cache.write(path, parts, source, work)
            return parts, True
    except OSError as error:
        raise UserError(
            f"{definition.name} can't be kept in {path.parent}: {error.strerror or error}. "
            "Set BENCH_DATA to a folder with room that you may write to."
        ) from error


def _first(
    definition: Definition, sought: list[Source], work: Path, progress: Progress
) -> tuple[Parts, str]:
    """Return the arrays of the first source with correct ones, and its name; raises `UserError`."""
    reasons = []
    for number, source in enumerate(sought):
        folder = work / str(number)
        folder.mkdir()
        try:
            parts = source.obtain(folder, progress)
            cache.verify(parts, definition.parts)
        except (SourceError, CorruptError) as error:
            reasons.append(f"  {source.name}: {error}")
            log.info("%s from %s: %s", definition.name, source.name, error)
        else:
            log.info("%s comes from %s", definition.name, source.name)
            return parts, source.name
    raise UserError("\n".join([f"{definition.name} can't be had:", *reasons, by_hand(definition)]))


def by_hand(definition: Definition) -> str:
    """Return what to place where, for a machine that reaches no source."""
    folder = cache_path(definition).parent
    hints = [f"  {cache_name(definition)}: from a machine that has it, out of its {folder.name}/"]
    hints += [f"  {files.place}: {files.hint}" for files in definition.files]
    head = f"Place one of these in {folder}, or in datasets/ of a folder listed in BENCH_MIRROR:"
    return "\n".join([head, *hints])


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock on obtaining `path`; the system releases it if the process dies."""
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("another process is obtaining %s; waiting for it", path.name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _work(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`, under its lock.

    What a killed process left is deleted.
    """
    folder = path.with_name(f".{path.name}.partial")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
