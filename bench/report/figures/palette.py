"""The look of a method: one colour, marker and line style, the same in every figure."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple, get_args

from bench.jobs.job import Control

# Okabe and Ito (2008), without yellow, which is too light for a line on white.
_BLACK, _ORANGE, _SKY, _GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
_BLUE, _VERMILION, _PURPLE, _GREY = "#0072B2", "#D55E00", "#CC79A7", "#8C8C8C"
_HUES = (_ORANGE, _SKY, _GREEN, _BLUE, _VERMILION, _PURPLE)

# Ordered values: the hues of viridis from light to dark, without its yellow.
_SHADES = ("#7AD151", "#35B779", "#1F9E89", "#26828E", "#31688E", "#3E4A89", "#482878", "#440154")

Dashes = tuple[float, tuple[float, ...]]
_SOLID: Dashes = (0, ())
_DASHED: Dashes = (0, (4, 1.5))
_DOTTED: Dashes = (0, (1, 1.2))
_DASH_DOT: Dashes = (0, (4, 1.3, 1, 1.3))
_LINES = (_SOLID, _DASHED, _DASH_DOT, _DOTTED)
_MARKERS = "osD^v<>pPXh*dH8"


# A control is its method's line taken apart: dots, thinner than any method's, in its own rhythm.
_CONTROLS: dict[str, Dashes] = dict(
    zip(get_args(Control), ((0, (1, 3)), (0, (1, 1.2, 1, 3.5)), (0, (3, 3, 1, 3))), strict=True)
)


# Light steps between the phases of pruning, so that they also hold in grayscale; the rest is empty.
PART_COLOURS: dict[str, tuple[str, str]] = {
    "gradients": ("#0B2F4A", ""),
    "inverse": (_BLUE, ""),
    "selection": (_SKY, ""),
    "update": ("#F0E442", ""),
    "rest": ("#FFFFFF", "/////"),
}
"""Colour and hatch of each part of the pruning time."""


class Look(NamedTuple):
    """How a method is drawn; `line` is matplotlib's offset and on-off sequence in points.

    A sanity control of a method is `hollow`.
    """

    colour: str
    marker: str
    line: Dashes
    hollow: bool = False


# Methods of one idea share a hue and differ in marker and line, which also holds in grayscale.
_BUILT_IN = {
    "random": Look(_GREY, "X", _DOTTED),
    "magnitude": Look(_BLACK, "o", _SOLID),
    "gmp": Look(_BLACK, "8", _DASHED),
    "obd": Look(_ORANGE, "s", _DASHED),
    "obc": Look(_ORANGE, "p", _SOLID),
    "l-obs": Look(_ORANGE, "H", _DASH_DOT),
    "kfac": Look(_GREEN, "D", _SOLID),
    "ekfac": Look(_GREEN, "d", _DASHED),
    "woodfisher": Look(_BLUE, "^", _SOLID),
    "woodtaylor": Look(_BLUE, "v", _DASHED),
    "cbs": Look(_PURPLE, "P", _SOLID),
    "chita": Look(_PURPLE, ">", _DASHED),
    "chita++": Look(_PURPLE, "*", _DASH_DOT),
    "str": Look(_VERMILION, "h", _SOLID),
    "rigl": Look(_VERMILION, "*", _DASHED),
    "set": Look(_VERMILION, "d", _DOTTED),
}


def looks(methods: Iterable[tuple[str, str]]) -> dict[str, Look]:
    """The look of each label, from pairs of label and method in the order of the study.

    A method's first label has the method's own look. Its further labels keep the hue and get the
    next free marker and line; a method not known here gets a hue that follows from its name. A
    control, `LABEL [CONTROL]`, is its label's look with hollow markers and a line of dots.
    """
    result: dict[str, Look] = {}
    for label, method in methods:
        name, _, control = label.removesuffix("]").rpartition(" [")
        if control in _CONTROLS and name in result:
            result[label] = result[name]._replace(line=_CONTROLS[control], hollow=True)
        elif label not in result:
            own = _BUILT_IN.get(method)
            reserved = set(_BUILT_IN.values()) - {own}
            result[label] = _free(own or _unknown(method), reserved | set(result.values()))
    return result


def _unknown(method: str) -> Look:
    number = int(hashlib.sha256(method.encode()).hexdigest(), 16)
    hue, number = number % len(_HUES), number // len(_HUES)
    marker, number = number % len(_MARKERS), number // len(_MARKERS)
    return Look(_HUES[hue], _MARKERS[marker], _LINES[number % len(_LINES)])


def _free(own: Look, taken: set[Look]) -> Look:
    """The look itself, or else the first of its hue that isn't taken."""
    line, marker = _LINES.index(own.line), _MARKERS.index(own.marker)
    for step in range(len(_LINES) * len(_MARKERS)):
        look = Look(
            own.colour,
            _MARKERS[(marker + 4 * step) % len(_MARKERS)],
            _LINES[(line + step) % len(_LINES)],
        )
        if look not in taken:
            return look
    return own


def ramp(names: Sequence[str]) -> dict[str, Look]:
    """A look for each of some ordered values: from light to dark, with a marker of its own."""
    shades = [_SHADES[round(step)] for step in _spread(len(names))]
    return {
        name: Look(shade, _MARKERS[index % len(_MARKERS)], _SOLID)
        for index, (name, shade) in enumerate(zip(names, shades, strict=True))
    }


def _spread(count: int) -> list[float]:
    """Places for so many values over all shades, the darkest for a single one."""
    last = len(_SHADES) - 1
    return [last * (index + 1) / count - last / count / 2 for index in range(count)]
