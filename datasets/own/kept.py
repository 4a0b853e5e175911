"""Keeps decoded pixels in BENCH_DATA, so that each image file is decoded once on a machine."""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

import safetensors.torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from torch import Tensor

from bench.common.errors import UserError
from bench.common.files import replacing
from bench.common.folders import data_folder

log = logging.getLogger(__name__)


def kept(name: str, key: str, decode: Callable[[], Tensor]) -> Tensor:
    """Return `decode()`, uint8, or what it returned when it was called before with this key.

    `key` must name all that the result depends on; `name` is the dataset's, and begins the file's
    name. The file has a checksum: a damaged one is decoded anew. One process decodes, others wait
    for it. Raises `UserError` if nothing can be written.
    """
    path = data_folder() / "datasets" / "decoded" / f"{name}-{key[:16]}.safetensors"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock")):
            found = _read(path)
            if found is None:
                found = decode().contiguous()
                content = {"pixels": found}
                with replacing(path) as file:
                    file.write(safetensors.torch.save(content, metadata={"sha256": _sha256(found)}))
            return found
    except OSError as error:
        raise UserError(
            f"The images of {name} can't be kept in {path.parent}: {error.strerror or error}. Set "
            "BENCH_DATA to a folder with room that you may write to."
        ) from error


def _read(path: Path) -> Tensor | None:
    """Return the file's pixels; None if there is no such file or it is damaged."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            pixels: Tensor = file.get_tensor("pixels").clone()
            if (file.metadata() or {}).get("sha256") == _sha256(pixels):
                return pixels
    except (SafetensorError, KeyError):
        pass
    log.warning("%s is damaged: its images are decoded anew", path)
    return None


def _sha256(pixels: Tensor) -> str:
    return hashlib.sha256(pixels.numpy().data).hexdigest()
