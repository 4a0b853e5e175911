"""How numbers are written in tables, captions and on axes."""

from decimal import Decimal

import pandas as pd

DASH = "–"
"""Stands for a number that there isn't."""


def percent(fraction: float) -> str:
    """A fraction in percent, without rounding noise, trailing zeros or exponent: 0.07 is `7`."""
    return format(Decimal(f"{100 * fraction:.14g}"), "f")


def seconds(duration: float) -> str:
    """A time with two or more significant digits and never an exponent; a dash if there is none."""
    if pd.isna(duration):
        return DASH
    if duration == 0:
        return "0"
    digits = next((n for n in range(1, 10) if duration >= 10 ** (1 - n)), 9)
    return f"{duration:,.{digits}f}"
