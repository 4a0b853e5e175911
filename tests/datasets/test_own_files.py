"""Image folders and Arrow files of the user's own: sizes, decoding once, and what is refused."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.common.errors import UserError
from datasets.dataset import FolderSplit
from datasets.folder import FolderDefinition
from datasets.inputs.folder_images import FolderImages
from datasets.inputs.pixels import rgb
from datasets.own import images as own_images
from datasets.own.arrow import ArrowFiles
from datasets.own.images import ImageFiles
from datasets.own.tensors import TensorDefinition

CLASSES = ("birch", "maple", "oak")
CPU = torch.device("cpu")


def encoded(number: int, label: int, kind: str = "JPEG") -> bytes:
    """A picture of 40 by 30 pixels, brighter in the band of its class."""
    pixels = np.full((30, 40, 3), 40 + number, np.uint8)
    pixels[:, :, label] = 200
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind)
    return content.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sixty JPEGs in folders of three classes, and an empty BENCH_DATA."""
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    for label, name in enumerate(CLASSES):
        (tmp_path / "leaves" / name).mkdir(parents=True)
        for number in range(20):
            path = tmp_path / "leaves" / name / f"{number:02}.jpg"
            path.write_bytes(encoded(number, label))
    return tmp_path / "leaves"


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each decoding took."""
    counts: list[int] = []
    real = own_images.decoded

    def counted(files, crop):
        counts.append(len(files))
        return real(files, crop)

    monkeypatch.setattr(own_images, "decoded", counted)
    return counts


def leaves(folder: Path, **more) -> TensorDefinition:
    settings = {"size": 16, "resize": 20} | more
    return TensorDefinition("leaves", ImageFiles(folder, **settings), 0.25)


def test_images_have_the_size_that_was_asked_for(folder, decodings) -> None:
    data = leaves(folder).dataset()
    assert data.classes == 3
    assert data.train.images.shape == (39, 3, 16, 16)
    assert data.train.images.dtype == torch.uint8
    assert [len(data.validation), len(data.test)] == [6, 15]
    brightest = data.test.images.float().mean((2, 3)).argmax(1)
    assert torch.equal(brightest, data.test.labels)
    assert leaves(folder, grey=True).dataset().train.images.shape == (39, 1, 16, 16)
    assert decodings == [60, 60]


def test_the_cut_is_the_middle_of_the_resized_image(folder) -> None:
    table = ImageFiles(folder, size=16, resize=20).read("leaves")
    first = Image.open(folder / "birch" / "00.jpg").resize((26, 20), Image.Resampling.BILINEAR)
    expected = np.asarray(first)[2:18, 5:21].transpose(2, 0, 1)
    np.testing.assert_allclose(table.inputs[0].numpy(), expected, atol=1)
    assert table.names == CLASSES


def test_images_are_decoded_once_until_a_file_or_the_size_changes(folder, decodings) -> None:
    first = leaves(folder).dataset()
    again = leaves(folder).dataset()
    assert decodings == [60]
    assert again.digest == first.digest
    (folder / "oak" / "00.jpg").write_bytes(encoded(99, 2))
    changed = leaves(folder).dataset()
    smaller = leaves(folder, size=12).dataset()
    assert decodings == [60, 60, 60]
    assert len({first.digest, changed.digest, smaller.digest}) == 3


def test_damaged_pixels_are_decoded_anew(folder, decodings, tmp_path, caplog) -> None:
    first = leaves(folder).dataset()
    (kept,) = (tmp_path / "data" / "datasets" / "decoded").glob("leaves-*.safetensors")
    whole = kept.read_bytes()
    for damaged in (whole[:-9] + b"x" + whole[-8:], whole[:100], b""):
        kept.write_bytes(damaged)
        assert leaves(folder).dataset().digest == first.digest
    assert decodings == [60] * 4
    assert caplog.text.count("is damaged: its images are decoded anew") == 3


def test_an_image_that_cant_be_read_is_said_with_the_dataset(folder) -> None:
    (folder / "oak" / "07.jpg").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"The dataset leaves: .*07.jpg can't be read as an image"):
        leaves(folder).dataset()


FAULTS = {
    "black borders": ({"size": 32, "resize": 20}, "resize must be at least the size 32, not 20"),
    "no size": ({"size": 0}, "size must be a number of pixels, not 0"),
    "a pair": ({"size": (8, 8)}, r"size must be a number of pixels, not \(8, 8\)"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_impossible_sizes_are_said(folder, name, monkeypatch) -> None:
    settings, message = FAULTS[name]
    with pytest.raises(UserError, match=f"The dataset leaves: {message}"):
        leaves(folder, **settings).dataset()
    monkeypatch.setenv("BENCH_OWN", str(folder))
    settings = {"resize": 16} | settings
    with pytest.raises(UserError, match=f"dataset own can't be used: {message}"):
        FolderDefinition("own", "leaves", "BENCH_OWN", **settings).dataset()


def test_absent_folders_and_classes_are_said(folder, tmp_path) -> None:
    with pytest.raises(UserError, match="The dataset leaves: There is no folder"):
        leaves(tmp_path / "nowhere").dataset()
    assert "no folder" in leaves(tmp_path / "nowhere").missing()
    (tmp_path / "flat").mkdir()
    with pytest.raises(UserError, match="must hold images in folders of classes"):
        leaves(tmp_path / "flat").dataset()
    (tmp_path / "other" / "birch").mkdir(parents=True)
    (tmp_path / "other" / "birch" / "0.jpg").write_bytes(encoded(0, 0))
    two = TensorDefinition("two", ImageFiles(folder, 8), ImageFiles(tmp_path / "other", 8))
    with pytest.raises(UserError, match="its test data: classes aren't those of data, differing"):
        two.dataset()


def test_a_folder_that_is_decoded_when_needed_has_its_size_too(folder, monkeypatch) -> None:
    for part in ("train", "val"):
        (folder.parent / "both" / part).parent.mkdir(exist_ok=True)
        (folder.parent / "both" / part).symlink_to(folder)
    monkeypatch.setenv("BENCH_BOTH", str(folder.parent / "both"))
    data = FolderDefinition("both", "leaves", "BENCH_BOTH", size=16, resize=20).dataset()
    large = FolderDefinition("both", "leaves", "BENCH_BOTH").dataset()
    assert data.digest != large.digest
    assert isinstance(data.test, FolderSplit)
    inputs, _ = FolderImages(data.test, None, CPU).batch(torch.arange(2))
    kept = ImageFiles(folder, size=16, resize=20).read("leaves").inputs[:2]
    assert torch.equal(inputs, kept / 255)


def test_an_image_is_read_from_its_bytes_as_from_its_file(folder) -> None:
    from datasets.inputs.pixels import Content

    deep = Image.fromarray(np.arange(0, 65000, 130, dtype=np.uint16).reshape(20, 25))
    for path in (folder / "oak" / "00.jpg", folder / "deep.png"):
        if path.suffix == ".png":
            deep.save(path)
        content = Content("row 3", path.read_bytes())
        assert np.array_equal(np.asarray(rgb(content)), np.asarray(rgb(str(path))))
    with pytest.raises(UserError, match="^row 3 can't be read as an image"):
        rgb(Content("row 3", b"nothing"))


def test_without_pyarrow_that_is_said(tmp_path, monkeypatch) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"needs pyarrow to be read: pip install 'pyarrow>=20'"):
        TensorDefinition("rows", ArrowFiles(tmp_path / "rows.parquet"), 0.5).dataset()


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What Hugging Face's `save_to_disk` writes of twelve rows, in two files."""
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    rows = range(12)
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pictures = [{"bytes": encoded(row, row % 3, "PNG"), "path": None} for row in rows]
    matrix = pa.list_(pa.list_(pa.float32()))
    table = pa.table(
        {
            "image": pa.array(pictures, image),
            "label": pa.array([row % 3 for row in rows], pa.int64()),
            "word": [CLASSES[row % 3] for row in rows],
            "vector": pa.array([[row, 0.5, -row] for row in rows], pa.list_(pa.float32())),
            "matrix": pa.array([[[row, 1.0], [2.0, 3.0]] for row in rows], matrix),
            "tokens": pa.array([[row, 7] for row in rows], pa.list_(pa.int32(), 2)),
            "height": pa.array([float(row) for row in rows]),
            "width": pa.array([2.0 * row for row in rows]),
            "ragged": [[1.0] * (1 + row % 2) for row in rows],
            "gaps": [None if row == 5 else 1.0 for row in rows],
        }
    )
    folder = tmp_path / "saved" / "train"
    folder.mkdir(parents=True)
    names = ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]
    for name, part in zip(names, (table.slice(0, 7), table.slice(7)), strict=True):
        with pa.ipc.new_stream(folder / name, table.schema) as stream:
            stream.write_table(part)
    listed = ", ".join(f'{{"filename": "{name}"}}' for name in names)
    (folder / "state.json").write_text(f'{{"_data_files": [{listed}], "_split": null}}')
    (tmp_path / "saved" / "dataset_dict.json").write_text('{"splits": ["train"]}')
    return folder


def read(place: Path, column="image", label="label", **more):
    return ArrowFiles(place, column, label, **more).read("rows")


def test_images_of_a_saved_dataset_are_those_of_their_files(saved, decodings) -> None:
    table = read(saved, size=16, resize=20)
    assert table.inputs.shape == (12, 3, 16, 16)
    assert table.labels.tolist() == [row % 3 for row in range(12)]
    assert table.inputs.float().mean((2, 3)).argmax(1).tolist() == table.labels.tolist()
    assert torch.equal(read(saved, size=16, resize=20).inputs, table.inputs)
    assert decodings == [12]


def test_numbers_and_lists_of_a_saved_dataset(saved) -> None:
    rows = torch.arange(12.0)
    vector = read(saved, "vector").inputs
    assert vector.dtype == torch.float32
    assert torch.equal(vector, torch.stack([rows, torch.full((12,), 0.5), -rows], dim=1))
    assert read(saved, "matrix").inputs.shape == (12, 2, 2)
    assert read(saved, "matrix").inputs[5].tolist() == [[5, 1], [2, 3]]
    assert read(saved, "tokens").inputs.tolist() == [[row, 7] for row in range(12)]
    assert read(saved, ("height", "width")).inputs.tolist() == [[r, 2.0 * r] for r in range(12)]
    assert read(saved, "height").inputs.shape == (12, 1)
    named = read(saved, "vector", "word")
    assert (named.names, named.labels.tolist()) == (CLASSES, [row % 3 for row in range(12)])


def test_parquet_and_arrow_files_by_name_folder_and_pattern(saved, tmp_path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    expected = read(saved, "vector")
    parts = []
    for path in sorted(saved.glob("*.arrow")):
        with pa.memory_map(str(path)) as source:
            parts.append(pa.ipc.open_stream(source).read_all())
    folder = tmp_path / "hub"
    folder.mkdir()
    for number, part in enumerate(parts):
        parquet.write_table(part, folder / f"train-{number:05}-of-00002.parquet")
    for place in (folder, folder / "train-*.parquet"):
        found = read(place, "vector")
        assert torch.equal(found.inputs, expected.inputs)
        assert torch.equal(found.labels, expected.labels)
        assert torch.equal(read(place, size=8).inputs, read(saved, size=8).inputs)
    assert len(read(folder / "train-00001-of-00002.parquet", "vector").labels) == 5
    with pa.ipc.new_file(tmp_path / "plain.arrow", parts[0].schema) as file:
        file.write_table(parts[0])
    assert len(read(tmp_path / "plain.arrow", "vector").labels) == 7


WRONG = {
    "no size": ({}, "column image holds images: say their size"),
    "no column": ({"input": "imgae", "size": 8}, "no column of .* 'imgae'. Did you mean 'image'"),
    "no label": ({"input": "vector", "label": "lable"}, "'lable'. Did you mean 'label'"),
    "ragged": ({"input": "ragged"}, "column ragged holds lists of 1 to 2 entries"),
    "gaps": ({"input": "gaps"}, "column gaps is empty in 1 of 12 rows"),
    "texts": ({"input": "word"}, "column word holds string, where numbers are expected"),
    "lists beside numbers": ({"input": ("height", "vector")}, "column vector holds lists"),
}


@pytest.mark.parametrize("name", WRONG)
def test_columns_that_cant_be_used_are_one_sentence(saved, name) -> None:
    settings, message = WRONG[name]
    with pytest.raises(UserError, match="^The dataset rows: ") as caught:
        TensorDefinition("rows", ArrowFiles(saved, **settings), 0.5).dataset()
    assert caught.match(message)
    assert "\n" not in str(caught.value)


def test_files_that_cant_be_used_are_one_sentence(saved, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.parquet").write_bytes(b"nothing")
    places = {
        saved.parent: "holds the splits train: name the folder of one",
        tmp_path / "empty": "holds no .parquet or .arrow files",
        tmp_path / "nowhere": "There is no file or folder",
        tmp_path / "bad.parquet": "can't be read as Arrow or Parquet",
    }
    for place, message in places.items():
        with pytest.raises(UserError, match=message) as caught:
            TensorDefinition("rows", ArrowFiles(place), 0.5).dataset()
        assert "\n" not in str(caught.value)
    state = saved / "state.json"
    state.write_text(state.read_text().replace("{", '{"_indices_files": [1], ', 1))
    with pytest.raises(UserError, match="flatten_indices"):
        read(saved, "vector")
