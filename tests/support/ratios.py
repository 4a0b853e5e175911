"""Ratios of times of two calls in one run, which is what claims of speed are made in."""

import time
from collections.abc import Callable
from typing import Any


def least_ratio(
    benchmark: Any,
    ours: Callable[[], Any],
    plain: Callable[[], Any],
    rounds: int = 3,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Times two calls in turn and gives the least time of the first over that of the second."""
    times: dict[str, list[float]] = {"ours": [], "plain": []}
    for _ in range(rounds + 1):
        for name, call in (("ours", ours), ("plain", plain)):
            start = clock()
            call()
            times[name].append(clock() - start)
    found = min(times["ours"][1:]) / min(times["plain"][1:])
    benchmark.extra_info["ours / plain"] = round(found, 3)
    benchmark.pedantic(ours, rounds=1)
    print(f"\nours / plain = {found:.3f}")
    return found
