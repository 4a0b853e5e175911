"""Reads the user's text files, whichever editor wrote them."""

from pathlib import Path

from bench.common.errors import UserError


def utf8(path: Path, what: str) -> str:
    """Return the file's text without a byte-order mark; `what` is its kind in error messages.

    Raises `UserError` for an encoding other than UTF-8, and `OSError` if it can't be read.
    """
    content = path.read_bytes()
    if b"\0" in content:
        raise UserError(
            f"The {what} {path} holds zero bytes, as in UTF-16 or a file that is no text: save it "
            "as UTF-8."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"The {what} {path} is not in UTF-8 (line {line}): save it in that encoding."
        ) from error
