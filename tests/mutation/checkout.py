"""Copies of the checkout, so that a fault is never put into the one being worked on."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from .sampling import Mutant, mutated

COPIED = ("bench", "methods", "datasets", "tests", "results", "pyproject.toml", "README.md")
LEFT_OUT = shutil.ignore_patterns("records", "reports", "__pycache__", "*.png", "*.pdf", ".*")


@dataclass(frozen=True)
class Place:
    """A folder in which one mutant at a time is tried: a checkout, data and scratch space."""

    folder: Path

    @property
    def checkout(self) -> Path:
        """The copy of the checkout."""
        return self.folder / "checkout"

    @property
    def output(self) -> Path:
        """What the latest run of the tests printed."""
        return self.folder / "output.txt"

    @classmethod
    def made(cls, folder: Path, root: Path) -> "Place":
        """A new place with a copy of the checkout `root`."""
        place = cls(folder)
        for name in COPIED:
            source, copy = root / name, place.checkout / name
            if source.is_dir():
                shutil.copytree(source, copy, ignore=LEFT_OUT)
            elif source.exists():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, copy)
        return place

    def take(self, mutant: Mutant) -> None:
        """Put the fault into the copy, of which no compiled form must remain."""
        path = self.checkout / mutant.file
        path.write_text(mutated(self.checkout, mutant), encoding="utf-8")
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
            compiled.unlink()

    def restore(self, root: Path, file: str) -> None:
        """Put the right text back."""
        path = self.checkout / file
        shutil.copy2(root / file, path)
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
            compiled.unlink()

    def clean(self, data: Path) -> Path:
        """Empty scratch space and a folder of data, which are links to what the folder `data` has.

        Files of data are replaced as a whole, never written into, so that the right ones stay.
        """
        for name in ("scratch", "data"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            (self.folder / name).mkdir(parents=True)
        return linked(data, self.folder / "data")


def linked(data: Path, folder: Path) -> Path:
    """The folder with links to what lies in the folders of `data`; locks are its own."""
    for entry in data.iterdir() if data.is_dir() else ():
        if entry.is_dir() and not entry.is_symlink():
            (folder / entry.name).mkdir(parents=True, exist_ok=True)
            for file in entry.iterdir():
                if file.suffix != ".lock":
                    (folder / entry.name / file.name).symlink_to(file)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / entry.name).symlink_to(entry)
    return folder
