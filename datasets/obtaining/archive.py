"""Unpacks archives, whose checksum is verified first, without writing outside a folder."""

import hashlib
import tarfile
from pathlib import Path

from datasets.dataset import SourceError


def unpack(archive: Path, folder: Path, sha256: str) -> None:
    """Extract a tar archive into `folder`.

    Raises `SourceError` if the archive has another SHA-256, if it is damaged, or if one of its
    members would be written outside `folder`.
    """
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise SourceError(f"{archive.name} has sha256 {found}, not {sha256}")
    try:
        with tarfile.open(archive) as members:
            members.extractall(folder, filter="data")
    except tarfile.FilterError as error:
        raise SourceError(f"{archive.name} is refused: {error}") from error
    except (tarfile.TarError, EOFError) as error:
        raise SourceError(f"{archive.name} can't be unpacked: {error}") from error
