"""Reads an image file as 8-bit red, green and blue, by value, in whatever format it is stored.

Files are read as torchvision's `ImageFolder` reads them, since published weights were trained and
tested so: colours under transparency are taken as they are and the transparency is dropped,
orientation tags are ignored, and of several frames or pages the first is used. Unlike there, 16
bits per channel aren't clipped to white or cut off: v becomes v / 257, rounded. Pixels without a
known range, such as floating-point ones, are refused.
"""

from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, TiffImagePlugin

from bench.common.errors import UserError

_BITS, _PHOTOMETRIC = 258, 262
"""TIFF's tags for the bits of each channel, and for what zero means: 0 is white, 1 is black."""
_GREY = "LA;16B"
_DEEP = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L", _GREY: "RGBA"}
"""Pillow's names for pixels with 16 bits per channel in a PNG, and the name under which it reads
their lower bytes."""


class Content(NamedTuple):
    """The bytes of an image file that lies in another file, and how errors call it."""

    name: str
    content: bytes

    def __str__(self) -> str:
        return self.name


Encoded = str | Content
"""An image file: its path, or its content."""


def rgb(path: Encoded) -> Image.Image:
    """Return the image in mode RGB; raises `UserError` for a file that can't be read as one."""
    try:
        with Image.open(_source(path)) as file:
            if fault := _fault(file):
                raise UserError(f"{path} {fault}: save it with 8 bits a channel, or 16 as PNG.")
            return _converted(file, path)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(
            f"{path} can't be read as an image ({error}): restore the file or remove it."
        ) from error


def _source(path: Encoded) -> str | BytesIO:
    return path if isinstance(path, str) else BytesIO(path.content)


def _converted(file: Image.Image, path: Encoded) -> Image.Image:
    layout = str(file.tile[0].args) if isinstance(file, PngImagePlugin.PngImageFile) else ""
    if layout in _DEEP:
        return Image.fromarray(_rounded(_deep(path, layout))).convert("RGB")
    if file.mode.startswith("I"):
        values = np.asarray(file)
        if _tag(file, _PHOTOMETRIC, 1) == 0:
            values = 65535 - values
        return Image.fromarray(_rounded(values)).convert("RGB")
    if file.mode == "P" and "transparency" in file.info:
        # As Pillow recommends, which warns otherwise; the palette's colours stay as they are.
        return file.convert("RGBA").convert("RGB")
    return file.convert("RGB")


def _fault(file: Image.Image) -> str:
    """Return why the pixels can't be read by value; empty if they can."""
    bits = _tag(file, _BITS, (8,))
    if file.mode == "F":
        return "holds floating-point pixels, and nothing says which number is white"
    if file.mode == "I" and file.format not in ("PNG", "PPM"):
        return "holds whole numbers of 32 bits or with a sign, and nothing says which is white"
    if file.mode.startswith("I") and bits not in ((8,), (16,)):
        return f"holds {bits[0]} bits a pixel"
    if not file.mode.startswith("I") and max(bits) > 8:
        return f"holds {max(bits)} bits in each of several channels"
    return ""


def _tag(file: Image.Image, number: int, otherwise: Any) -> Any:
    """Return a tag of a TIFF file; `otherwise` if it is absent or the file is another."""
    if isinstance(file, TiffImagePlugin.TiffImageFile):
        return file.tag_v2.get(number, otherwise)
    return otherwise


def _deep(path: Encoded, layout: str) -> NDArray[Any]:
    """Return the numbers of a 16-bit PNG with several channels: grey [h, w] or colours [h, w, 3].

    Pillow keeps the upper 8 bits of each. Told that the bytes are in the other order, it gives the
    lower ones; grey with transparency it reads as four channels of bytes.
    """
    if layout == _GREY:
        pairs = _bytes(path, _DEEP[layout])
        return pairs[:, :, 0] * 256 + pairs[:, :, 1]
    upper, lower = _bytes(path, layout), _bytes(path, _DEEP[layout])
    return np.ascontiguousarray((upper * 256 + lower)[:, :, :3])


def _bytes(path: Encoded, layout: str) -> NDArray[np.int64]:
    """Return the image decoded as if its pixels had this layout."""
    with Image.open(_source(path)) as file:
        file.tile = [tile._replace(args=layout) for tile in file.tile]
        return np.asarray(file).astype(np.int64)


def _rounded(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return numbers up to 65535 divided by 257 and rounded to the nearest integer."""
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
