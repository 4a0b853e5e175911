"""Figures small enough for version control: PNG alone, at a lower resolution, in 256 colours."""

from pathlib import Path

from PIL import Image

SCALE = 0.6
"""Of the usual resolution: 120 dots an inch, so that a wide figure has 828 pixels."""


def shrink(path: Path) -> None:
    """Replace the PNG file by a small version of itself; the same bytes for the same picture."""
    with Image.open(path) as picture:
        size = [round(SCALE * side) for side in picture.size]
        smaller = picture.convert("RGB").resize((size[0], size[1]), Image.Resampling.LANCZOS)
    # Lines and letters need no dithering, which would also compress badly. A median cut would give
    # most of the palette to the shades of grey, and lines of methods would lose their colours.
    palette = smaller.quantize(method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    palette.save(path, "png", optimize=True)
