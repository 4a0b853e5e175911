"""Describes where a job ran: versions, processor, device, threads and commit."""

import functools
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch

from bench.common.errors import UserError
from bench.jobs.record import Environment

ROOT = Path(__file__).resolve().parent.parent.parent
"""The root folder of the checkout."""
PACKAGES = ("torch", "torchvision", "numpy")
"""The packages whose versions are recorded because a result's bits depend on them."""


def choose_device(name: str) -> torch.device:
    """Return the PyTorch device of this name; raises `UserError` if the machine doesn't have it."""
    try:
        device = torch.device(name)
        float(torch.zeros(1, device=device))  # a device that holds no numbers (meta) fails
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        have = ["cpu"] + [f"cuda:{index}" for index in range(torch.cuda.device_count())]
        raise UserError(
            f"Device {name!r} is not on this machine. It has: {', '.join(have)}."
        ) from error
    return device


def device_name(device: torch.device) -> str:
    """Return the name of the device as records hold it: the GPU's model, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def environment(device: torch.device) -> Environment:
    """Return all that a result's bits depend on beside code and data, as of now."""
    return Environment(
        versions=_versions(),
        platform=platform.platform(terse=True),
        processor=torch.backends.cpu.get_cpu_capability(),
        model=_processor_model(),
        device=device_name(device),
        threads=torch.get_num_threads(),
        commit=_commit(),
    )


@functools.cache
def _processor_model() -> str:
    """Return the processor's vendor, family and model on Linux, elsewhere what Python knows."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    fields = ("vendor_id", "cpu family", "model")
    found = [re.search(rf"^{field}\s*: (.+)$", text, re.MULTILINE) for field in fields]
    return " ".join(match[1] for match in found if match) or platform.processor()


@functools.cache
def _versions() -> dict[str, str]:
    """Return the versions of Python and of `PACKAGES`; they are read once per process."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


@functools.cache
def _commit() -> str | None:
    """Return the checkout's commit, with `+` if tracked files differ from it; None outside git."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
