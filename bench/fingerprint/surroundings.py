"""What the user's code reads beside code: environment variables, and files that it names."""

import ast
import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

SUFFIXES = {
    *(".cfg", ".ini", ".json", ".toml", ".yaml", ".yml"),
    *(".npy", ".npz", ".pkl", ".pt", ".pth", ".safetensors"),
    *(".c", ".cc", ".cpp", ".cu", ".h", ".py", ".so"),
}
"""Endings of files that code usually reads rather than writes."""

OF_A_PLACE = re.compile(
    "(BENCH|CUDA|MKL|OMP|RAY|SLURM|XDG)_.*|PYTHON.*|HOME|HOSTNAME|LOGNAME|PATH|PWD|SHELL|USER|"
    "TEMP|TMP|TMPDIR|(LOCAL_)?RANK|WORLD_SIZE"
)
"""Environment variables that say where a process runs, and may differ from job to job."""


def variables(tree: ast.AST) -> dict[str, str | None]:
    """Return the environment variables that the code names, with their present values."""
    names = {name for node in ast.walk(tree) for name in _variables(node)}
    return {name: os.environ.get(name) for name in names if not OF_A_PLACE.fullmatch(name)}


def _variables(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Subscript(value=source, slice=ast.Constant(value=str(name))):
            if _called(source) == "environ":
                yield name
        case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]):
            owner = getattr(function, "value", None)
            if _called(function) == "getenv" or _called(owner) == "environ":
                yield name
        case ast.Compare(left=ast.Constant(value=str(name)), comparators=[source]):
            if _called(source) == "environ":
                yield name


def _called(node: object) -> str:
    return str(getattr(node, "attr", getattr(node, "id", "")))


def named_files(tree: ast.AST, folder: Path) -> set[Path]:
    """Return the files whose names the code spells out.

    Names are relative to the code's folder or to the working directory.
    """
    found = set[Path]()
    for node in ast.walk(tree):
        parts: list[str] = []
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            parts = [node.value]
        elif isinstance(node, ast.Call) or (
            isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
        ):
            parts = _texts(node)
        named = parts and Path(parts[-1]).suffix.lower() in SUFFIXES
        for first in range(len(parts) if named else 0):
            places = (place.joinpath(*parts[first:]) for place in (folder, Path.cwd()))
            # Unlike Path.is_file, this takes texts that no file could have as a name.
            here = itertools.islice(filter(os.path.isfile, places), 1)
            found.update(path.resolve() for path in here)
    return found


def _texts(node: ast.AST) -> list[str]:
    """Return the texts in an expression such as `folder / "networks" / "small.json"`, in order."""
    constants = [item for item in ast.walk(node) if isinstance(item, ast.Constant)]
    constants.sort(key=lambda item: (item.lineno, item.col_offset))
    return [item.value for item in constants if isinstance(item.value, str)]
