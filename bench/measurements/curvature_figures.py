"""Draws curvature matrices as heat maps on one scale, with their errors against the true Fisher."""

import itertools

import pandas as pd
import torch
from matplotlib.cm import ScalarMappable
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure
from torch import Tensor

from bench.report.figures import canvas

_COLUMNS = 5
"""The number of panels per row."""
_COLOURS = "RdBu_r"
_LINEAR = 1e-2
"""The fraction of the largest entry below which the colour scale is linear."""
_SIDE = 200
"""The most rows and columns of a heat map."""


def pictures(named: dict[str, Tensor], errors: pd.DataFrame, layer: str) -> Figure:
    """Return a figure with one panel per matrix: red above zero, blue below, white at zero."""
    known = errors[errors.reference == "true Fisher"].set_index("matrix").error
    top = float(named["true Fisher"].abs().max())
    norm = SymLogNorm(_LINEAR * top, vmin=-top, vmax=top, base=10)
    rows = -(-len(named) // _COLUMNS)
    figure, grid = canvas.panels(rows, _COLUMNS, 1.62)
    for axes, item in itertools.zip_longest(itertools.chain(*grid), named.items()):
        axes.set_axis_off()
        if item is None:
            continue
        name, matrix = item
        axes.imshow(pooled(matrix).numpy(), cmap=_COLOURS, norm=norm, interpolation="nearest")
        axes.set_title(name, loc="left", fontsize=7.5, pad=2)
        axes.text(
            0.0, -0.02, f"error {known[name]:.2f}", transform=axes.transAxes, va="top", fontsize=7
        )
    figure.colorbar(
        ScalarMappable(norm, _COLOURS), ax=[row[-1] for row in grid], shrink=0.7, pad=0.02
    )
    side = len(named["Hessian"])
    pools = f" A point is the largest of {side // _SIDE}² entries." if side > _SIDE else ""
    canvas.footer(
        figure,
        f"Curvature of layer {layer}, {side} × {side}.{pools} One scale for all, linear below "
        f"{_LINEAR:g} of the largest entry and logarithmic above. Error: relative Frobenius norm "
        "of the difference to the true Fisher.",
    )
    return figure


def pooled(matrix: Tensor, side: int = _SIDE) -> Tensor:
    """Return at most `side` rows and columns: of each square of entries the largest in size."""
    width = -(-len(matrix) // side)
    if width == 1:
        return matrix
    padded = torch.nn.functional.pad(matrix, (0, -len(matrix) % width) * 2)
    parts = len(padded) // width
    squares = padded.view(parts, width, parts, width).transpose(1, 2).flatten(2)
    return squares.gather(2, squares.abs().argmax(2, keepdim=True)).squeeze(2)
