"""Remembers what `list` shows, so that it answers without importing PyTorch.

The answer is that of the registries, kept with all that it depends on: the suite's files, the
settings of this machine, and what lies in the folders of data. Anything new there, and it is made
again.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.common.folders import data_folder, mirrors

ROOT = Path(__file__).parents[2]
"""The folder of the checkout."""

CODE = ("bench", "methods", "datasets")
"""The folders whose code and studies are listed."""

Listing = dict[str, list[list[str]]]
"""The rows of each table, by its kind."""


def recall(kind: str) -> Listing | None:
    """Return the listing of this kind as it was made before, or None if anything has changed."""
    try:
        kept = json.loads(_file(kind).read_text(encoding="utf-8"))
        listing: Listing = kept["listing"]
        return listing if kept["key"] == key() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(kind: str, listing: Listing) -> None:
    """Keep the listing for the next call; a folder that can't be written to is no error."""
    path = _file(kind)
    part = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"key": key(), "listing": listing})
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)


def key() -> str:
    """Return the hash of all that a listing depends on."""
    digest = hashlib.sha256(repr((sys.version, str(ROOT), sorted(_settings().items()))).encode())
    for name in CODE:
        for path in sorted((ROOT / name).rglob("*")):
            if path.suffix in (".py", ".toml"):
                digest.update(_stamp(path).encode())
    for folder in (data_folder(), *mirrors(), *_named()):
        for path in _entries(folder):
            digest.update(_stamp(path).encode())
    return digest.hexdigest()


def _settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("BENCH_")}


def _named() -> Iterator[Path]:
    """Iterate over the folders that settings name."""
    for name, value in sorted(_settings().items()):
        if name not in ("BENCH_DATA", "BENCH_MIRROR") and value:
            yield Path(value).expanduser()


def _entries(folder: Path) -> Iterator[Path]:
    """Iterate over what is in a folder and in its own folders; the listings don't count."""
    for path in sorted(folder.glob("*")):
        if path != _file("").parent:
            yield path
            yield from sorted(path.glob("*"))


def _stamp(path: Path) -> str:
    """Return the path with its size and the time of its last change."""
    try:
        found = path.stat()
    except OSError:
        return f"{path} is not there"
    return f"{path} {found.st_size} {found.st_mtime_ns}"


def _file(kind: str) -> Path:
    return data_folder() / "listings" / f"{kind}.json"
