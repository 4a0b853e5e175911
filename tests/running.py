"""A run of a study in the background, to be watched and killed."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from conftest import ROOT


class Running:
    """`python -m bench run` on a study file, with the records that it writes."""

    def __init__(self, study: Path, results: Path, *options: str) -> None:
        self.folder = results / "records" / study.stem
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench", "run", study, "--results", results, *options],
            cwd=ROOT,
            env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1"},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
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
