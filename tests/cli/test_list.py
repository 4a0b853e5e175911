"""`list` answers from memory without PyTorch, and never with yesterday's answer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.checkout import ROOT

from bench.cli import remembered

CHECK = """
import sys
from bench.cli.app import app
try:
    app(["list", *sys.argv[1:]])
except SystemExit:
    pass
print("torch" in sys.modules, file=sys.stderr)
"""


@pytest.fixture
def lists(tmp_path: Path):
    """Calls `list`; returns what it prints, and whether PyTorch was imported."""

    def call(*words: str, **changes: str) -> tuple[str, bool]:
        variables = {
            "BENCH_DATA": str(tmp_path / "data"),
            "BENCH_MIRROR": str(tmp_path / "mirror"),
            "COLUMNS": "200",
            "NO_COLOR": "1",
        }
        done = subprocess.run(
            [sys.executable, "-c", CHECK, *words],
            cwd=ROOT,
            env=os.environ | variables | changes,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout, done.stderr.strip().endswith("True")

    return call


def test_the_second_answer_is_the_first_without_pytorch(lists, tmp_path) -> None:
    first, imported = lists("datasets")
    assert imported and "mnist5k" in first
    again, imported = lists("datasets")
    assert again == first and not imported
    (tmp_path / "mirror" / "datasets").mkdir(parents=True)
    _, imported = lists("datasets")
    assert imported, "data may have come"


def test_a_plugin_is_never_remembered(lists, tmp_path) -> None:
    plugin = tmp_path / "own.py"
    plugin.write_text("from methods.magnitude import Magnitude\nMETHODS = {'my-own': Magnitude}\n")
    plain, _ = lists("methods")
    own, _ = lists("methods", "--plugin", str(plugin))
    assert "my-own" in own and "my-own" not in plain
    assert lists("methods") == (plain, False)


def test_whatever_the_answer_depends_on_changes_the_key(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(remembered, "ROOT", tmp_path)
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("BENCH_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("BENCH_OWN", str(tmp_path / "own"))
    keys = [remembered.key()]
    for path in (
        "methods/new.py",
        "bench/study/built_in/new.toml",
        "datasets/new.py",
        "data/datasets/mnist.npz",
        "mirror/checkpoints/one.pth",
        "own/train/one.jpg",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x")
        keys.append(remembered.key())
    (tmp_path / "methods" / "new.py").write_text("longer")
    keys.append(remembered.key())
    monkeypatch.setenv("BENCH_OTHER", "1")
    keys.append(remembered.key())
    assert len(set(keys)) == len(keys)
    remembered.remember("pairs", {"pairs": [["a"]]})
    assert remembered.key() == keys[-1], "what is remembered is no reason to forget"
    assert remembered.recall("pairs") == {"pairs": [["a"]]}
    assert remembered.recall("methods") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": 1}', "null"])
def test_a_damaged_memory_is_none(text, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    (tmp_path / "listings").mkdir()
    (tmp_path / "listings" / "all.json").write_text(text)
    assert remembered.recall("all") is None
