"""The names of a report's files: one per pair, whatever the pair is called."""

import re
from collections.abc import Iterable

from bench.common.names import is_reserved

_LONGEST = 80
_OTHERS = re.compile(r"(?i)compare|.*-macros")
"""Names that other files of a report have in the same folder."""


def file_names(pairs: Iterable[str]) -> dict[str, str]:
    """A name for the files of each pair that any file system takes, and that no other file has."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for pair in pairs:
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", pair)[:_LONGEST].strip("-.") or "pair"
        if is_reserved(stem) or _OTHERS.fullmatch(stem):
            stem = f"pair-{stem}-1"
        name, count = stem, 1
        while name.lower() in taken:
            count += 1
            name = f"{stem}-{count}"
        names[str(pair)] = name
        taken.add(name.lower())
    return names
