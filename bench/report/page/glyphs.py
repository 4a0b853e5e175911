"""The look of each method for the page: the figures' own colours, markers and line styles."""

from typing import Any

import numpy as np
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path

from bench.report.figures.palette import Look

# What a dark page would swallow.
_ON_DARK = {
    "#000000": "#F2F2F2",
    "#8C8C8C": "#A3A3A3",
    "#0072B2": "#2F8AD8",
    "#0B2F4A": "#4A6A86",
}
_COMMANDS = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C"}


def glyph(look: Look) -> dict[str, Any]:
    """Colours on light and dark, an SVG path about the origin, and SVG's dash pattern."""
    return {
        **shades(look.colour),
        "path": outline(look.marker),
        "dash": [round(2 * length, 1) for length in look.line[1]],
    }


def shades(colour: str) -> dict[str, str]:
    """The colour on a light page and on a dark one."""
    return {"light": colour, "dark": _ON_DARK.get(colour, colour)}


def outline(marker: str) -> str:
    """The marker as an SVG path within the square from -1 to 1, y downwards."""
    style = MarkerStyle(marker)
    path = style.get_transform().transform_path(style.get_path())
    size = float(np.abs(np.asarray(path.vertices)).max())
    parts = []
    for vertices, code in path.iter_segments(curves=True, simplify=False):
        if code == Path.CLOSEPOLY:
            parts.append("Z")
            continue
        numbers = (f"{sign * value / size:.3g}" for value, sign in _signed(vertices))
        parts.append(_COMMANDS[code] + ",".join(numbers))
    return "".join(parts)


def _signed(vertices: Any) -> list[tuple[float, int]]:
    """x as it is and y turned over, as matplotlib counts upwards."""
    return [(float(value), -1 if index % 2 else 1) for index, value in enumerate(vertices)]
