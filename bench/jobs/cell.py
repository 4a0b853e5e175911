"""A cell of a study's grid: a job, its label in tables, and its record once it has run."""

from typing import NamedTuple

from bench.jobs.job import Job
from bench.jobs.record import Record


class Cell(NamedTuple):
    """A job of a study with its label, and with its record if it has run.

    `family` is the method's label in the study file. `label` adds the protocol if the method runs
    in several, and the control if the job is one.
    """

    label: str
    job: Job
    record: Record | None = None
    family: str = ""
