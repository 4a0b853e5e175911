"""Saves the state of an unfinished training to disk, so that a killed job can continue from it."""

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
"""Seconds between two snapshots, unless `BENCH_SNAPSHOT_SECONDS` says otherwise. They are the most
training time that a killed job loses."""


class Snapshot:
    """One file with the latest state of one job's training, written atomically.

    `identity` is what the state depends on (code, checkpoint, versions, threads): a state of
    another identity isn't used. The file is read without executing pickles. The environment
    variable `BENCH_SNAPSHOT_SECONDS` sets the time between two saves.
    """

    def __init__(self, path: Path, identity: dict[str, Any]) -> None:
        self._path, self._identity = path, identity
        self._seconds = float(os.environ.get("BENCH_SNAPSHOT_SECONDS", SECONDS))
        self._last = time.monotonic()

    def due(self) -> bool:
        """Return whether the last save is longer ago than the time between two saves."""
        return time.monotonic() - self._last >= self._seconds

    def save(self, state: dict[str, Any]) -> None:
        """Save this state in place of the one before."""
        with replacing(self._path) as file:
            torch.save({"identity": self._identity, "state": state}, file)
        self._last = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """Return the saved state, or None; logs why a state that exists isn't used."""
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
        """Delete the state, once the job is recorded."""
        self._path.unlink(missing_ok=True)
