"""Other machines run the same code on the same pairs, or are refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.grids import run, study
from support.user_folders import edited, written
from support.user_pairs import STUDY as FILES

from bench.common.errors import UserError
from bench.executors.bundle import bundled
from bench.executors.ray.transfer import PackedDense, Transfer
from bench.executors.task import Work
from bench.fingerprint import closure, targets_of
from bench.study.user_code import import_file


def test_a_bundle_is_the_same_code_elsewhere(tmp_path) -> None:
    files = {f"package/{name}": text for name, text in FILES.items()} | {"package/__init__.py": ""}
    files = edited(files, ("package/plugin.py", "from helper", "from .helper"))
    here = written(tmp_path, files)
    (bundle,) = bundled([here / "package" / "plugin.py"])
    assert {name for name, _ in bundle.files} == {
        f"package/{name}" for name in ("__init__.py", "plugin.py", "helper.py", "networks.py")
    }
    (there,) = bundle.unpack(tmp_path / "node")
    assert bundle.unpack(tmp_path / "node") == [there]
    hashes = {
        closure(targets_of(import_file(path).METHODS["own"])).sha256
        for path in (here / "package" / "plugin.py", there)
    }
    assert len(hashes) == 1


def test_plugins_of_one_folder_travel_together(tmp_path) -> None:
    text = "from helper import strength\nMETHODS = {}\n"
    here = written(tmp_path, FILES | {"other.py": text})
    elsewhere = written(tmp_path, FILES)
    first, second = bundled([here / "plugin.py", elsewhere / "plugin.py", here / "other.py"])
    assert first.plugins == ("plugin.py", "other.py") and second.plugins == ("plugin.py",)
    assert first.unpack(tmp_path)[0].parent != second.unpack(tmp_path)[0].parent


def test_variables_that_plugins_read_travel(tmp_path, monkeypatch) -> None:
    files = edited(
        FILES, ("networks.py", 'os.environ.get("BENCH_" + "SCALE", 1.0)', 'os.environ["SCALE"]')
    )
    monkeypatch.setenv("SCALE", "3")
    monkeypatch.setenv("UNREAD", "4")
    transfer = Transfer.of("study", 1, "cpu", 1, [written(tmp_path, files) / "plugin.py"])
    assert transfer.variables["SCALE"] == "3" and "UNREAD" not in transfer.variables


def test_another_pair_than_the_drivers_is_refused(pairs, tmp_path) -> None:
    (dense,) = pairs.values()
    packed = PackedDense.of(dense)
    assert packed.unpack(torch.device("cpu")).pair_sha256 == dense.pair_sha256
    words = f"The pair {dense.pair.name} is another one on this node"
    with pytest.raises(UserError, match=words):
        replace(packed, pair_sha256="0" * 64).unpack(torch.device("cpu"))
    pytest.importorskip("submitit", reason="the extra slurm isn't installed")
    from bench.executors.slurm.array import Share

    cells = study({"magnitude": {}}).cells()
    hashes = {dense.pair.name: ("0" * 64, dense.checkpoint_sha256)}
    work, threads = Work("grid", tmp_path, 2**30), torch.get_num_threads()
    share = Share(cells, work, "cpu", threads, (), None, hashes, Path("stop"))
    said = share()
    assert said is not None and said.startswith(words)


def test_a_record_of_other_code_than_the_drivers_is_refused(pairs, tmp_path) -> None:
    pytest.importorskip("ray", reason="the extra ray isn't installed")
    from bench.executors.ray.cluster import _of_this_code
    from bench.executors.ray.remote_jobs import Refused

    (dense,) = pairs.values()
    (record,) = run(study({"magnitude": {}}), tmp_path, pairs).values()
    assert _of_this_code(record, dense) == record
    with pytest.raises(Refused, match="A node of the Ray cluster ran other code than this machine"):
        _of_this_code(record.model_copy(update={"source_sha256": "0" * 64}), dense)
