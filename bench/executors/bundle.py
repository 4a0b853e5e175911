"""Packs plug-in files with the files they import from their own folders, for another machine."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.common.files import replacing
from bench.study.user_code import files_of


@dataclass(frozen=True)
class Bundle:
    """The files of one folder, as relative paths with their contents.

    `plugins` are the paths of those to be loaded. `variables` are the names of the environment
    variables that the files read.
    """

    plugins: tuple[str, ...]
    files: tuple[tuple[str, bytes], ...]
    variables: frozenset[str]

    def unpack(self, folder: Path) -> list[Path]:
        """Write the files below the folder and return the plug-ins' paths.

        The place depends on the contents, so that equal contents are at the same path.
        """
        whole = hashlib.sha256()
        for name, content in self.files:
            whole.update(f"{name}\n{len(content)}\n".encode() + content)
        place = folder / "plugins" / whole.hexdigest()[:16]
        for name, content in self.files:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            with replacing(place / name) as file:
                file.write(content)
        return [place / name for name in self.plugins]


def bundled(plugins: Sequence[Path]) -> tuple[Bundle, ...]:
    """Return the plug-ins with the files they import, one bundle per folder, in their order."""
    folders: dict[Path, list[Path]] = {}
    for path in plugins:
        folders.setdefault(path.resolve().parent, []).append(path.resolve())
    return tuple(map(_bundle, folders.values()))


def _bundle(plugins: Sequence[Path]) -> Bundle:
    files, variables = set[Path](), set[str]()
    for path in plugins:
        own = files_of(path)
        files |= own.files
        variables |= own.variables
    top = own.top
    contents = [(path.relative_to(top).as_posix(), path.read_bytes()) for path in sorted(files)]
    names = (path.relative_to(top).as_posix() for path in plugins)
    return Bundle(tuple(names), tuple(contents), frozenset(variables))
