"""Dense checkpoints: published files, verified, and the suite's own, cached with a hash."""

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


@dataclass(frozen=True)
class PublishedWeights:
    """A checkpoint file of others: looked for under `file` in the mirrors, else downloaded.

    `extract` takes what the file holds and gives the state dict in our names. `classes` are the
    types that the file may hold beside tensors; anything else is refused unread.
    """

    file: str
    sha256: str
    url: str
    extract: Callable[[dict[str, Any]], StateDict]
    classes: tuple[type, ...] = ()

    def path(self) -> Path:
        """The verified file on this machine; raises `UserError` where it can't be had."""
        path = _found(self.file)
        if path is None:
            path = _kept(self.file)
            self._download(path)
        verify(path, self.sha256)
        return path

    def load(self) -> tuple[StateDict, str]:
        """The state dict and the file's sha256; the file is read without running its pickles."""
        path = self.path()
        try:
            with torch.serialization.safe_globals(list(self.classes)):
                content = torch.load(path, map_location="cpu", weights_only=True)
            return self.extract(content), self.sha256
        except Exception as error:  # `extract` is the pair's own, and meets whatever is in the file
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
    """A safetensors file that the user places; which one it was, the sha256 of the record says.

    For weights whose checksum isn't known here: the pair's expected accuracy takes its place.
    `origin` says where it is to be had. Its names are those of our model.
    """

    file: str
    origin: str

    def load(self) -> tuple[StateDict, str]:
        """The state dict and the file's sha256; raises `UserError` where it can't be had."""
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


def _kept(file: str) -> Path:
    """Where a checkpoint lies in BENCH_DATA."""
    return data_folder() / "checkpoints" / file


def _found(file: str) -> Path | None:
    """The checkpoint on this machine: in a mirror, or in BENCH_DATA."""
    places = [folder / "checkpoints" / file for folder in mirrors()] + [_kept(file)]
    return next((path for path in places if path.is_file()), None)


def _by_hand(file: str) -> str:
    return (
        f"Place it as {_kept(file)}, or name a folder that holds checkpoints/{file} in "
        "BENCH_MIRROR."
    )


def completed(model: nn.Module, state: StateDict) -> StateDict:
    """The state with every name of a tied tensor that the file, as some do, holds under one only.

    Raises `UserError` where the file has different numbers for names that the model ties.
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
    """The model's state dict as the content of a safetensors file.

    Each tensor is written whole, in row-major order: one that is shared, a view, or expanded takes
    its own place. Raises `UserError` for a state that isn't made of tensors.
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
    """What the value is, unless it is a dense tensor."""
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    return None if value.layout is torch.strided else f"a tensor of the layout {value.layout}"


def save(path: Path, model: nn.Module, facts: dict[str, Any]) -> str:
    """Write the model's weights and a manifest beside them; gives the weights' sha256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = serialized(model)
    digest = hashlib.sha256(weights).hexdigest()
    with replacing(path) as file:
        file.write(weights)
    with replacing(path.with_suffix(".json")) as file:
        file.write(json.dumps({"sha256": digest, **facts}, indent=1).encode())
    return digest


def load(path: Path) -> tuple[StateDict, str]:
    """The weights that `save` wrote and their sha256; raises `UserError` where they differ."""
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
    """The file's sha256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
