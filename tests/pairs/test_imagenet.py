"""ImageNet from the user's own folder, and its pairs, on a small folder of real images."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from support.pictures import CLASSES, write_folder

import datasets
from bench.common.errors import UserError
from bench.pairs import PAIRS, checkpoint
from bench.pairs.mobilenetv1 import MobileNetV1
from bench.pairs.preparing.prepare import prepare
from bench.pairs.resnet50 import resnet50
from datasets.folder import contents

CPU = torch.device("cpu")
PLUGIN = """
from dataclasses import replace
from bench.pairs import PAIRS as STANDARD

def resnet50():
    from torchvision.models import resnet50 as network
    return network(num_classes=6)

published = STANDARD["resnet50-imagenet"]
dense = replace(published.dense, file={file!r}, sha256={sha256!r})
own = replace(
    published, name="resnet50-mine", model=resnet50, dense=dense, dense_accuracy=None
)
PAIRS = {{"resnet50-mine": own}}
"""
STUDY = """
pairs = ["resnet50-mine"]
plugins = ["plugin.py"]
allocations = ["global"]
sparsities = [0.8]
seeds = [0]

[budget]
calibration_examples = 2
backward_passes = 2

[methods]
magnitude = {}
woodfisher = { samples = 2, blocks = "layer" }
"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return write_folder(tmp_path_factory.mktemp("mirror") / "imagenet")


@pytest.fixture
def folder(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to spoil, named by the environment variable; nothing else is on this machine."""
    copy = tmp_path / "pictures"
    shutil.copytree(pictures, copy)
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("BENCH_MIRROR", raising=False)
    monkeypatch.setenv("BENCH_IMAGENET", str(copy))
    return copy


def names(split: datasets.FolderSplit) -> list[str]:
    return [Path(path).parent.name + "/" + Path(path).stem for path in split.paths]


def test_the_last_tenth_of_each_class_validates(folder: Path) -> None:
    data = datasets.load("imagenet")
    assert data.classes == 6
    assert names(data.train) == [f"{name}/{n:02}" for name in CLASSES for n in (0, 1, 2)]
    assert names(data.validation) == [f"{name}/03" for name in CLASSES]
    assert names(data.test) == [f"{name}/{n:02}" for name in CLASSES for n in (4, 5)]
    assert data.test.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    for label, more in ((2, 50), (3, 7)):
        place = folder / "train" / CLASSES[label]
        for number in range(more):
            (place / f"a{number:02}.JPEG").symlink_to(place / "00.JPEG")
    counts = datasets.load("imagenet").validation.labels.bincount()
    assert counts.tolist() == [1, 1, 6, 2, 1, 1]


def test_at_most_ten_of_a_class_validate(folder: Path) -> None:
    place = folder / "train" / CLASSES[0]
    for number in range(130):
        (place / f"x{number:03}.png").symlink_to(place / "01.png")
    chosen = datasets.load("imagenet").validation
    assert names(chosen)[:10] == [f"{CLASSES[0]}/x{number}" for number in range(120, 130)]
    assert chosen.labels.bincount().tolist() == [10, 1, 1, 1, 1, 1]


def test_the_digest_of_a_small_folder_is_of_contents_too(folder: Path, monkeypatch) -> None:
    first = datasets.load("imagenet").digest
    path = folder / "train" / CLASSES[0] / "01.png"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    second = datasets.load("imagenet").digest
    assert first != second
    monkeypatch.setattr("datasets.folder.SMALL", 0)
    large = datasets.load("imagenet").digest
    path.write_bytes(bytes(len(content)))
    assert datasets.load("imagenet").digest == large != second


def test_the_digest_is_of_names_and_sizes(folder: Path, pictures: Path, monkeypatch) -> None:
    data = datasets.load("imagenet")
    assert re.fullmatch("[0-9a-f]{64}", data.digest)
    monkeypatch.setenv("BENCH_IMAGENET", str(pictures))
    assert datasets.load("imagenet").digest == data.digest
    monkeypatch.setenv("BENCH_IMAGENET", str(folder))
    with (folder / "val" / CLASSES[5] / "05.JPEG").open("ab") as file:
        file.write(b" ")
    longer = datasets.load("imagenet").digest
    (folder / "val" / CLASSES[5] / "05.JPEG").rename(folder / "val" / CLASSES[5] / "06.JPEG")
    assert len({data.digest, longer, datasets.load("imagenet").digest}) == 3


@pytest.mark.parametrize("where", ["BENCH_IMAGENET", "BENCH_DATA", "BENCH_MIRROR"])
def test_the_folder_is_found(pictures: Path, tmp_path: Path, monkeypatch, where: str) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    monkeypatch.delenv("BENCH_IMAGENET", raising=False)
    monkeypatch.delenv("BENCH_MIRROR", raising=False)
    absent = datasets.available("imagenet")
    assert not absent
    assert "name your folder with train/CLASS/* and val/CLASS/* in BENCH_IMAGENET" in absent.reason
    monkeypatch.setenv(where, str(pictures if where == "BENCH_IMAGENET" else pictures.parent))
    assert datasets.available("imagenet").reason == f"imagenet is at {pictures}."
    fetched = datasets.fetch("imagenet")
    data = datasets.load("imagenet")
    assert contents(data).startswith("18 training, 6 validation and 12 test images of 6 classes")
    assert str(fetched) == f"imagenet: {contents(data)}, {pictures}"


def test_a_missing_or_malformed_folder_is_said(folder: Path, monkeypatch) -> None:
    def refused(message: str) -> None:
        with pytest.raises(UserError, match=message):
            datasets.load("imagenet")

    with pytest.raises(UserError, match="has no source 'npm'. It is never downloaded"):
        datasets.fetch("imagenet", source="npm")
    (folder / "train" / CLASSES[0] / "notes.txt").write_text("not an image, and left out")
    datasets.load("imagenet")
    for path in sorted((folder / "train" / CLASSES[0]).glob("0[0-2].*")):
        path.unlink()
    refused(f"Class {CLASSES[0]} has one training image: two are needed")
    (folder / "train" / CLASSES[0] / "03.JPEG").unlink()
    refused(f"holds no images in folders of their classes: .*{CLASSES[0]}")
    shutil.rmtree(folder / "train" / CLASSES[0])
    refused(f"has 5 classes and .*/val 6, differing in {CLASSES[0]}: both need the same folders")
    shutil.rmtree(folder / "val")
    (folder / "val").mkdir()
    (folder / "val" / "ILSVRC2012_val_00000001.JPEG").write_bytes(b"flat, as it is distributed")
    refused("/val holds no images in folders of their classes: Couldn't find any class folder")
    shutil.rmtree(folder / "val")
    refused("/val holds no images in folders of their classes: No such file")
    monkeypatch.delenv("BENCH_IMAGENET")
    refused("imagenet is not on this machine. It is never downloaded: name your folder")


@pytest.mark.parametrize("pair", ["resnet50-imagenet", "mobilenetv1-imagenet"])
def test_weights_of_a_thousand_classes_are_refused_for_six(folder: Path, pair: str) -> None:
    with pytest.raises(UserError, match="has 6 classes .* tells 1,000 apart"):
        prepare(PAIRS[pair], CPU)


def test_what_is_prunable_is_what_str_and_woodfisher_count() -> None:
    def denominators(pair: str) -> tuple[int, int, int]:
        model = PAIRS[pair].model()
        prunable = PAIRS[pair].prunable_parameters(model)
        sizes = [model.get_parameter(name).numel() for name in prunable]
        return len(sizes), sum(sizes), sum(weight.numel() for weight in model.parameters())

    assert denominators("resnet50-imagenet") == (54, 25_502_912, 25_557_032)
    assert denominators("mobilenetv1-imagenet") == (28, 4_209_088, 4_231_976)


def test_mobilenetv1_is_timms() -> None:
    timm = pytest.importorskip("timm", reason="the extra `test` has timm, the oracle")
    theirs, ours = timm.create_model("mobilenetv1_100").eval(), MobileNetV1().eval()
    ours.load_state_dict(theirs.state_dict())
    inputs = 3 * torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours(inputs), theirs(inputs))


def test_the_users_own_weights_are_read_and_named(tmp_path: Path, monkeypatch) -> None:
    from safetensors.torch import save_file

    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    monkeypatch.delenv("BENCH_MIRROR", raising=False)
    dense = PAIRS["mobilenetv1-imagenet"].dense
    assert isinstance(dense, checkpoint.SuppliedWeights)
    with pytest.raises(UserError, match=r"yours to get from https://huggingface.co.*Place it as"):
        dense.load()
    path = tmp_path / "checkpoints" / dense.file
    path.parent.mkdir()
    weights = MobileNetV1().state_dict()
    save_file(weights, path)
    state, digest = dense.load()
    assert digest == checkpoint.sha256(path)
    assert all(torch.equal(state[name], weight) for name, weight in weights.items())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="is no whole safetensors file"):
        dense.load()


def test_resnet50_is_pruned_from_its_folder_to_its_record(bench, tmp_path) -> None:
    from torchvision.models import resnet50 as network

    write_folder(tmp_path / "imagenet", train=2, val=1)

    torch.manual_seed(0)
    path = tmp_path / "checkpoints" / "resnet50-mine.pth"
    path.parent.mkdir()
    torch.save(network(num_classes=6).state_dict(), path)
    plugin = PLUGIN.format(file=path.name, sha256=checkpoint.sha256(path))
    (tmp_path / "plugin.py").write_text(plugin)
    study = tmp_path / "study.toml"
    study.write_text(STUDY)
    results = tmp_path / "results"
    done = bench("run", study, "--results", results, BENCH_MIRROR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    records = [json.loads(file.read_text()) for file in results.glob("records/study/*.json")]
    assert {record["method"]: record["status"] for record in records} == {
        "magnitude": "ok",
        "woodfisher": "ok",
    }
    for record in records:
        assert record["prunable"] == 25_502_912 - 994 * 2048
        assert record["nonzero"] == record["prunable"] - round(0.8 * record["prunable"])
        assert record["test_examples"] == 6
        assert record["checkpoint_sha256"] == checkpoint.sha256(path)
        passes = 2 if record["method"] == "woodfisher" else 0
        assert record["spent"]["backward_passes"] == passes


def test_the_published_model_has_torchvisions_names() -> None:
    from torchvision.models import ResNet50_Weights

    dense = PAIRS["resnet50-imagenet"].dense
    assert isinstance(dense, checkpoint.PublishedWeights)
    weights = ResNet50_Weights.IMAGENET1K_V1
    assert dense.url == weights.url
    assert dense.file == weights.url.rpartition("/")[2]
    assert dense.file.removeprefix("resnet50-").removesuffix(".pth") == dense.sha256[:8]
    metrics = weights.meta["_metrics"]["ImageNet-1K"]
    assert PAIRS["resnet50-imagenet"].dense_accuracy == metrics["acc@1"]
    assert len(weights.meta["categories"]) == resnet50().fc.out_features
