"""Ctrl-C, SIGTERM, kill -9 and a second run: no record is lost, and a rerun does the rest."""

import os
import signal
import time
from pathlib import Path

import pytest
from support.running import STUDY, Running, assert_the_rest_is_done

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def study(tmp_path) -> Path:
    path = tmp_path / "stopped.toml"
    path.write_text(STUDY)
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_lets_the_running_job_finish(study, tmp_path, number) -> None:
    run = Running(study, tmp_path)
    run.wait_for(1)
    run.process.send_signal(number)
    said = run.end()
    assert run.process.returncode == 128 + number
    left = len(run.records)
    assert 2 <= left < 6, "the job that ran was recorded, and no other was begun"
    assert f"Stopped: {left} of 6 jobs are recorded. The same command goes on" in said
    assert "Traceback" not in said
    if number == signal.SIGTERM:
        assert_the_rest_is_done(study, run)


@pytest.mark.slow
def test_ctrl_c_reaches_workers_and_harms_none(study, tmp_path) -> None:
    run = Running(study, tmp_path, "--jobs", "2")
    run.wait_for(1)
    os.killpg(run.process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    said = run.end()
    assert run.process.returncode == 130
    assert f"Stopped: {len(run.records)} of 6" in said
    assert "Traceback" not in said
    assert_the_rest_is_done(study, run, "--jobs", "2")


@pytest.mark.slow
def test_a_second_ctrl_c_stops_at_once(study, tmp_path) -> None:
    study.write_text(STUDY.replace("seconds = 1.0", "seconds = 600.0"))
    run = Running(study, tmp_path, "--jobs", "2")
    while len(list(run.folder.glob(".claims/*"))) < 2:
        time.sleep(0.02)
    began = time.monotonic()
    for _ in range(2):
        run.process.send_signal(signal.SIGINT)
        time.sleep(1)
    said = run.end()
    assert run.process.returncode == 130 and time.monotonic() - began < 300
    assert "Stopped: 0 of 6" in said and not run.records


@pytest.mark.slow
def test_workers_end_with_a_driver_that_is_killed(study, tmp_path) -> None:
    import psutil

    run = Running(study, tmp_path, "--jobs", "2")
    run.wait_for(1)
    children = psutil.Process(run.process.pid).children(recursive=True)
    run.process.kill()
    run.end()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    assert_the_rest_is_done(study, run, "--jobs", "2")


@pytest.mark.slow
def test_two_runs_of_one_study_share_its_jobs(study, tmp_path) -> None:
    runs = [Running(study, tmp_path) for _ in range(2)]
    said = [run.end() for run in runs]
    assert [run.process.returncode for run in runs] == [0, 0], said
    assert len(runs[0].records) == 6
    assert not list(runs[0].folder.glob(".claims/*"))
    assert not list(runs[0].folder.glob("*.damaged"))
