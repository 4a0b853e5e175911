"""All records of a study in one compressed file, small enough for version control.

The file is `RESULTS/records/STUDY.jsonl.xz`: one record a line, as JSON without spaces, with the
checksum and the fields of the record's own file in their order, sorted by key. Equal records give
equal bytes: nothing in it says when or where it was packed.
"""

import json
import lzma
from collections.abc import Iterable
from pathlib import Path

from bench.common.errors import UserError
from bench.common.files import replacing

SUFFIX = ".jsonl.xz"
_PRESET = 9 | lzma.PRESET_EXTREME


def packed_path(results: Path, study: str) -> Path:
    """Where the packed records of a study are kept."""
    return results / "records" / f"{study}{SUFFIX}"


def packed_studies(results: Path) -> list[str]:
    """The studies that have packed records in this folder, in order."""
    found = (results / "records").glob(f"*{SUFFIX}")
    return sorted(path.name.removesuffix(SUFFIX) for path in found)


def write_packed(path: Path, texts: Iterable[str]) -> int:
    """Write the JSON texts of complete records as one file; returns its size in bytes.

    Raises `UserError` where the file can't be written.
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
    """The JSON text of each record by its key, in order of keys; empty where there is no file.

    Raises `UserError` where the file is truncated, altered or no file of packed records. What the
    texts hold is for the reader to check, against the checksum that is in each.
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
    """The error for packed records that can't be trusted."""
    return UserError(
        f"The packed records {path} are damaged ({why}): take the file from version control again, "
        "or remove it and run the study."
    )
