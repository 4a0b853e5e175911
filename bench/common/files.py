"""Writes files atomically: completely or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """Yield a binary file that replaces the target when the block ends without an error.

    Until then, and if the block fails or the process dies, the target stays as it was. The content
    is flushed to disk (fsync) before. Permissions follow from the umask, as for any new file,
    because colleagues may share a results folder.
    """
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
