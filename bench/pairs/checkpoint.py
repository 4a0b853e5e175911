"""Dense checkpoints: published files, which are verified, and the suite's own, which are cached."""

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor, nn

from bench.common.download import download_to
from bench.common.errors import UserError
from bench.common.files import replacing
from bench.common.folders import data_folder, mirrors

log = logging.getLogger(__name__)

StateDict = dict[str, Tensor]
"""A model's parameters and buffers by name."""


@dataclass(frozen=True)
class PublishedWeights:
    """A published checkpoint file: in a mirror or in BENCH_DATA, or else to be downloaded.

    `extract` turns the file's content into a state dict with our names. `classes` are the types
    that the file may hold beside tensors; a file with any other type is refused without being
    unpickled.
    """

    file: str
    sha256: str
    url: str
    extract: Callable[[dict[str, Any]], StateDict]
    classes: tuple[type, ...] = ()

    def path(self) -> Path:
        """Return the verified file on this machine; raises `UserError` if it can't be obtained."""
        path = _found(self.file)
        if path is None:
            path = _kept(self.file)
            self._download(path)
        verify(path, self.sha256)
        return path

    def load(self) -> tuple[StateDict, str]:
        """Return the state dict and the file's SHA-256; no code in the file's pickles is executed.

        Raises `UserError` if the file can't be obtained or holds something else.
        """
        path = self.path()
        try:
            with torch.serialization.safe_globals(list(self.classes)):
                content = torch.load(path, map_location="cpu", weights_only=True)
            return self.extract(content), self.sha256
        except Exception as error:  # `extract` is the pair's own and may raise anything
            raise UserError(
                f"The checkpoint {path} holds something other than the weights expected: {error}"
            ) from error

    def _download(self, target: Path) -> None:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as file:
                download_to(file, self.url, self.file)
        except (OSError, HTTPException) as error:
            raise UserError(
                f"The checkpoint {self.file} is not on this machine and can't be downloaded from "
                f"{self.url} ({error}). {_by_hand(self.file)}"
            ) from error


@dataclass(frozen=True)
class SuppliedWeights:
    """A safetensors file that the user provides; the record's SHA-256 tells which one it was.

    It is for weights whose checksum isn't known here; the check of the pair's expected accuracy
    takes its place. `origin` says where to get the file. Its names are those of our model.
    """

    file: str
    origin: str

    def load(self) -> tuple[StateDict, str]:
        """Return the state dict and the file's SHA-256; raises `UserError` if it isn't there."""
        path = _found(self.file)
        if path is None:
            raise UserError(
                f"The checkpoint {self.file} is not on this machine, and is yours to get from "
                f"{self.origin}. {_by_hand(self.file)}"
            )
        try:
            return load_file(path), sha256(path)
        except SafetensorError as error:
            raise UserError(
                f"The checkpoint {path} is no whole safetensors file ({error}): get it anew from "
                f"{self.origin}."
            ) from error


@dataclass(frozen=True, eq=False)
class GivenWeights:
    """The weights of a model that is in memory; their hash names them."""

    state: StateDict

    def load(self) -> tuple[StateDict, str]:
        """Return the state dict and the SHA-256 of its tensors' names and bits."""
        digest = hashlib.sha256()
        for name, value in self.state.items():
            if isinstance(value, Tensor) and value.layout is torch.strided:
                bits = value.detach().cpu().contiguous().flatten().view(torch.uint8)
                digest.update(name.encode() + bits.numpy().tobytes())
        return self.state, digest.hexdigest()


@dataclass(frozen=True)
class BuiltWeights:
    """The weights with which the pair's builder returns its model, such as one read from a folder.

    Their hash names them, as it does those of `GivenWeights`.
    """


def _kept(file: str) -> Path:
    """Return the path of a checkpoint in BENCH_DATA."""
    return data_folder() / "checkpoints" / file


def _found(file: str) -> Path | None:
    """Return the checkpoint's path on this machine, in a mirror or in BENCH_DATA, or None."""
    places = [folder / "checkpoints" / file for folder in mirrors()] + [_kept(file)]
    return next((path for path in places if path.is_file()), None)


def _by_hand(file: str) -> str:
    return (
        f"Place it as {_kept(file)}, or name a folder that holds checkpoints/{file} in "
        "BENCH_MIRROR."
    )


def completed(model: nn.Module, state: StateDict) -> StateDict:
    """Return the state with tied tensors under all their names; some files hold only one of them.

    Raises `UserError` if the file has different values for names that the model ties.
    """
    names: dict[int, list[str]] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        names.setdefault(id(tensor), []).append(name)
    found = dict(state)
    for tied in names.values():
        here = [name for name in tied if name in state]
        for name in tied if here else ():
            one, other = state[here[0]], found.setdefault(name, state[here[0]])
            if one is not other and not torch.equal(one, other):
                raise UserError(
                    f"The checkpoint has different numbers for {here[0]} and {name}, which the "
                    "model ties: take one of a model that ties them, or build it without."
                )
    return found


def serialized(model: nn.Module) -> bytes:
    """Return the model's state dict as the content of a safetensors file.

    Each tensor is written in full, in row-major order, also if it is shared, a view, or expanded.
    Raises `UserError` for a state that doesn't consist of dense tensors.
    """
    state = model.state_dict()
    try:
        plain = {
            name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, tensor in state.items()
        }
        return serialize(plain)
    except (
        AttributeError,
        TypeError,
        KeyError,
        ValueError,
        RuntimeError,
        SafetensorError,
    ) as error:
        odd = [f"{name} is {kind}" for name, value in state.items() if (kind := _odd(value))]
        raise UserError(
            f"The state of {type(model).__name__} can't be kept in a safetensors file "
            f"({', '.join(odd) or error}): it must be made of dense tensors."
        ) from error


def _odd(value: object) -> str | None:
    """Return what the value is, unless it is a dense tensor."""
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    return None if value.layout is torch.strided else f"a tensor of the layout {value.layout}"


def save(path: Path, model: nn.Module, facts: dict[str, Any]) -> str:
    """Write the model's weights, and a manifest beside them; return the weights' SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = serialized(model)
    digest = hashlib.sha256(weights).hexdigest()
    with replacing(path) as file:
        file.write(weights)
    with replacing(path.with_suffix(".json")) as file:
        file.write(json.dumps({"sha256": digest, **facts}, indent=1).encode())
    return digest


def load(path: Path) -> tuple[StateDict, str]:
    """Return the weights that `save` wrote and their SHA-256; raises `UserError` if they differ."""
    manifest = path.with_suffix(".json")
    try:
        digest = str(json.loads(manifest.read_bytes())["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"The manifest {manifest} is damaged ({type(error).__name__}): remove it, and run "
            "again to train the dense model anew."
        ) from error
    verify(path, digest)
    return load_file(path), digest


def verify(path: Path, expected: str) -> None:
    """Raise `UserError` unless the file has this sha256."""
    found = sha256(path)
    if found != expected:
        raise UserError(
            f"The checkpoint {path} has sha256 {found[:16]}…, expected {expected[:16]}…: it is "
            "truncated, altered or another file. Remove it and run again to get it anew."
        )


def sha256(path: Path) -> str:
    """Return the file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
