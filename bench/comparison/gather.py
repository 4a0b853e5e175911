"""Which records a comparison is of: those of the study's cells, whatever setting they ran under."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.jobs.cell import Cell
from bench.jobs.job import Job
from bench.jobs.record import Record
from bench.jobs.store import RecordStore

GridCell = tuple[Any, ...]
"""What makes two records the same cell of a study's grid, whatever they ran under."""


@dataclass(frozen=True)
class Gathered:
    """The cells of a study. `contested` cells have several records that the study didn't ask for.

    `left_out` counts records of the folder that no cell shows, `controls` the rows of the study
    that are sanity controls: they are no methods that could be better or worse. `families` has the
    study's own label of a method for each label that differs from it, as a method's rows do that
    runs in several protocols.
    """

    cells: list[Cell]
    contested: int
    left_out: int
    controls: int = 0
    families: Mapping[str, str] = field(default_factory=dict)

    def family(self, label: str) -> str:
        """The label in the study file of the method that a row's label stands for."""
        return self.families.get(label, label)


def gather(cells: Iterable[Cell], store: RecordStore) -> Gathered:
    """Each cell with the record of its own job, or else with one that ran under other settings.

    The latter come from runs with `--set` or from before the study file was changed; of several,
    the last that finished is taken. A damaged record is set aside as in a run. Packed records count
    where there is no file of the same job.
    """
    found = {key: store.shown(key) for key in store.shown_keys()}
    records: dict[str, Record] = {
        key: record for key, record in found.items() if record and record.control is None
    }
    every = list(cells)
    wanted = [cell for cell in every if cell.job.control is None]
    own = {cell.job.key for cell in wanted}
    others: dict[GridCell, list[Record]] = {}
    for key, other in records.items():
        if key not in own:
            others.setdefault(_grid_cell(other.label, other.job()), []).append(other)
    cells, contested = [], 0
    for cell in wanted:
        candidates = others.get(_grid_cell(cell.label, cell.job), [])
        record = records.get(cell.job.key)
        if record is None and candidates:
            contested += len(candidates) > 1
            record = max(candidates, key=lambda one: one.finished)
        cells.append(Cell(cell.label, record.job() if record else cell.job, record))
    shown = sum(cell.record is not None for cell in cells)
    controls = {cell.label for cell in every if cell.job.control is not None}
    families = {cell.label: cell.family for cell in wanted if cell.family}
    return Gathered(cells, contested, len(records) - shown, len(controls), families)


def _grid_cell(label: str, job: Job) -> GridCell:
    """The cell of the grid that a record with this label and job fills."""
    return label, job.pair, job.allocation, job.protocol, job.sparsity, job.seed
