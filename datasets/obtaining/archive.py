"""Archives, checked before they are opened and kept from writing outside their folder."""

import hashlib
import tarfile
from pathlib import Path

from datasets.dataset import SourceError


def unpack(archive: Path, folder: Path, sha256: str) -> None:
    """Extract a tar archive into `folder`.

    Raises `SourceError` when the archive's sha256 is another, when it is damaged, or when one of
    its members would land outside `folder`.
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
