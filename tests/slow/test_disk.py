"""A disk that fills up and a folder that becomes read-only cost no record that was written."""

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from support.running import STUDY, Running, assert_the_rest_is_done, without_root_rights

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="disks are disturbed as on Linux"),
]
SAFE = "What was recorded before is safe: mend this, then the same command goes on with the rest."


@pytest.fixture
def study(tmp_path) -> Path:
    path = tmp_path / "stopped.toml"
    path.write_text(STUDY.replace("seconds = 1.0", "seconds = 0.5"))
    return path


def assert_whole(run: Running, half_written: int = 0) -> None:
    """Each record is whole, and no more than this many half-written files lie beside them."""
    for text in run.records.values():
        assert json.loads(text)["status"] == "ok"
    assert len([*run.folder.glob("*.tmp"), *run.folder.glob(".*.tmp")]) <= half_written


@pytest.fixture
def small_disk(tmp_path):
    """A disk with room for a few records."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("options", [(), pytest.param(("--jobs", "2"), marks=pytest.mark.slow)])
def test_a_full_disk(study, small_disk, options) -> None:
    run = Running(study, small_disk, *options)
    said = run.end()
    assert run.process.returncode == 2, said
    assert "No space left on device" in said and SAFE in said and "Traceback" not in said
    assert 1 <= len(run.records) < 6
    assert_whole(run)
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert_the_rest_is_done(study, run, *options)


def test_a_file_that_may_not_grow(study, tmp_path) -> None:
    """As a full disk, for those who can't mount one: no file may be longer than 1,000 bytes."""

    def quota() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))

    run = Running(study, tmp_path, begin=quota, PYTHONDONTWRITEBYTECODE="1")
    said = run.end()
    assert run.process.returncode == 2, said
    assert "File too large" in said and SAFE in said and "Traceback" not in said
    assert not run.records
    assert_whole(run)


@pytest.mark.parametrize("options", [(), pytest.param(("--jobs", "2"), marks=pytest.mark.slow)])
def test_a_folder_that_becomes_read_only(study, tmp_path, options) -> None:
    run = Running(study, tmp_path, *options, begin=without_root_rights)
    run.wait_for(2)
    claims = run.folder / ".claims"
    for folder in (claims, run.folder):
        folder.chmod(0o555)
    said = run.end()
    for folder in (claims, run.folder):
        folder.chmod(0o755)
    assert run.process.returncode == 2, said
    assert "Permission denied" in said and SAFE in said and "Traceback" not in said
    assert 2 <= len(run.records) < 6
    # What each of two processes is writing in this moment it can't take away any more.
    assert_whole(run, half_written=2)
    assert_the_rest_is_done(study, run, *options)


@pytest.mark.slow
def test_the_table_is_that_of_an_undisturbed_run(study, tmp_path) -> None:
    disturbed = Running(study, tmp_path / "disturbed", begin=without_root_rights)
    disturbed.wait_for(2)
    disturbed.folder.chmod(0o555)
    assert SAFE in disturbed.end()
    disturbed.folder.chmod(0o755)
    tables = []
    for name in ("disturbed", "calm"):
        run = Running(study, tmp_path / name)
        said = run.end()
        assert run.process.returncode == 0, said
        cells = pd.read_csv(tmp_path / name / "reports" / "stopped" / "cells.csv")
        measured = [c for c in cells if "seconds" in c or "bytes" in c or c == "finished"]
        tables.append(cells.drop(columns=measured))
    pd.testing.assert_frame_equal(*tables)
