"""Image files of every kind: read by value, as written by hand here, or refused by name."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from bench.common.errors import UserError
from datasets import FolderSplit
from datasets.inputs.folder_images import FolderImages
from datasets.inputs.images import Normalisation
from datasets.inputs.pixels import rgb

DEEP = np.random.default_rng(0).integers(0, 65536, (7, 5, 4))
DEEP[0] = [[0] * 4, [65535] * 4, [128] * 4, [129] * 4, [32768] * 4]
Values = NDArray[np.int64]


def eight(values: Values) -> Values:
    """What 16 bits are in 8: the nearest to a 257th, so that 0 and 65535 are black and white."""
    return np.rint(values / 257).astype(np.int64)


def png(path: Path, values: Values, colour: int) -> Path:
    """16 bits a channel, by the format's definition; `colour` 0 grey, 2 RGB, 4 and 6 with alpha."""
    height, width = values.shape[:2]
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    head = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    content = b"\x89PNG\r\n\x1a\n"
    for name, data in chunks:
        content += struct.pack(">I", len(data)) + name + data
        content += struct.pack(">I", zlib.crc32(name + data))
    path.write_bytes(content)
    return path


def tiff(
    path: Path,
    values: NDArray,
    order: str = "<",
    photometric: int = 1,
    kind: int = 1,
    bits: int = 0,
) -> Path:
    """Uncompressed; `kind` 1 is unsigned, 2 signed, 3 floating point."""
    height, width, *channels = values.shape
    samples = channels[0] if channels else 1
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    size = bits or 8 * values.dtype.itemsize
    start = 8 + 2 + 12 * 10 + 4
    extra = b""
    depth = (258, 3, 1, size)
    if samples > 1:
        extra = struct.pack(f"{order}{samples}H", *[size] * samples)
        depth = (258, 3, samples, start)
    place = start + len(extra)
    tags = [
        *((256, 4, 1, width), (257, 4, 1, height), depth, (259, 3, 1, 1)),
        *((262, 3, 1, photometric), (273, 4, 1, place), (277, 3, 1, samples)),
        *((278, 4, 1, height), (279, 4, 1, len(data)), (339, 3, 1, kind)),
    ]
    content = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    content += struct.pack(f"{order}H", len(tags))
    for number, form, count, value in tags:
        short = form == 3 and count == 1
        content += struct.pack(f"{order}HHI", number, form, count)
        content += struct.pack(
            f"{order}HH" if short else f"{order}I", *([value, 0] if short else [value])
        )
    path.write_bytes(content + struct.pack(f"{order}I", 0) + extra + data)
    return path


def pixels(path: Path) -> Values:
    image = rgb(str(path))
    assert image.mode == "RGB"
    return np.asarray(image).astype(np.int64)


def grey(values: Values) -> Values:
    return np.repeat(values[:, :, None], 3, axis=2)


def test_sixteen_bits_of_a_png_are_read_by_value(tmp_path: Path) -> None:
    for colour, channels in ((0, 1), (2, 3), (4, 2), (6, 4)):
        values = DEEP[:, :, :channels]
        found = pixels(png(tmp_path / "x.png", values, colour))
        expected = grey(eight(values[:, :, 0])) if channels < 3 else eight(values[:, :, :3])
        np.testing.assert_array_equal(found, expected, err_msg=str(colour))
    assert found[0, :, 0].tolist() == [0, 255, 0, 1, 128]


@pytest.mark.parametrize("order", "<>")
def test_sixteen_bits_of_a_tiff_are_read_by_value(tmp_path: Path, order: str) -> None:
    values = DEEP[:, :, 0].astype(np.uint16)
    expected = grey(eight(DEEP[:, :, 0]))
    np.testing.assert_array_equal(pixels(tiff(tmp_path / "x.tif", values, order)), expected)
    Image.fromarray(values).save(tmp_path / "packed.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(pixels(tmp_path / "packed.tif"), expected)
    if order == "<":
        white_is_zero = tiff(tmp_path / "w.tif", values, order, photometric=0)
        np.testing.assert_array_equal(pixels(white_is_zero), grey(eight(65535 - DEEP[:, :, 0])))


def test_sixteen_bits_of_a_pgm_are_read_by_value(tmp_path: Path) -> None:
    path, values = tmp_path / "x.pgm", DEEP[:, :, 0]
    path.write_bytes(b"P5 5 7 65535\n" + values.astype(">u2").tobytes())
    np.testing.assert_array_equal(pixels(path), grey(eight(values)))
    path.write_text("P2 5 7 65535\n" + " ".join(map(str, values.flatten())))
    np.testing.assert_array_equal(pixels(path), grey(eight(values)))
    # White is what the file says it is.
    path.write_bytes(b"P5 5 1 1000\n" + np.array([0, 1000, 500, 2, 250], ">u2").tobytes())
    assert pixels(path)[0, :, 0].tolist() == [0, 255, 128, 1, 64]


REFUSED = {
    "float": (
        np.float32,
        {"kind": 3},
        "holds floating-point pixels, and nothing says",
    ),
    "float, white is zero": (np.float32, {"kind": 3, "photometric": 0}, "floating-point pixels"),
    "float, big-endian": (np.float32, {"kind": 3, "order": ">"}, "floating-point pixels"),
    "32 bits": (np.uint32, {}, "holds whole numbers of 32 bits or with a sign"),
    "32 bits, signed": (np.int32, {"kind": 2}, "holds whole numbers of 32 bits or with a sign"),
    "16 bits, signed": (np.int16, {"kind": 2}, "holds whole numbers of 32 bits or with a sign"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_pixels_without_a_known_range_are_refused(tmp_path: Path, name: str) -> None:
    kind, options, words = REFUSED[name]
    path = tiff(tmp_path / "strange.tif", (DEEP[:, :, 0] / 70000).astype(kind), **options)
    with pytest.raises(UserError, match=f"strange.tif .*{words}.*: save it with 8 bits a channel"):
        rgb(str(path))


def test_bits_that_are_cut_off_elsewhere_are_refused(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", DEEP[:, :, :3].astype(np.uint16), photometric=2)
    with pytest.raises(UserError, match="a.tif holds 16 bits in each of several channels"):
        rgb(str(path))
    path = tiff(tmp_path / "b.tif", np.zeros((2, 6), np.uint8), bits=12)
    with pytest.raises(UserError, match="b.tif holds 12 bits a pixel"):
        rgb(str(path))


def test_eight_bits_stay_as_they_are_in_every_mode(tmp_path: Path) -> None:
    values = eight(DEEP).astype(np.uint8)
    colour, path = Image.fromarray(values[:, :, :3]), tmp_path / "x.png"
    colour.save(path)
    np.testing.assert_array_equal(pixels(path), values[:, :, :3])
    Image.fromarray(values[:, :, 0]).save(path)
    np.testing.assert_array_equal(pixels(path), grey(values[:, :, 0]))
    Image.fromarray(values[:, :, 0] > 127).save(path)
    np.testing.assert_array_equal(pixels(path), grey(np.where(values[:, :, 0] > 127, 255, 0)))
    tiff(tmp_path / "x.tif", values[:, :, 0], ">")
    np.testing.assert_array_equal(pixels(tmp_path / "x.tif"), grey(values[:, :, 0]))
    inks = Image.fromarray(np.array([[[0] * 4, [255, 0, 0, 0], [0, 0, 0, 255]]], np.uint8), "CMYK")
    inks.save(tmp_path / "x.tiff")
    assert pixels(tmp_path / "x.tiff").tolist() == [[[255] * 3, [0, 255, 255], [0] * 3]]


def test_transparency_is_dropped_and_colours_stay(tmp_path: Path) -> None:
    values, path = eight(DEEP).astype(np.uint8), tmp_path / "x.png"
    values[:, :, 3] = np.arange(35).reshape(7, 5) * 7
    Image.fromarray(values).save(path)
    np.testing.assert_array_equal(pixels(path), values[:, :, :3])
    Image.fromarray(values[:, :, 2:], "LA").save(path)
    np.testing.assert_array_equal(pixels(path), grey(values[:, :, 2]))
    palette = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3) % 3, "P")
    palette.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    expected = [[[10, 20, 30], [40, 50, 60], [70, 80, 90]]] * 2
    for transparency in (None, 1, bytes([0, 128, 255])):
        more = {} if transparency is None else {"transparency": transparency}
        palette.save(path, **more)
        assert pixels(path).tolist() == expected


def test_a_tag_of_orientation_is_not_followed(tmp_path: Path) -> None:
    values = np.zeros((8, 24, 3), np.uint8)
    values[:, :8] = 255
    image, path = Image.fromarray(values), tmp_path / "x.jpg"
    exif = image.getexif()
    exif[274] = 6  # turned by a quarter
    image.save(path, exif=exif, quality=100)
    with Image.open(path) as file:
        assert file.getexif()[274] == 6
    assert pixels(path).shape == (8, 24, 3)
    assert (pixels(path)[:, :8] > 250).all() and (pixels(path)[:, 8:] < 5).all()


@pytest.mark.parametrize("name", ["x.png", "x.webp", "x.tif"])
def test_the_first_of_several_frames_counts(tmp_path: Path, name: str) -> None:
    frames = [Image.fromarray(np.full((4, 4, 3), value, np.uint8)) for value in (10, 200, 90)]
    lossless = {"lossless": True} if name == "x.webp" else {}
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **lossless)
    with Image.open(tmp_path / name) as file:
        assert file.n_frames == 3
    assert (pixels(tmp_path / name) == 10).all()


def test_a_model_sees_deep_images_as_it_sees_others(tmp_path: Path) -> None:
    values = np.tile(DEEP[:, :, :3], (40, 60, 1))
    deep = [
        png(tmp_path / "grey.png", values[:, :, :1], 0),
        tiff(tmp_path / "grey.tif", values[:, :, 0].astype(np.uint16), ">"),
        png(tmp_path / "colour.png", values, 2),
    ]
    flat = [tmp_path / f"{number}.png" for number in range(3)]
    for path, expected in zip(flat, (grey(values[:, :, 0]),) * 2 + (values,), strict=True):
        Image.fromarray(eight(expected).astype(np.uint8)).save(path)
    plain = Normalisation((0.0,) * 3, (1.0,) * 3)

    def batch(paths: list[Path]) -> torch.Tensor:
        split = FolderSplit.of([(str(path), 0) for path in paths])
        return FolderImages(split, plain, torch.device("cpu")).batch(torch.arange(3))[0]

    assert torch.equal(batch(deep), batch(flat))
    assert 0.2 < batch(deep).mean() < 0.8


def test_a_broken_deep_image_is_named(tmp_path: Path) -> None:
    for colour, channels in ((0, 1), (2, 3)):
        path = png(tmp_path / "broken.png", DEEP[:, :, :channels], colour)
        path.write_bytes(path.read_bytes()[:-60])
        with pytest.raises(UserError, match="broken.png can't be read as an image"):
            rgb(str(path))
