"""The state of an unfinished training on disk, so that a killed job goes on where it was."""

import logging
import os
import time
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from bench.common.files import replacing

log = logging.getLogger(__name__)

SECONDS = "30"
"""Time between two snapshots, which is what a killed job loses at most."""


class Snapshot:
    """One file with the latest state of one job's training, written whole or not at all.

    `identity` is what the state depends on (code, checkpoint, versions, threads): a state of
    another identity isn't taken up. Read without running pickles. `BENCH_SNAPSHOT_SECONDS` sets
    the time between two.
    """

    def __init__(self, path: Path, identity: dict[str, Any]) -> None:
        self._path, self._identity = path, identity
        self._seconds = float(os.environ.get("BENCH_SNAPSHOT_SECONDS", SECONDS))
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether the last state is older than the time between two."""
        return time.monotonic() - self._last >= self._seconds

    def save(self, state: dict[str, Any]) -> None:
        """Keep this state instead of the one before."""
        with replacing(self._path) as file:
            torch.save({"identity": self._identity, "state": state}, file)
        self._last = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The latest state, or None where there is none that fits; says why it isn't taken."""
        if not self._path.exists():
            return None
        try:
            content = torch.load(self._path, map_location="cpu", weights_only=True)
            if content["identity"] == self._identity:
                state: dict[str, Any] = content["state"]
                log.info("going on with the training that was interrupted: %s", self._path.name)
                return state
            reason = "it comes from other code, data or threads"
        except (UnpicklingError, RuntimeError, EOFError, KeyError, TypeError, OSError) as error:
            reason = f"it can't be read: {type(error).__name__}"
        log.warning("snapshot %s is not taken up (%s): training anew", self._path.name, reason)
        return None

    def remove(self) -> None:
        """Forget the state, when the job is recorded."""
        self._path.unlink(missing_ok=True)
