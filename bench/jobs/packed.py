"""Packed records: all records of a study in one compressed file, small enough for version control.

The file is `RESULTS/records/STUDY.jsonl.xz`. It has one record per line, sorted by key, as JSON
without spaces, with the checksum and the fields of the record's own file in their order. Equal
records give equal bytes: nothing in the file says when or where it was packed.
"""

import json
import lzma
from collections.abc import Iterable
from pathlib import Path

from bench.common.errors import UserError
from bench.common.files import replacing

SUFFIX = ".jsonl.xz"
"""The ending of the name of a file of packed records."""
_PRESET = 9 | lzma.PRESET_EXTREME


def packed_path(results: Path, study: str) -> Path:
    """Return the path of a study's packed records."""
    return results / "records" / f"{study}{SUFFIX}"


def packed_studies(results: Path) -> list[str]:
    """Return the names of the studies with packed records in this results folder, sorted."""
    found = (results / "records").glob(f"*{SUFFIX}")
    return sorted(path.name.removesuffix(SUFFIX) for path in found)


def write_packed(path: Path, texts: Iterable[str]) -> int:
    """Write the JSON texts of complete records as one file; return its size in bytes.

    Raises `UserError` if the file can't be written.
    """
    bodies = sorted((json.loads(text) for text in texts), key=lambda body: str(body["key"]))
    lines = [json.dumps(body, separators=(",", ":")) + "\n" for body in bodies]
    packed = lzma.compress("".join(lines).encode(), preset=_PRESET)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(packed)
    except OSError as error:
        raise UserError(
            f"The packed records can't be written to {path}: {error.strerror}."
        ) from error
    return len(packed)


def read_packed(path: Path) -> dict[str, str]:
    """Return the JSON text of each record by its key, sorted by key; empty if there is no file.

    Raises `UserError` if the file is truncated, altered or no file of packed records. The texts
    themselves are not checked here: each holds a checksum for whoever parses it.
    """
    try:
        lines = lzma.decompress(path.read_bytes(), lzma.FORMAT_XZ).decode().splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, lzma.LZMAError, EOFError, UnicodeDecodeError) as error:
        raise damaged(path, str(error)) from error
    try:
        return {json.loads(line)["key"]: line for line in lines}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise damaged(path, "it holds a line that is no record") from error


def damaged(path: Path, why: str) -> UserError:
    """Return the error for packed records that can't be trusted."""
    return UserError(
        f"The packed records {path} are damaged ({why}): take the file from version control again, "
        "or remove it and run the study."
    )
