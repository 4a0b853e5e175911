"""The datasets themselves: their real content and the formats they are decoded from."""

import hashlib
import json
import struct
from pathlib import Path

import pytest
import torch
from PIL import Image

import datasets
from bench.common.errors import UserError
from datasets import cifar10, mnist5k
from datasets.dataset import SourceError
from datasets.obtaining import idx

IDX_CONTENT = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6])


def test_mnist5k_splits_every_class_evenly_and_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    data = datasets.load("mnist5k")
    splits = {"train": 350, "validation": 50, "test": 100}
    seen: set[bytes] = set()
    for name, per_class in splits.items():
        split = getattr(data, name)
        assert split.images.shape == (10 * per_class, 1, 28, 28)
        assert (split.images.dtype, split.labels.dtype) == (torch.uint8, torch.int64)
        assert split.labels.bincount().tolist() == [per_class] * 10
        assert split.labels[:10].tolist() == list(range(10))
        seen |= {image.numpy().tobytes() for image in split.images}
    assert len(seen) == 5000
    again = datasets.load("mnist5k")
    assert torch.equal(again.train.images, data.train.images)


def test_mnist5k_takes_seven_one_and_two_of_every_ten() -> None:
    parts = mnist5k.read()
    zeros = parts["images"][parts["labels"] == 0]
    train, validation, test = mnist5k.split(parts)
    assert torch.equal(train.images[train.labels == 0][:8], zeros[[0, 1, 2, 3, 4, 5, 6, 10]])
    assert torch.equal(validation.images[validation.labels == 0][:2], zeros[[7, 17]])
    assert torch.equal(test.images[test.labels == 0][:3], zeros[[8, 9, 18]])


def real(name: str) -> datasets.Dataset:
    """The real dataset from the user's own cache, so that it is downloaded once; or a skip."""
    try:
        return datasets.load(name)
    except UserError as error:
        pytest.skip(str(error))


def md5(count: int, images: torch.Tensor) -> str:
    """The MD5 of the original IDX file of so many MNIST images."""
    header = struct.pack(">4B3I", 0, 0, 8, 3, count, 28, 28)
    return hashlib.md5(header + images.numpy().tobytes()).hexdigest()


def test_mnist_real() -> None:
    data = real("mnist")
    assert [len(split) for split in (data.train, data.validation, data.test)] == [
        55000,
        5000,
        10000,
    ]
    assert data.train.images.shape[1:] == (1, 28, 28)
    assert data.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert data.test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    whole = torch.cat([data.train.images, data.validation.images])
    assert md5(60000, whole) == "6bbc9ace898e44ae57da46a324031adb"
    assert md5(10000, data.test.images) == "2646ac647ad5339dbf082846283269ea"


def test_cifar10_real() -> None:
    data = real("cifar10")
    assert [len(split) for split in (data.train, data.validation, data.test)] == [
        45000,
        5000,
        10000,
    ]
    assert data.train.images[0, :, 0, :2].T.tolist() == [[59, 62, 63], [43, 46, 45]]
    assert data.test.images[0, :, 0, 0].tolist() == [158, 112, 49]
    assert data.train.labels[:4].tolist() == [6, 9, 9, 4]
    labels = torch.cat([data.train.labels, data.validation.labels])
    assert labels.bincount().tolist() == [5000] * 10
    pixels = torch.cat([data.train.images, data.validation.images]).transpose(0, 1).flatten(1)
    counts = torch.stack([channel.bincount(minlength=256) for channel in pixels]).double()
    levels = torch.arange(256) / 255
    mean = counts @ levels.double() / counts.sum(1)
    # The published means have four decimals.
    assert torch.allclose(mean, torch.tensor([0.4914, 0.4822, 0.4465]).double(), atol=5e-5, rtol=0)


@pytest.mark.parametrize("name", ["mnist5k", "mnist", "cifar10"])
def test_definition_is_named_as_registered_and_knows_its_shape(name: str) -> None:
    definition = datasets.DATASETS[name]
    assert definition.name == name
    assert definition.shape == ((3, 32, 32) if name == "cifar10" else (1, 28, 28))


def test_idx_of_hand_made_bytes() -> None:
    assert idx.parse(IDX_CONTENT).tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\x00", IDX_CONTENT[:-1], IDX_CONTENT + b"\x00", b"\x00\x00\x0d" + IDX_CONTENT[3:]],
    ids=["empty", "header cut", "one byte less", "one byte more", "floats"],
)
def test_idx_refuses(content: bytes) -> None:
    with pytest.raises(SourceError, match="IDX file"):
        idx.parse(content)


def test_cifar10_pictures(tmp_path: Path) -> None:
    images = torch.randint(
        256, (12, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    for name, pair in zip(names, images.reshape(6, 2, 3, 32, 32), strict=True):
        rows = pair.permute(0, 2, 3, 1).reshape(2, 1024, 3)
        Image.fromarray(rows.numpy()).save(tmp_path / f"{name}.png")
    (tmp_path / "train_lables.json").write_text(json.dumps(list(range(10))))
    (tmp_path / "test_lables.json").write_text("[3, 8]")
    parts = cifar10.read_pictures(tmp_path)
    assert torch.equal(torch.cat([parts["train_images"], parts["test_images"]]), images)
    assert parts["train_labels"].tolist() == list(range(10))
    assert parts["test_labels"].tolist() == [3, 8]


def test_cifar10_picture_of_another_layout_is_refused(tmp_path: Path) -> None:
    Image.new("L", (1024, 2)).save(tmp_path / "grey.png")
    with pytest.raises(SourceError, match="1024 RGB pixels"):
        cifar10.read_picture(tmp_path / "grey.png")


def test_cifar10_original_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle

    from torchvision.datasets import CIFAR10

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()

    def batch(name: str, content: dict[str, object]) -> list[str]:
        (folder / name).write_bytes(pickle.dumps(content))
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    image = torch.arange(3072) % 251
    one = {"data": image.byte().reshape(1, 3072).numpy(), "labels": [7]}
    monkeypatch.setattr(CIFAR10, "train_list", [batch("data_batch_1", one)])
    monkeypatch.setattr(CIFAR10, "test_list", [batch("test_batch", one)])
    meta = batch("batches.meta", {"label_names": ["a"]})
    described = {"filename": meta[0], "key": "label_names", "md5": meta[1]}
    monkeypatch.setattr(CIFAR10, "meta", described)
    parts = cifar10.read_batches(folder)
    assert torch.equal(parts["train_images"], image.byte().reshape(1, 3, 32, 32))
    assert parts["test_labels"].tolist() == [7]
    (folder / "test_batch").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(SourceError, match="damaged"):
        cifar10.read_batches(folder)
