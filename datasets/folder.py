"""Datasets in a folder of the user's own: a folder a class, images decoded when they are needed."""

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.common.errors import UserError
from bench.common.folders import data_folder, mirrors
from datasets.dataset import Dataset, FolderSplit

log = logging.getLogger(__name__)

SMALL = 2**28
"""Bytes of all files together up to which they are read whole to say which data they are."""

MOST = 10
"""Most images of a class that are set aside for validation."""


@dataclass(frozen=True)
class FolderDefinition:
    """A dataset that is never downloaded: `train/CLASS/*` and `val/CLASS/*` in one folder.

    The folder is the one that the environment variable `variable` names, else `name` in BENCH_DATA
    or in a folder of BENCH_MIRROR. What it holds can't be known beforehand, so there is no checksum
    to meet: instead the numbers of images and classes and a digest of the files go with the
    dataset. Of a large folder it is one of names and sizes, and says whether two runs had the same
    folder, not that a picture's pixels are unharmed.

    Classes are the folders' names, sorted. Test is `val`. Validation is the last tenth of each
    class's training files by name, rounded up and 10 at most; train is the rest.
    """

    name: str
    summary: str
    variable: str

    def folder(self) -> Path | None:
        """The folder on this machine, if there is one."""
        if chosen := os.environ.get(self.variable):
            return Path(chosen).expanduser()
        places = [folder / self.name for folder in (data_folder(), *mirrors())]
        return next((place for place in places if place.is_dir()), None)

    def dataset(self) -> Dataset:
        """Its three splits; no image is read. Raises `UserError`."""
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
            train=FolderSplit.of(learned),
            validation=FolderSplit.of(chosen),
            test=FolderSplit.of(test),
            digest=digest(folder, [*train, *test]),
        )
        log.info("%s at %s: %s", self.name, folder, contents(data))
        return data

    def by_hand(self) -> str:
        """How to place the folder."""
        return (
            f"It is never downloaded: name your folder with train/CLASS/* and val/CLASS/* in "
            f"{self.variable}, or place it (a link will do) as {data_folder() / self.name}, or as "
            f"{self.name} in a folder listed in BENCH_MIRROR."
        )

    def _listed(self, folder: Path) -> tuple[list[str], list[tuple[str, int]]]:
        """The classes and the image files, each with its class, both sorted."""
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


def contents(data: Dataset) -> str:
    """What a folder holds, in numbers, and the digest of its list of files."""
    return (
        f"{len(data.train):,} training, {len(data.validation):,} validation and "
        f"{len(data.test):,} test images of {data.classes:,} classes, digest {data.digest[:16]}"
    )


def digest(folder: Path, files: Sequence[tuple[str, int]]) -> str:
    """The sha256 of the files' sorted paths in the folder, each with its size in bytes.

    Where they have at most `SMALL` bytes together, the contents are in it too.
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
    """The files to learn from and those of the validation split. Raises `UserError`."""
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
    """The files of each class, which follow one another."""
    labels = torch.tensor([label for _, label in files])
    first = 0
    for count in labels.bincount().tolist():
        yield list(files[first : first + count])
        first += count


def _some(names: Sequence[str]) -> str:
    """The first few names."""
    return ", ".join(names[:5]) + (" and others" if len(names) > 5 else "")
