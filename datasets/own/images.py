"""Image files in folders named after their classes, held in memory as pixels of one size."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from bench.common.errors import UserError
from datasets.folder import size_fault
from datasets.inputs.decoding import Interpolation, decoded, middle
from datasets.inputs.pixels import Encoded
from datasets.own.kept import kept
from datasets.own.table import Table


@dataclass(frozen=True)
class Pictures:
    """To which size and colours images are brought: uint8 [channels, size, size].

    The shorter side is resized to `resize` pixels (by default `size`), and the middle `size` by
    `size` is taken. There are three channels, or one if `grey`.
    """

    size: int
    resize: int | None = None
    grey: bool = False
    interpolation: Interpolation = "bilinear"

    def fault(self) -> str:
        """Return why no image can be brought to this; empty if all can."""
        return size_fault(self.size, self.size if self.resize is None else self.resize)

    def pixels(self, name: str, files: Sequence[Encoded], contents: str) -> Tensor:
        """Return the images [n, channels, size, size] of the dataset `name`, each decoded once.

        `contents` is the hash of the files' contents in their order. Raises `UserError`.
        """
        settings = f"{contents} {self.size} {self.resize} {self.grey} {self.interpolation}"
        key = hashlib.sha256(settings.encode()).hexdigest()
        return kept(name, key, lambda: decoded(files, lambda _, image: self.cut(image)))

    def cut(self, image: Image.Image) -> Image.Image:
        """Return the part of an image in mode RGB that is taken."""
        image = image.convert("L") if self.grey else image
        return middle(image, self.size, self.resize or self.size, self.interpolation)


@dataclass(frozen=True)
class ImageFiles:
    """`folder/CLASS/*`: the classes are the folders' names, sorted, and all images are used.

    For `size`, `resize` and the others see `Pictures`. The images are decoded once and kept, see
    `datasets/own/kept.py`; all of them together must fit into memory. Images of a larger dataset
    are decoded whenever they are needed by a `FolderDefinition`.
    """

    folder: str | Path
    size: int
    resize: int | None = None
    grey: bool = False
    interpolation: Interpolation = "bilinear"

    def missing(self) -> str:
        """Return that the folder isn't there, if it isn't."""
        path = Path(self.folder).expanduser()
        return "" if path.is_dir() else f"There is no folder {path}"

    def read(self, name: str) -> Table:
        """Return the table; raises `UserError` for what is no image, and where there are none."""
        from torchvision.datasets import ImageFolder

        pictures = Pictures(self.size, self.resize, self.grey, self.interpolation)
        if fault := pictures.fault() or self.missing():
            raise UserError(f"{fault}.")
        folder = Path(self.folder).expanduser()
        try:
            listing = ImageFolder(folder)
        except OSError as error:
            reason = str(error).partition(" Supported extensions")[0].rstrip(".")
            raise UserError(
                f"{folder} must hold images in folders of classes: {reason}."
            ) from error
        files: list[Encoded] = [path for path, _ in listing.samples]
        digest = hashlib.sha256()
        for file in files:
            content = Path(str(file)).read_bytes()
            digest.update(hashlib.sha256(content).digest())
        pixels = pictures.pixels(name, files, digest.hexdigest())
        return Table(pixels, torch.tensor(listing.targets), tuple(listing.classes))
