"""The cached form of a dataset: one safetensors file, verified every time it is read."""

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError

from datasets.dataset import Part, Parts

log = logging.getLogger(__name__)


class CorruptError(Exception):
    """Raised for arrays or a cache file that don't agree with the dataset's definition."""


def verify(parts: Parts, expected: Mapping[str, Part]) -> None:
    """Raise `CorruptError` unless `parts` has exactly the expected names, shapes and bytes."""
    if parts.keys() != expected.keys():
        raise CorruptError(f"it has the arrays {sorted(parts)}, not {sorted(expected)}")
    for name, part in expected.items():
        tensor = parts[name].contiguous()
        if tuple(tensor.shape) != part.shape:
            raise CorruptError(f"{name} has shape {tuple(tensor.shape)}, not {part.shape}")
        found = hashlib.sha256(tensor.numpy().data).hexdigest()
        if found != part.sha256:
            raise CorruptError(f"{name} has sha256 {found}, not {part.sha256}")


def read(path: Path, expected: Mapping[str, Part]) -> Parts:
    """Return the verified arrays of a cache file.

    The file is read, not memory-mapped: what was verified can't change afterwards. Raises
    `CorruptError` or `FileNotFoundError`.
    """
    try:
        parts = safetensors.torch.load(path.read_bytes())
    except SafetensorError as error:
        raise CorruptError(f"it is no whole safetensors file ({error})") from error
    verify(parts, expected)
    return parts


def write(path: Path, parts: Parts, source: str, work: Path) -> None:
    """Write a cache file atomically.

    `work` is a folder on the same file system for temporary files.
    """
    whole = {name: part.contiguous() for name, part in parts.items()}
    temporary = work / path.name
    with temporary.open("wb") as file:
        file.write(safetensors.torch.save(whole, metadata={"source": source}))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def origin(path: Path) -> str:
    """Return the source noted in the header of a cache file that `read` has accepted."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    return str(header.get("__metadata__", {}).get("source", "unknown"))


def set_aside(path: Path, reason: CorruptError) -> None:
    """Rename a corrupt cache file to `.corrupt`, and log it."""
    aside = path.with_name(path.name + ".corrupt")
    path.replace(aside)
    log.warning("%s is corrupt: %s. It is set aside as %s.", path, reason, aside.name)
