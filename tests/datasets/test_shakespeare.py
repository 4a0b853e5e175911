"""Tiny Shakespeare: its windows, its splits, and what is said where it isn't on the machine."""

import pytest
import torch
from support.texts import text

import datasets
from bench.common.errors import UserError
from datasets import shakespeare
from datasets.obtaining.sources import Web


def test_windows_follow_the_text() -> None:
    given = text()
    train, validation, test = shakespeare.split({"text": given})
    numbers = given.long() - 97
    learned = numbers[:30_600]
    kept, held = learned[:-25_601], learned[-25_601:]
    assert (len(train), len(validation), len(test)) == (len(kept) - 64, 400, 3399 // 64)
    for place in (0, 1, 777, len(train) - 1):
        assert torch.equal(train.images[place], kept[place : place + 64])
        assert torch.equal(train.labels[place], kept[place + 1 : place + 65])
    assert torch.equal(validation.images.flatten(), held[:-1])
    assert torch.equal(validation.labels.flatten(), held[1:])
    tested = test.labels.flatten()
    assert torch.equal(tested, numbers[30_601 : 30_601 + len(tested)])
    assert 3399 - len(tested) < 64


def test_training_windows_share_the_memory_of_the_text() -> None:
    train, _, _ = shakespeare.split({"text": text()})
    size = train.images.untyped_storage().nbytes()
    assert size == train.labels.untyped_storage().nbytes() == 8 * 34_000


def test_the_real_text() -> None:
    try:
        data = datasets.load("shakespeare")
    except UserError as error:
        pytest.skip(str(error))
    assert (len(data.train), len(data.validation), len(data.test)) == (978_189, 400, 1742)
    assert data.classes == 65 == 1 + int(data.train.labels[::64].max())
    symbols = "\n !$&',-.3:;?" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + "abcdefghijklmnopqrstuvwxyz"
    first = "".join(symbols[number] for number in data.train.images[0].tolist())
    assert first == "First Citizen:\nBefore we proceed any further, hear me speak.\n\nAl"
    tested = "".join(symbols[number] for number in data.test.images[0].tolist())
    assert tested.startswith("?\n\nGREMIO:\nGood morrow, neighbour Baptista.")


def test_where_to_place_the_text_is_said(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    monkeypatch.delenv("BENCH_MIRROR", raising=False)
    reason = datasets.available("shakespeare").reason
    assert f"Place one of these in {tmp_path}/datasets" in reason
    assert "tinyshakespeare.txt: published as https://raw.githubusercontent.com/karpathy" in reason
    other = tmp_path / "datasets" / "tinyshakespeare.txt"
    other.parent.mkdir()
    other.write_bytes(b"another text")
    nowhere = (tmp_path / "nowhere").as_uri()
    source = Web("github", lambda: [[nowhere]], shakespeare.TEXT)
    definition = shakespeare.SHAKESPEARE
    fields = {name: getattr(definition, name) for name in definition.__dataclass_fields__}
    changed = type(definition)(**fields | {"sources": (source,)})
    monkeypatch.setitem(datasets.DATASETS, "shakespeare", changed)
    with pytest.raises(UserError, match=r"mirror: tinyshakespeare.txt: text has shape \(12,\)"):
        datasets.load("shakespeare")


def test_a_download_is_read(tmp_path) -> None:
    (tmp_path / "there").mkdir()
    file = tmp_path / "there" / "input.txt"
    file.write_bytes(b"to be")
    source = Web("github", lambda: [[file.as_uri()]], shakespeare.TEXT)
    work = tmp_path / "work"
    work.mkdir()
    assert bytes(source.obtain(work, lambda *_: None)["text"].tolist()) == b"to be"
