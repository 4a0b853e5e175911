"""Tables in Arrow or Parquet files: what Hugging Face's `save_to_disk` and its hub hold.

Its package `datasets` has the name of this one, so it can't be imported beside the suite; the files
are read by pyarrow itself.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.common.errors import UserError, unknown
from datasets.inputs.decoding import Interpolation
from datasets.inputs.pixels import Content, Encoded
from datasets.own.columns import is_image, labels_of, numbers
from datasets.own.images import Pictures
from datasets.own.table import Table


@dataclass(frozen=True)
class ArrowFiles:
    """Rows of a folder made by `save_to_disk`, or of Parquet or Arrow files: `path` names them.

    It is a file, a folder with such files, or a pattern like `data/train-*.parquet`. `input` is the
    column of inputs: images (PNG, JPEG, ... as Hugging Face stores them, or plain bytes), numbers,
    or lists of numbers of one length. Several names are columns of numbers, joined to inputs
    [n, columns]. `label` is a column of whole numbers, or of texts, which are the classes' names.
    Images need a `size`, see `Pictures`, and are decoded once.
    """

    path: str | Path
    input: str | Sequence[str] = "image"
    label: str = "label"
    size: int | None = None
    resize: int | None = None
    grey: bool = False
    interpolation: Interpolation = "bilinear"

    def missing(self) -> str:
        """Return that there is no such file, if there is none."""
        return "" if self._found() else f"There is no file or folder {self.path}"

    def _found(self) -> list[Path]:
        """Return the file, the folder, or what fits the pattern in its folder, in order."""
        place = Path(self.path).expanduser()
        return [place] if place.exists() else sorted(place.parent.glob(place.name))

    def read(self, name: str) -> Table:
        """Return the table of all files; raises `UserError`, also where pyarrow is missing."""
        if reason := self.missing():
            raise UserError(f"{reason}.")
        columns = [self.input] if isinstance(self.input, str) else list(self.input)
        table = _rows(self._files(), [*columns, self.label])
        labels, names = labels_of(self.label, table[self.label])
        return Table(self._inputs(name, columns, table), labels, names)

    def _files(self) -> list[Path]:
        """Return the files in their order; raises `UserError` for a folder of several splits."""
        found = self._found()
        if len(found) > 1 or found[0].is_file():
            return found
        folder = found[0]
        if (folder / "dataset_dict.json").is_file():
            names = sorted(path.name for path in folder.iterdir() if path.is_dir())
            raise UserError(
                f"{folder} holds the splits {', '.join(names)}: name the folder of one of them."
            )
        if (folder / "state.json").is_file():
            return _saved(folder)
        files = sorted([*folder.glob("*.parquet"), *folder.glob("*.arrow")])
        if not files:
            raise UserError(f"{folder} holds no .parquet or .arrow files.")
        return files

    def _inputs(self, name: str, columns: list[str], table: Any) -> Tensor:
        if len(columns) == 1 and is_image(table[columns[0]]):
            return self._pixels(name, columns[0], table[columns[0]])
        parts = [numbers(column, table[column]) for column in columns]
        if len(parts) == 1:
            return parts[0].unsqueeze(1) if parts[0].dim() == 1 else parts[0]
        if odd := [name for name, part in zip(columns, parts, strict=True) if part.dim() != 1]:
            raise UserError(f"The column {odd[0]} holds lists: give it alone as the input.")
        return torch.stack(parts, dim=1)

    def _pixels(self, name: str, column: str, values: Any) -> Tensor:
        if self.size is None:
            raise UserError(f"The column {column} holds images: say their size, as in size=224.")
        pictures = Pictures(self.size, self.resize, self.grey, self.interpolation)
        if fault := pictures.fault():
            raise UserError(f"{fault}.")
        files: list[Encoded] = []
        digest = hashlib.sha256()
        for row, value in enumerate(values.to_pylist()):
            where = f"The image of row {row:,} of the column {column}"
            content = value.get("bytes") if isinstance(value, dict) else value
            if content is None and isinstance(value, dict) and value.get("path"):
                content = _content(where, Path(value["path"]))
            if content is None:
                raise UserError(f"{where} is missing.")
            digest.update(hashlib.sha256(content).digest())
            files.append(Content(where, content))
        return pictures.pixels(name, files, digest.hexdigest())


def _content(where: str, path: Path) -> bytes:
    """Return the content of an image that the table only names."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{where} is in {path}, which can't be read: {error.strerror}.") from error


def _saved(folder: Path) -> list[Path]:
    """Return the files of a folder made by `save_to_disk`."""
    state = json.loads((folder / "state.json").read_text("utf-8"))
    if state.get("_indices_data_files") or state.get("_indices_files"):
        raise UserError(
            f"{folder} keeps its rows' order in a file of its own, as old versions did: save it "
            "anew with flatten_indices()."
        )
    return [folder / one["filename"] for one in state["_data_files"]]


def _rows(files: Sequence[Path], columns: list[str]) -> Any:
    """Return these columns of all files as one pyarrow table."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UserError(
            f"{files[0]} needs pyarrow to be read: pip install 'pyarrow>=20'."
        ) from error
    tables = []
    for file in files:
        try:
            if file.suffix == ".parquet":
                table = parquet.ParquetFile(file).read()
            else:
                table = _arrow(pyarrow, file)
        except (pyarrow.ArrowException, OSError) as error:
            reason = " ".join(str(error).split())
            raise UserError(f"{file} can't be read as Arrow or Parquet ({reason}).") from error
        for column in columns:
            if column not in table.column_names:
                raise unknown(f"column of {file}", column, table.column_names)
        tables.append(table.select(columns))
    try:
        return pyarrow.concat_tables(tables)
    except pyarrow.ArrowException as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{files[0]} and {len(files) - 1} more differ in columns: {reason}.") from (
            error
        )


def _arrow(pyarrow: Any, file: Path) -> Any:
    """Return the table of an Arrow file, which is a stream, as `save_to_disk` writes, or a file."""
    with pyarrow.memory_map(str(file)) as source:
        try:
            return pyarrow.ipc.open_stream(source).read_all()
        except pyarrow.ArrowInvalid:
            source.seek(0)
            return pyarrow.ipc.open_file(source).read_all()
