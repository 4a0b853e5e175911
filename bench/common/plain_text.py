"""Text files of the user's, whatever editor they come from."""

from pathlib import Path

from bench.common.errors import UserError


def utf8(path: Path, what: str) -> str:
    """The file's text, without the mark that some editors put in front; `what` names its kind.

    Raises `UserError` for another encoding than UTF-8, and `OSError` where it can't be read.
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
