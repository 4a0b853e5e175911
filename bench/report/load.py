"""Records as one flat data frame, for analyses of your own, and as Parquet files."""

import importlib.util
import logging
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from bench.common.errors import UserError
from bench.jobs.cell import Cell
from bench.jobs.packed import packed_studies
from bench.jobs.record import Record
from bench.jobs.store import DamagedRecord, RecordStore
from bench.report.frame import frame_of_cells

log = logging.getLogger(__name__)


def load_records(results: str | Path = "results") -> pd.DataFrame:
    """All records of a results folder, one row each, with its study in the first column.

    The columns are those of `cells.csv`. Packed records count where there is no file of the same
    job. A damaged file is left out and named in a warning. Raises `UserError` where the folder
    holds no records, or where packed ones are damaged.
    """
    folder = Path(results) / "records"
    names = {path.name for path in folder.glob("*") if path.is_dir()}
    studies, cells, said = [], [], set[str]()
    for study in sorted(names.union(packed_studies(Path(results)))):
        store = RecordStore(Path(results), study, said)
        for key in store.shown_keys():
            record = _own(store, key) or store.unpacked(key)
            if record is not None:
                studies.append(study)
                cells.append(Cell(record.label, record.job(), record))
    if not cells:
        raise UserError(
            f"There are no records in {folder}. Give the folder that `run --results DIR` wrote to."
        )
    table = frame_of_cells(cells)
    table.insert(0, "study", studies)
    return table


def _own(store: RecordStore, key: str) -> Record | None:
    """The record that has a file of its own."""
    try:
        return store.read(key)
    except DamagedRecord as error:
        log.warning("record %s is damaged (%s): left out", key, error)
        return None


def write_parquet(frames: Mapping[str, pd.DataFrame], out: Path) -> list[Path]:
    """`NAME.parquet` for each frame; nothing, and a line in the log, where pyarrow isn't there."""
    if importlib.util.find_spec("pyarrow") is None:
        log.info("no Parquet files: install pyarrow for them")
        return []
    files = []
    for name, frame in frames.items():
        path = out / f"{name}.parquet"
        frame.to_parquet(path, engine="pyarrow", index=False)
        files.append(path)
    return files
