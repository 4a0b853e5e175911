"""An image file as eight bits of red, green and blue, by value whatever it is kept in.

Files are read as torchvision's `ImageFolder` reads them, since published weights were trained and
tested so: colours under transparency are taken as they are and the transparency is dropped, tags of
orientation aren't followed, and of several frames or pages the first counts. Unlike there, 16 bits
a channel aren't clipped to white or cut off: v becomes v / 257, rounded. What has no range that is
known, as floating-point pixels, is refused.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, TiffImagePlugin

from bench.common.errors import UserError

_BITS, _PHOTOMETRIC = 258, 262
"""TIFF's tags for the bits of each channel, and for what zero means: 0 is white, 1 is black."""
_GREY = "LA;16B"
_DEEP = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L", _GREY: "RGBA"}
"""Pillow's names for pixels of 16 bits a channel in a PNG, and as what to read the lower bytes."""


def rgb(path: str) -> Image.Image:
    """The image in mode RGB; raises `UserError` for a file that is none, or none that is known."""
    try:
        with Image.open(path) as file:
            if fault := _fault(file):
                raise UserError(f"{path} {fault}: save it with 8 bits a channel, or 16 as PNG.")
            return _converted(file, path)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(
            f"{path} can't be read as an image ({error}): restore the file or remove it."
        ) from error


def _converted(file: Image.Image, path: str) -> Image.Image:
    layout = str(file.tile[0].args) if isinstance(file, PngImagePlugin.PngImageFile) else ""
    if layout in _DEEP:
        return Image.fromarray(_rounded(_deep(path, layout))).convert("RGB")
    if file.mode.startswith("I"):
        values = np.asarray(file)
        if _tag(file, _PHOTOMETRIC, 1) == 0:
            values = 65535 - values
        return Image.fromarray(_rounded(values)).convert("RGB")
    if file.mode == "P" and "transparency" in file.info:
        # What Pillow recommends, and else warns of; the palette's colours stay as they are.
        return file.convert("RGBA").convert("RGB")
    return file.convert("RGB")


def _fault(file: Image.Image) -> str:
    """Why the pixels can't be read by value; empty if they can."""
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
    """A tag of a TIFF file; of another file, or where it is absent, the value given."""
    if isinstance(file, TiffImagePlugin.TiffImageFile):
        return file.tag_v2.get(number, otherwise)
    return otherwise


def _deep(path: str, layout: str) -> NDArray[Any]:
    """The numbers of a PNG of 16 bits and several channels: grey [h, w] or colours [h, w, 3].

    Pillow keeps the upper 8 bits of each. Told that the bytes are the other way round, it gives the
    lower ones; grey with transparency it reads as four channels of bytes.
    """
    if layout == _GREY:
        pairs = _bytes(path, _DEEP[layout])
        return pairs[:, :, 0] * 256 + pairs[:, :, 1]
    upper, lower = _bytes(path, layout), _bytes(path, _DEEP[layout])
    return np.ascontiguousarray((upper * 256 + lower)[:, :, :3])


def _bytes(path: str, layout: str) -> NDArray[np.int64]:
    """The image decoded as if its pixels were laid out so."""
    with Image.open(path) as file:
        file.tile = [tile._replace(args=layout) for tile in file.tile]
        return np.asarray(file).astype(np.int64)


def _rounded(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Numbers up to 65535 as those up to 255 that are nearest to a 257th of them."""
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
