"""Datasets in a folder of the user's own: one folder per class, images decoded when needed."""

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.common.errors import UserError
from bench.common.folders import data_folder, mirrors
from datasets.dataset import RESIZE, SIZE, Dataset, FolderSplit

log = logging.getLogger(__name__)

SMALL = 2**28
"""The most bytes of all files together for which the digest covers the files' contents."""

MOST = 10
"""The most images of a class in the validation split."""


@dataclass(frozen=True)
class FolderDefinition:
    """A dataset that is never downloaded: `train/CLASS/*` and `val/CLASS/*` in one folder.

    The folder is the one that the environment variable `variable` names, otherwise `name` in
    BENCH_DATA or in a folder of BENCH_MIRROR. Its content isn't known beforehand, so there is no
    checksum to compare with: instead the numbers of images and classes and a digest of the files
    are part of the dataset. For a large folder the digest covers names and sizes only: it tells
    whether two runs had the same folder, but not whether a picture is undamaged.

    Classes are the folders' names, sorted. The test split is `val`. The validation split is the
    last tenth of each class's training files by name, rounded up and at most 10; the rest is the
    training split. Images are decoded when they are needed: the shorter side is resized to `resize`
    pixels, and the middle `size` by `size` is taken.
    """

    name: str
    summary: str
    variable: str
    size: int = SIZE
    resize: int = RESIZE

    def folder(self) -> Path | None:
        """Return the folder on this machine, or None."""
        if chosen := os.environ.get(self.variable):
            return Path(chosen).expanduser()
        places = [folder / self.name for folder in (data_folder(), *mirrors())]
        return next((place for place in places if place.is_dir()), None)

    def dataset(self) -> Dataset:
        """Return the dataset with its three splits; no image is read. Raises `UserError`."""
        if fault := size_fault(self.size, self.resize):
            raise UserError(f"The dataset {self.name} can't be used: {fault}.")
        folder = self.folder()
        if folder is None:
            raise UserError(f"{self.name} is not on this machine. {self.by_hand()}")
        classes, train = self._listed(folder / "train")
        others, test = self._listed(folder / "val")
        if classes != others:
            raise UserError(
                f"{folder}/train has {len(classes)} classes and {folder}/val {len(others)}, "
                f"differing in {_some(sorted(set(classes) ^ set(others)))}: both need the same "
                "folders."
            )
        learned, chosen = _held_out(train, classes)
        data = Dataset(
            name=self.name,
            classes=len(classes),
            train=FolderSplit.of(learned, self.size, self.resize),
            validation=FolderSplit.of(chosen, self.size, self.resize),
            test=FolderSplit.of(test, self.size, self.resize),
            digest=self._sized(digest(folder, [*train, *test])),
        )
        log.info("%s at %s: %s", self.name, folder, contents(data))
        return data

    def _sized(self, files: str) -> str:
        """Return the digest of the files at this size; at ImageNet's it is that of the files."""
        if (self.size, self.resize) == (SIZE, RESIZE):
            return files
        return hashlib.sha256(f"{files} {self.size} {self.resize}".encode()).hexdigest()

    def by_hand(self) -> str:
        """Return a sentence on how to place the folder."""
        return (
            f"It is never downloaded: name your folder with train/CLASS/* and val/CLASS/* in "
            f"{self.variable}, or place it (a link will do) as {data_folder() / self.name}, or as "
            f"{self.name} in a folder listed in BENCH_MIRROR."
        )

    def _listed(self, folder: Path) -> tuple[list[str], list[tuple[str, int]]]:
        """Return the classes, and the image files each with its class, both sorted."""
        from torchvision.datasets import ImageFolder

        try:
            listing = ImageFolder(folder)
        except OSError as error:
            reason = error.strerror or str(error).partition(" Supported extensions")[0]
            raise UserError(
                f"{folder} holds no images in folders of their classes: {reason.rstrip('.')}. "
                f"{self.by_hand()}"
            ) from error
        return listing.classes, listing.samples


def size_fault(size: object, resize: object) -> str:
    """Return why images can't be brought to this size; empty if they can."""
    for name, pixels in (("size", size), ("resize", resize)):
        if not isinstance(pixels, int) or isinstance(pixels, bool) or pixels < 1:
            return f"{name} must be a number of pixels, not {pixels!r}"
    if isinstance(size, int) and isinstance(resize, int) and resize < size:
        return f"resize must be at least the size {size}, not {resize}, or images get black borders"
    return ""


def contents(data: Dataset, what: str = "images") -> str:
    """Describe what a dataset of the user's own holds in numbers, and its digest."""
    classes = "" if data.classes is None else f" of {data.classes:,} classes"
    return (
        f"{len(data.train):,} training, {len(data.validation):,} validation and "
        f"{len(data.test):,} test {what}{classes}, digest {data.digest[:16]}"
    )


def digest(folder: Path, files: Sequence[tuple[str, int]]) -> str:
    """Return the SHA-256 of the files' sorted paths in the folder, each with its size in bytes.

    If the files have at most `SMALL` bytes together, their contents are included.
    """
    whole = hashlib.sha256()
    sizes = {Path(path): Path(path).stat().st_size for path, _ in sorted(files)}
    small = sum(sizes.values()) <= SMALL
    for file, size in sizes.items():
        whole.update(f"{file.relative_to(folder).as_posix()}\t{size}\n".encode())
        if small:
            whole.update(file.read_bytes())
    return whole.hexdigest()


def _held_out(
    files: Sequence[tuple[str, int]], classes: Sequence[str]
) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Return the files of the training split and of the validation split; raises `UserError`."""
    learned, chosen = [], []
    for name, members in zip(classes, _by_class(files), strict=True):
        if len(members) < 2:
            raise UserError(
                f"Class {name} has one training image: two are needed, one to learn from and one "
                "for the validation split."
            )
        count = min(MOST, -(-len(members) // 10))
        learned += members[:-count]
        chosen += members[-count:]
    return learned, chosen


def _by_class(files: Sequence[tuple[str, int]]) -> Iterator[list[tuple[str, int]]]:
    """Iterate over the files of each class, which are adjacent in the list."""
    labels = torch.tensor([label for _, label in files])
    first = 0
    for count in labels.bincount().tolist():
        yield list(files[first : first + count])
        first += count


def _some(names: Sequence[str]) -> str:
    """Return the first few names as text."""
    return ", ".join(names[:5]) + (" and others" if len(names) > 5 else "")
