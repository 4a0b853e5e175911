"""Checks names that users choose: whether they can name files, and head a row of a table."""

import unicodedata
from collections.abc import Iterable

LONGEST = 100
"""The most characters of a name or label."""
_LONGEST_BYTES = 200
_SEPARATORS = "/\\"
_FORBIDDEN = '<>:"|?*'
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))]
)
_INVISIBLE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's control characters, surrogates, and separators of lines and paragraphs."""


def file_fault(name: str) -> str:
    """Return why the name can't be that of a file or folder on some system; empty if it can.

    A name that passes contains no separator, so a file of this name stays inside its folder.
    """
    found = [sign for sign in _SEPARATORS + _FORBIDDEN if sign in name]
    if fault := label_fault(name):
        return fault
    if found:
        return f"contains {found[0]}, which no file's name may"
    if name[0] in ". " or name[-1] in ". ":
        return "starts or ends with a dot or a space"
    if is_reserved(name):
        return "is a name that Windows keeps for devices"
    return f"is longer than {_LONGEST_BYTES} bytes" if len(name.encode()) > _LONGEST_BYTES else ""


def is_reserved(name: str) -> bool:
    """Return whether Windows reserves the name for a device, whatever follows its first dot."""
    return name.partition(".")[0].strip().lower() in _RESERVED


def label_fault(text: str) -> str:
    """Return why the text can't head a row of a table or figure; empty if it can."""
    if not text.strip():
        return "is empty"
    if any(unicodedata.category(sign) in _INVISIBLE for sign in text):
        return "contains a line break or another control character"
    if len(text) > LONGEST:
        return f"is longer than {LONGEST} characters"
    return ""


def refuse_faults(faults: Iterable[tuple[str, str]], hint: str) -> None:
    """Raise `ValueError` for the first name with a fault, from pairs of name and fault."""
    for name, fault in faults:
        if fault:
            shown = name if len(name) <= LONGEST else f"{name[:20]}…"
            raise ValueError(f"{shown!r} {fault}: {hint}")
