"""Weights of several files: all of them are verified, and one digest stands for all."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.common.errors import UserError
from bench.pairs import PAIRS, checkpoint
from bench.pairs.arrays import PublishedArrays
from bench.pairs.preparing.validation import check_settings

ARRAYS = {"w.npy": np.arange(6.0, dtype="float32").reshape(2, 3), "b.npy": np.ones(3)}


def read(content: dict[str, Any]) -> checkpoint.StateDict:
    return {"weight": content["w.npy"].T, "bias": content["b.npy"]}


@pytest.fixture
def dense(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PublishedArrays:
    """Two arrays in a mirror."""
    folder = tmp_path / "checkpoints" / "arrays"
    folder.mkdir(parents=True)
    for name, array in ARRAYS.items():
        np.save(folder / name, array)
    monkeypatch.setenv("BENCH_MIRROR", str(tmp_path))
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    digests = {name: checkpoint.sha256(folder / name) for name in ARRAYS}
    return PublishedArrays("arrays", url="http://127.0.0.1:9/", extract=read, arrays=digests)


def test_arrays_become_one_state_under_one_digest(dense: PublishedArrays) -> None:
    state, digest = dense.load()
    assert torch.equal(state["weight"], torch.tensor([[0.0, 3], [1, 4], [2, 5]]))
    assert torch.equal(state["bias"], torch.ones(3, dtype=torch.float64))
    listing = "".join(
        f"{checkpoint.sha256(dense.path() / name)}  {name}\n" for name in ("w.npy", "b.npy")
    )
    assert digest == dense.sha256 == hashlib.sha256(listing.encode()).hexdigest()
    other = dataclasses.replace(dense, arrays=dict(dense.arrays) | {"b.npy": "0" * 64})
    assert other.sha256 != digest


@pytest.mark.parametrize("name", ARRAYS)
def test_a_flipped_byte_in_any_file_is_refused(dense: PublishedArrays, name: str) -> None:
    path = dense.path() / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"{name} has sha256"):
        dense.load()


def test_a_file_that_is_missing_is_named(dense: PublishedArrays) -> None:
    (dense.path() / "b.npy").unlink()
    with pytest.raises(UserError, match=r"can't be downloaded from http://127.0.0.1:9/b\.npy"):
        dense.load()


def test_a_pickle_in_an_array_is_refused(dense: PublishedArrays) -> None:
    path = dense.path() / "b.npy"
    np.save(path, np.array([{"code": 1}], dtype=object))
    arrays = dict(dense.arrays) | {"b.npy": checkpoint.sha256(path)}
    with pytest.raises(UserError, match=r"something other than the weights expected.*pickle"):
        dataclasses.replace(dense, arrays=arrays).load()


def test_a_reader_that_misses_an_array_says_so(dense: PublishedArrays) -> None:
    wrong = dataclasses.replace(dense, extract=lambda content: {"x": content["absent.npy"]})
    with pytest.raises(UserError, match=r"something other than the weights expected.*absent"):
        wrong.load()


def test_a_pair_may_have_them() -> None:
    check_settings(PAIRS["lenet300-mnist"])
    assert isinstance(PAIRS["lenet300-mnist"].dense, PublishedArrays)
