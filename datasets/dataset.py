"""What a dataset is: its splits, and the definition by which they are obtained and verified."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

Parts = dict[str, Tensor]
"""Decoded arrays by name, all uint8: images [n, channels, height, width] and labels [n], or a text.
"""

Progress = Callable[[str, int, int | None], None]
"""A function that is called with what is being done, the bytes so far and the bytes in all (None if
not known)."""


RESIZE, SIZE = 256, 224
"""The pixels of the shorter side after resizing, and of the square cut from the middle, as is usual
for ImageNet."""


class SourceError(Exception):
    """Raised if a source can't give the dataset.

    The message is the reason, and the next is tried.
    """


@dataclass(frozen=True)
class Split:
    """Inputs in memory, not normalised, and labels int64 [n], the number of each one's class.

    The inputs are images uint8 [n, channels, height, width], or [n, ...] of floating-point numbers
    or of tokens (int64). Labels that are tokens [n, ...] or floating-point are for another loss.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class FolderSplit:
    """Image files, decoded when they are needed, and labels int64 [n].

    Of each the shorter side is resized to `resize` pixels, then the middle `size` by `size` is cut
    out.
    """

    paths: Sequence[str]
    labels: Tensor
    size: int = SIZE
    resize: int = RESIZE

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def of(
        cls, files: Sequence[tuple[str, int]], size: int = SIZE, resize: int = RESIZE
    ) -> "FolderSplit":
        """Return the split of these files, each given with its class."""
        labels = torch.tensor([label for _, label in files])
        return cls([path for path, _ in files], labels, size, resize)


AnySplit = Split | FolderSplit


@dataclass(frozen=True)
class Dataset:
    """A dataset with a split to train on, one to validate choices on, and one to test on.

    `digest` identifies the data: it is the SHA-256 over the checksums of the decoded arrays, or
    over the list of files if they are in a folder of the user's own. `classes` is None where it
    isn't known how many there are.
    """

    name: str
    classes: int | None
    train: AnySplit
    validation: AnySplit
    test: AnySplit
    digest: str = ""


@dataclass(frozen=True)
class Part:
    """What a decoded array must be: its shape and the SHA-256 of its bytes in C order."""

    shape: tuple[int, ...]
    sha256: str


class Source(Protocol):
    """One way to obtain a dataset's decoded arrays."""

    @property
    def name(self) -> str:
        """The word that chooses the source: `load(..., source=name)`."""

    def at_hand(self) -> str | None:
        """Return what it would read on this machine, or None if it needs a network. Quick."""

    def obtain(self, work: Path, progress: Progress) -> Parts:
        """Return the arrays, still unverified; `work` is an empty folder. Raises `SourceError`."""


@dataclass(frozen=True)
class Files:
    """Original files that may be placed by hand in a `datasets/` folder.

    `place` is their path in that folder. With `sha256` it is an archive, which is unpacked first,
    and whose files are in its folder `inside`. `read` decodes the folder; it raises `SourceError`.
    """

    place: str
    hint: str
    read: Callable[[Path], Parts]
    sha256: str = ""
    inside: str = "."


@dataclass(frozen=True)
class Definition:
    """How a dataset is obtained, what its arrays must be and how they are split."""

    name: str
    summary: str
    classes: int
    parts: Mapping[str, Part]
    files: tuple[Files, ...]
    sources: tuple[Source, ...]
    split: Callable[[Parts], tuple[Split, Split, Split]]

    @property
    def shape(self) -> tuple[int, ...]:
        """The `(channels, height, width)` of one image."""
        return next(part.shape[1:] for part in self.parts.values() if len(part.shape) == 4)

    def dataset(self, parts: Parts) -> Dataset:
        """Return the dataset with the splits of the verified `parts`."""
        train, validation, test = self.split(parts)
        return Dataset(self.name, self.classes, train, validation, test, self.digest)

    @property
    def digest(self) -> str:
        """The SHA-256 over the names and checksums of all arrays."""
        lines = "".join(f"{name} {part.sha256}\n" for name, part in sorted(self.parts.items()))
        return hashlib.sha256(lines.encode()).hexdigest()


def split_tail(parts: Parts, validation: int = 5000) -> tuple[Split, Split, Split]:
    """Return train, validation and test; the last `validation` training images are validation."""
    images, labels = parts["train_images"], parts["train_labels"].long()
    test = Split(parts["test_images"], parts["test_labels"].long())
    train = Split(images[:-validation], labels[:-validation])
    return train, Split(images[-validation:], labels[-validation:]), test
