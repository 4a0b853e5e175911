"""The IDX format of the original MNIST files (LeCun, Cortes, Burges 1998)."""

import gzip
import math
import zlib
from pathlib import Path

import torch
from torch import Tensor

from datasets.dataset import Parts, SourceError

FILES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
"""The names of MNIST's four files, by the arrays they hold."""
_UINT8 = 0x08
"""The code of the type uint8 in an IDX header."""


def parse(content: bytes) -> Tensor:
    """Return the uint8 array of an IDX file, with the shape in its header.

    The header is two zero bytes, the type, the number of dimensions, and each dimension as a
    big-endian 32-bit integer. Raises `SourceError` if the content isn't such a file or has another
    length.
    """
    if len(content) < 4 or content[:3] != bytes([0, 0, _UINT8]):
        raise SourceError(f"not an IDX file of bytes: it starts with {content[:4].hex(' ')!r}")
    start = 4 + 4 * content[3]
    shape = [int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4)]
    expected = start + math.prod(shape)
    if len(content) != expected:
        raise SourceError(f"an IDX file of shape {shape} has {expected} bytes, not {len(content)}")
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=start).reshape(shape)


def read(path: Path) -> Tensor:
    """Return the array of an IDX file, or of `path` + `.gz`; raises `SourceError`."""
    packed = path.with_name(path.name + ".gz")
    try:
        content = path.read_bytes() if path.exists() else gzip.decompress(packed.read_bytes())
    except FileNotFoundError as error:
        raise SourceError(f"{path.name} (or {packed.name}) is not in {path.parent}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{packed.name} can't be read: {error}") from error
    try:
        return parse(content)
    except SourceError as error:
        raise SourceError(f"{path.name} is {error}") from error


def read_folder(folder: Path) -> Parts:
    """Return the four MNIST arrays, images [n, 1, 28, 28] and labels [n]; raises `SourceError`."""
    parts = {name: read(folder / file) for name, file in FILES.items()}
    return {name: part.unsqueeze(1) if part.ndim == 3 else part for name, part in parts.items()}
