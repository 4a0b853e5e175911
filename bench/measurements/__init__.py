"""Measurements that no grid of jobs shows, of curvature itself and of costs: numbers and figures.

What comes in: the name of a measurement and a folder. What goes out: CSV files, figures and the
facts that the numbers depend on.

To add a measurement, touch these files: bench/measurements/NAME.py, with a function that writes its
files into a folder; bench/measurements/__init__.py, which names it in `MEASUREMENTS`; and
tests/measurements.
"""

from collections.abc import Callable
from pathlib import Path

from bench.common.errors import UserError, unknown
from bench.measurements import curvature_pictures, method_costs, quadratic_model

MEASUREMENTS: dict[str, Callable[[Path], list[Path]]] = {
    "quadratic-model": quadratic_model.write,
    "curvature-pictures": curvature_pictures.write,
    "method-costs": method_costs.write,
}
"""The function of each measurement by name."""


def measure(name: str, out: Path) -> list[Path]:
    """Take the measurement, write its files into the folder `out`, and return their paths.

    Raises `UserError` for an unknown name, missing data, or a folder that can't be written to.
    """
    if name not in MEASUREMENTS:
        raise unknown("measurement", name, MEASUREMENTS)
    try:
        out.mkdir(parents=True, exist_ok=True)
        return MEASUREMENTS[name](out)
    except OSError as error:
        raise UserError(
            f"The measurement can't be written to {out}: {error.strerror or error}. "
            "Choose a folder you may write to."
        ) from error
