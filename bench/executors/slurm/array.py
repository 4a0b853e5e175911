"""One task of a Slurm job array: a share of the jobs, run and recorded on the node."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from submitit.helpers import DelayedSubmission

from bench.common.errors import UserError
from bench.common.screen import configure_logging
from bench.common.stopping import Stop
from bench.executors.bounds.need import need
from bench.executors.bounds.refusing import free_for, refuse_too_large
from bench.executors.here import Here
from bench.executors.pool import Pool
from bench.executors.task import Executor, Task, Work
from bench.fingerprint import remember_suite
from bench.jobs.cell import Cell
from bench.pairs import PAIRS
from bench.pairs.preparing.prepare import prepare
from bench.study.plugins import load_plugin


class StopFile(Stop):
    """A request to stop that is made by the existence of a file, which the driver writes."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    @property
    def asked(self) -> bool:
        """Whether no further job should start."""
        return self._path.exists()


@dataclass(frozen=True)
class Share:
    """Some jobs and what they need; `hashes` are the driver's, of each pair and its weights."""

    cells: Sequence[Cell]
    work: Work
    device: str
    threads: int
    plugins: Sequence[Path]
    timeout: float | None
    hashes: dict[str, tuple[str, str]]
    stop: Path

    def __call__(self) -> str | None:
        """Run and record the jobs without a record; return a sentence if no job can run here."""
        try:
            self._run()
        except UserError as error:
            return str(error)
        return None

    def _run(self) -> None:
        remember_suite()
        torch.set_num_threads(self.threads)
        configure_logging(verbose=False)
        for plugin in self.plugins:
            load_plugin(plugin)
        names = dict.fromkeys(cell.job.pair for cell in self.cells)
        pairs = {name: prepare(PAIRS[name], torch.device(self.device)) for name in names}
        for name, dense in pairs.items():
            pair_sha256, checkpoint_sha256 = self.hashes[name]
            if dense.pair_sha256 != pair_sha256:
                raise UserError(
                    f"The pair {name} is another one on this node than where the run was started: "
                    "install the same versions of the packages that its model comes from."
                )
            if dense.checkpoint_sha256 != checkpoint_sha256:
                raise UserError(
                    f"The dense model of {name} is another one on this node than where the run was "
                    "started: let BENCH_DATA be a folder that all nodes share."
                )
        tasks = [
            Task(cell, need(cell, pairs[cell.job.pair], self.work.memory)) for cell in self.cells
        ]
        executor = self._executor()
        tasks, _ = refuse_too_large(tasks, free_for(executor, pairs), self.work, pairs)
        for _ in executor.run(tasks, self.work, pairs, StopFile(self.stop)):
            pass

    def _executor(self) -> Executor:
        if self.timeout is None:
            return Here()
        return Pool(1, [self.device], self.threads, self.plugins, self.timeout)

    def checkpoint(self) -> DelayedSubmission:
        """Return what submitit queues again at the time limit; recorded jobs are then skipped."""
        return DelayedSubmission(self)
