"""A dataset's way to this machine: the cache, original files, mirrors, and then the network."""

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
    """A `datasets/` folder on this machine: a mirror's, or `BENCH_DATA`'s with files by hand."""

    definition: Definition
    folder: Path
    name: str = "mirror"

    def at_hand(self) -> str | None:
        """The path of the preferred form found."""
        return next((str(path) for path in self.found()), None)

    def found(self) -> list[Path]:
        """What the folder holds of the dataset, in the order of preference."""
        places = [cache_name(self.definition), *(files.place for files in self.definition.files)]
        paths = [self.folder / place for place in places if (self.folder / place).exists()]
        return [path for path in paths if path != cache_path(self.definition)]

    def obtain(self, work: Path, progress: Progress) -> Parts:
        """The verified arrays of the first whole form. Raises `SourceError`."""
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
    """The file name of a dataset's cache form, here and in mirrors."""
    return f"{definition.name}.safetensors"


def cache_path(definition: Definition) -> Path:
    """Where the dataset is cached."""
    return data_folder() / "datasets" / cache_name(definition)


def candidates(definition: Definition, chosen: str | None = None) -> list[Source]:
    """Where the dataset is sought, in order; only those called `chosen`, where that is given."""
    folders = [data_folder(), *mirrors()]
    every: list[Source] = [Local(definition, folder / "datasets") for folder in folders]
    every += definition.sources
    names = list(dict.fromkeys(source.name for source in every))
    if chosen is not None and chosen not in names:
        raise unknown(f"source of {definition.name}", chosen, names)
    return [source for source in every if chosen in (None, source.name)]


def cached(definition: Definition, chosen: str | None, progress: Progress) -> tuple[Parts, bool]:
    """The verified arrays, and whether they had to be obtained for it. Raises `UserError`."""
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
    """As `cached`, one process at a time: the others wait and then find it in the cache."""
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
    """The arrays of the first source that has them right, and its name. Raises `UserError`."""
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
    """What to place where, for a machine that reaches no source."""
    folder = cache_path(definition).parent
    hints = [f"  {cache_name(definition)}: from a machine that has it, out of its {folder.name}/"]
    hints += [f"  {files.place}: {files.hint}" for files in definition.files]
    head = f"Place one of these in {folder}, or in datasets/ of a folder listed in BENCH_MIRROR:"
    return "\n".join([head, *hints])


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock on obtaining `path`; the system frees it when the process dies."""
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
    """An empty folder beside `path`, under its lock; what a killed process left goes first."""
    folder = path.with_name(f".{path.name}.partial")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
