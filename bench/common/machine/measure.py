"""Measures the time and the memory that a call takes."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass
class Measurement:
    """The wall-clock seconds and the rise of memory in bytes; filled in when the block ends.

    `peak_bytes` is None on platforms where the peak can't be reset (CPU outside Linux).
    `base_bytes` are those in use when the block began, 0 if they aren't known.
    """

    seconds: float = 0.0
    peak_bytes: int | None = None
    base_bytes: int = 0


@contextmanager
def measured(device: torch.device) -> Iterator[Measurement]:
    """Measure the `with` block; the device is synchronised before and after."""
    result = Measurement()
    base = _reset_peak(device)
    result.base_bytes = base or 0
    _synchronise(device)
    start = time.perf_counter()
    try:
        yield result
    finally:
        _synchronise(device)
        result.seconds = time.perf_counter() - start
        peak = _peak(device)
        result.peak_bytes = None if base is None or peak is None else max(0, peak - base)


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _reset_peak(device: torch.device) -> int | None:
    """Reset the peak of memory, and return the bytes in use now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return _status("VmRSS")


def _peak(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return _status("VmHWM")


def _status(field: str) -> int | None:
    """Return a field of /proc/self/status, in bytes."""
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return None
    found = re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else None
