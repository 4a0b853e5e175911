"""Where a job ran, as its record says it: versions, processor, device and commit."""

import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from support.records import make_job

from bench.common.errors import UserError
from bench.jobs.recipe import Recipe
from bench.run import environment as module
from bench.run.environment import choose_device, device_name, environment

CPU = torch.device("cpu")
CACHED = (module._versions, module._processor_model, module._commit)
INTEL = "vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\nmodel name\t: Xeon\n"


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    """What is read once a process is read in each test."""
    for function in CACHED:
        function.cache_clear()
    yield
    for function in CACHED:
        function.cache_clear()


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@y", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_versions_are_those_that_are_imported() -> None:
    found = environment(CPU)
    versions = {name: version.partition("+")[0] for name, version in found.versions.items()}
    assert versions == {
        "python": ".".join(map(str, sys.version_info[:3])),
        "torch": torch.__version__.partition("+")[0],
        "torchvision": torchvision.__version__.partition("+")[0],
        "numpy": np.__version__,
    }
    assert found.platform.startswith(platform.system())
    assert (found.device, found.threads) == ("cpu", torch.get_num_threads())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (INTEL, "GenuineIntel 6 143"),
        (INTEL.replace("cpu family\t: 6\n", ""), "GenuineIntel 143"),
        ("CPU implementer\t: 0x41\n", "of Python"),
        (None, "of Python"),
    ],
)
def test_the_processor_is_what_linux_calls_it(monkeypatch, text, expected) -> None:
    def read(path: Path, encoding: str) -> str:
        assert str(path) == "/proc/cpuinfo"
        if text is None:
            raise FileNotFoundError(path)
        return text.encode().decode(encoding)

    monkeypatch.setattr(Path, "read_text", read)
    monkeypatch.setattr(platform, "processor", lambda: "of Python")
    assert module._processor_model() == expected


def test_a_commit_is_marked_where_its_files_were_changed(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "ROOT", tmp_path)
    assert environment(CPU).commit is None
    git(tmp_path, "init")
    (tmp_path / "a.py").write_text("x = 1\n")
    git(tmp_path, "add", "a.py")
    git(tmp_path, "commit", "-m", "one")
    head = git(tmp_path, "rev-parse", "HEAD")[:12]
    found = []
    for file, content in (("new.py", ""), ("a.py", "x = 2\n"), ("a.py", "x = 1\n")):
        (tmp_path / file).write_text(content)
        module._commit.cache_clear()
        found.append(environment(CPU).commit)
    assert found == [head, f"{head}+", head]
    monkeypatch.setenv("PATH", "")
    module._commit.cache_clear()
    assert environment(CPU).commit is None


def test_a_device_that_is_not_there_is_refused_with_those_that_are(monkeypatch) -> None:
    assert choose_device("cpu") == CPU
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name in ("meta", "cuda:99", "gpu"):
        words = f"Device '{name}' is not on this machine. It has: cpu, cuda:0, cuda:1."
        with pytest.raises(UserError) as refused:
            choose_device(name)
        assert str(refused.value) == words


def test_a_gpu_has_the_name_of_its_model(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"model of {device}")
    assert device_name(torch.device("cuda:1")) == "model of cuda:1"
    assert device_name(CPU) == "cpu"


def test_a_job_says_what_it_is_and_no_more() -> None:
    assert str(make_job()) == "resnet20-cifar10 obd global 0.9 seed 0"
    control = make_job(control="shuffled mask", seed=3)
    assert str(control) == "resnet20-cifar10 obd [shuffled mask] global 0.9 seed 3"
    training = Recipe(epochs=1, learning_rate=0.1)
    tuned = make_job(protocol="fine-tune", training=training, sparsity=0.25)
    assert str(tuned) == "resnet20-cifar10 obd fine-tune global 0.25 seed 0"


def test_the_order_of_hyperparameters_makes_no_other_job() -> None:
    one, other = {"samples": 1, "batch": 2}, {"batch": 2, "samples": 1}
    assert make_job(hyperparameters=one).key == make_job(hyperparameters=other).key
