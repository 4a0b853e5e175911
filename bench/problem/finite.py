"""The check for NaN and infinite values, made on every pass, so that no method needs its own."""

from torch import Tensor

from bench.common.errors import MethodError
from bench.problem.gradients.signal import Signal


def assert_finite(what: str, values: Tensor, first: int = 0) -> None:
    """Raise `MethodError` unless the values [n, ...] of n calibration examples are all finite.

    `first` is the number of examples in earlier chunks; with it the message can name the first bad
    example of the seed's order. Cost: one sum, unless something isn't finite.
    """
    # The sum of finite numbers can overflow too, so a sum that isn't finite calls for a closer
    # look.
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


def assert_finite_signal(name: str, signal: Signal, first: int) -> None:
    """Raise `MethodError` unless a layer's inputs and output gradients are all finite."""
    for use in signal.uses:
        assert_finite(f"the inputs of the layer of {name}", use.given, first)
        assert_finite(f"the gradients of the layer of {name}", use.delta, first)
