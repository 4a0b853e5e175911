"""A run of the command line in the background, with its records, and what disturbs it."""

import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from support.checkout import ROOT

PLUGIN = Path(__file__).with_name("faults.py")
STUDY = f"""
plugins = ["{PLUGIN}"]
pairs = ["mlpnet-mnist5k"]
allocations = ["global"]
sparsities = [0.9]
seeds = [0, 1, 2, 3, 4, 5]

[budget]

[methods]
hanging = {{ seconds = 1.0 }}
"""
"""Six jobs of a second."""

_PR_CAPBSET_DROP = 24
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2


class Running:
    """A run in the background; `begin` is called in its process before it starts."""

    def __init__(
        self,
        study: Path,
        results: Path,
        *options: str,
        begin: Callable[[], None] | None = None,
        **environment: str,
    ) -> None:
        self.folder = results / "records" / study.stem
        self.command = [sys.executable, "-m", "bench", "run", study, "--results", results]
        self.process = subprocess.Popen(
            [*map(str, self.command), *options],
            cwd=ROOT,
            env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1"} | environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            preexec_fn=begin,  # noqa: PLW1509 - no threads run here
        )

    @property
    def records(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.glob("*.json")}

    @property
    def fields(self) -> list[dict]:
        return [json.loads(text) for text in self.records.values()]

    def wait_for(self, count: int) -> None:
        while len(self.records) < count:
            assert self.process.poll() is None, self.process.communicate()[1]
            time.sleep(0.02)

    def end(self) -> str:
        """What it said, when it has ended."""
        return self.process.communicate()[1]


def assert_the_rest_is_done(study: Path, before: Running, *options: str) -> None:
    """A rerun keeps each of the records, and adds those that are missing of the six."""
    kept = before.records
    results = before.folder.parent.parent
    again = Running(study, results, *options)
    said = again.end()
    assert again.process.returncode == 0, said
    assert f"{len(kept)} of 6 jobs were recorded already" in said
    assert len(again.records) == 6
    assert kept.items() <= again.records.items()
    assert all(json.loads(text)["status"] == "ok" for text in again.records.values())


def without_root_rights() -> None:
    """Let permissions hold for root too: drop the capabilities that overrule them."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
            if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "prctl")
