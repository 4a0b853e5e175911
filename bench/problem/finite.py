"""NaN and infinite numbers are seen where passes are made, for every method alike."""

from torch import Tensor

from bench.common.errors import MethodError


def assert_finite(what: str, values: Tensor, first: int = 0) -> None:
    """Raise `MethodError` where values [n, ...] of n calibration examples aren't all finite.

    `first` is the number of examples before them, so that the message can say from which example
    of the seed's order on. Cost: one sum.
    """
    # The sum of finite numbers can overflow too, so it only says where a closer look is due.
    if bool(values.sum().isfinite()):
        return
    bad = ~values.isfinite().flatten(1).all(1)
    if bool(bad.any()):
        number = first + int(bad.nonzero()[0]) + 1
        kind = "NaN" if bool(values.isnan().any()) else "infinite values"
        raise MethodError(
            f"{what} contain {kind}, from calibration example {number:,} of this seed's order on: "
            "no estimate is made of them"
        )
