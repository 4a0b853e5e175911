"""The phases that a method's seconds are divided into."""

from typing import Literal, get_args

Phase = Literal["gradients", "inverse", "selection", "update"]
"""Passes through the model, curvature and scores made of them, the mask, the survivors' move."""

PHASES: tuple[Phase, ...] = get_args(Phase)
