"""kill -9 in the middle of a fine-tuning: the same command goes on and gives the same bits."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.checkout import ROOT

STUDY = """
pairs = ["mlpnet-mnist5k"]
protocols = ["fine-tune"]
allocations = ["global"]
sparsities = [0.9]
seeds = [0]

[training]
epochs = 15
batch = 64
learning_rate = 0.02
weight_decay = 1e-4
augmentation = "shift"

[budget]
training_steps = 825

[methods]
magnitude = {}
"""


def record_of(results: Path) -> dict:
    (path,) = (results / "records" / "study").glob("*.json")
    return json.loads(path.read_text())


@pytest.mark.timeout(300)
def test_a_training_killed_and_resumed_gives_the_same_bits(bench, tmp_path) -> None:
    study = tmp_path / "study.toml"
    study.write_text(STUDY)
    bench("run", study, "--results", tmp_path / "whole")
    whole = record_of(tmp_path / "whole")

    folder = tmp_path / "killed" / "records" / "study"
    command = [sys.executable, "-m", "bench", "run", study, "--results", tmp_path / "killed"]
    often = os.environ | {"BENCH_SNAPSHOT_SECONDS": "0.05"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=often, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not list(folder.glob("*.training")):
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not list(folder.glob("*.json"))

    done = bench("run", study, "--results", tmp_path / "killed")
    assert done.returncode == 0, done.stderr
    assert "going on with the training that was interrupted" in done.stderr
    resumed = record_of(tmp_path / "killed")
    for field in ("weights_sha256", "accuracy", "loss", "train_losses", "spent", "nonzero"):
        assert resumed[field] == whole[field], field
    assert not list(folder.glob("*.training"))
