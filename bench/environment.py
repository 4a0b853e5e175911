"""The fingerprint of where a job ran, and of the code that a method's result depends on."""

import ast
import functools
import hashlib
import inspect
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import torch

from bench.errors import UserError
from bench.record import Environment

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("torch", "torchvision", "numpy")


def choose_device(name: str) -> torch.device:
    """The torch device of this name; raises `UserError` where this machine doesn't have it."""
    try:
        device = torch.device(name)
        float(torch.zeros(1, device=device))  # a device without numbers, as meta, fails here
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        have = ["cpu"] + [f"cuda:{index}" for index in range(torch.cuda.device_count())]
        raise UserError(
            f"Device {name!r} is not on this machine. It has: {', '.join(have)}."
        ) from error
    return device


def environment(device: torch.device) -> Environment:
    """What the bits of a result depend on, as of now."""
    cuda = device.type == "cuda"
    return Environment(
        versions=_versions(),
        platform=platform.platform(terse=True),
        processor=torch.backends.cpu.get_cpu_capability(),
        device=torch.cuda.get_device_name(device) if cuda else "cpu",
        threads=torch.get_num_threads(),
        commit=_commit(),
    )


def source_sha256(method: type, *modules: ModuleType) -> str:
    """A hash of the code a method's result depends on; comments and layout don't count.

    Covers the method's module, the `modules` that it runs in, and all first-party modules that
    these import, directly or not.
    """
    files = [inspect.getfile(method), *(inspect.getfile(module) for module in modules)]
    return _closure_sha256(*(Path(file).resolve() for file in files))


@functools.cache
def _closure_sha256(*start: Path) -> str:
    waiting, seen = list(start), set[Path]()
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            waiting.extend(_first_party_imports(file))
    digest = hashlib.sha256()
    for file in sorted(seen):
        digest.update(ast.dump(_syntax(file)).encode())
    return digest.hexdigest()


@functools.cache
def _syntax(file: Path) -> ast.Module:
    """The file's syntax tree without docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node, clean=False
        ):
            node.body = node.body[1:]
    return tree


def _first_party_imports(file: Path) -> list[Path]:
    """The files of this checkout that a file imports; packages' registries don't count."""
    names = set[str]()
    for node in ast.walk(_syntax(file)):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    found = []
    for name in sorted(names):
        path = ROOT.joinpath(*name.split(".")).with_suffix(".py")
        if path.is_file():
            found.append(path)
    return found


@functools.cache
def _versions() -> dict[str, str]:
    """Of Python and of the packages that have a say in a result's bits; read once a process."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


@functools.cache
def _commit() -> str | None:
    """The checkout's commit, with `+` where files differ from it; None outside git."""
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
