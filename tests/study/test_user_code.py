"""A plugin imports what lies beside it, and nobody else's."""

import sys

import pytest
from support.user_folders import FILES, edited, imported, written

from bench.fingerprint import closure, targets_of
from bench.study.user_code import files_of, import_file


def test_what_travels_is_what_is_imported_or_read(tmp_path) -> None:
    files = edited(
        FILES, ("plugin.py", "HALF = 0.5", 'HALF = float(os.environ.get("STRENGTH", 1))')
    )
    folder = written(tmp_path, files | {"unused.py": "x = 1\n", "plugin.txt": "plugin"})
    found = files_of(folder / "plugin.py")
    assert {path.relative_to(folder).as_posix() for path in found.files} == set(FILES)
    assert found.variables == {"STRENGTH"}


def test_two_folders_with_helpers_of_one_name_get_their_own(tmp_path) -> None:
    first = imported(tmp_path, FILES)
    changed = edited(
        FILES, ("helper.py", "weight.abs() * factor", "-factor"), ("late.py", "2.0", "3.0")
    )
    second = imported(tmp_path, changed)
    assert (first.late.FACTOR, second.late.FACTOR) == (2.0, 3.0)
    assert first.scaled_by_the_helper is not second.scaled_by_the_helper
    assert first.bases.Ranked is not second.bases.Ranked
    hashes = {closure(targets_of(module.METHODS["own"])).sha256 for module in (first, second)}
    assert len(hashes) == 2


def test_an_edit_of_equal_size_within_a_second_is_seen(tmp_path) -> None:
    folder = written(tmp_path, FILES)
    for name, value in (("one.py", 2.0), ("two.py", 3.0)):
        inner = written(folder, FILES | {"late.py": f"FACTOR = {value}\n"})
        (inner / "plugin.py").rename(inner / name)
        assert value == import_file(inner / name).late.FACTOR
        assert not list(inner.rglob("*.pyc"))


def test_a_file_named_like_a_module_of_python_is_refused_where_it_is_meant(tmp_path) -> None:
    files = FILES | {"statistics.py": "FACTOR = 1\n"}
    assert imported(tmp_path, files).METHODS
    with pytest.raises(
        ImportError, match="statistics is a module of Python and a file beside plugin"
    ):
        imported(
            tmp_path, edited(files, ("plugin.py", "import bases\n", "import bases, statistics\n"))
        )


def test_a_plugin_may_be_named_like_what_it_imports(tmp_path) -> None:
    for name in ("torch.py", "random.py", "dataclasses.py"):
        own = name.removesuffix(".py")
        files = {name: f"import {own}\nMETHODS = {{'own': {own}}}\n"}
        assert imported(tmp_path, files, name).METHODS["own"].__name__ == own


def test_what_lies_beside_wins_over_what_is_installed(tmp_path) -> None:
    files = {"plugin.py": "import pip\n", "pip.py": "OURS = True\n"}
    assert imported(tmp_path, files).pip.OURS
    files = {"plugin.py": "import pip\n", "pip/notes.txt": "no code here\n"}
    assert not hasattr(imported(tmp_path, files).pip, "OURS")


def test_folders_put_into_the_path_must_not_hold_one_name_twice(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    text = (
        "import sys\nfrom pathlib import Path\n"
        "sys.path.insert(0, str(Path(__file__).parent / 'lib'))\nimport of_the_library\n"
    )
    first = {"plugin.py": text, "lib/of_the_library.py": "x = 1\n"}
    assert imported(tmp_path, first).of_the_library.x == 1
    with pytest.raises(ImportError, match="was imported under that name before"):
        imported(tmp_path, first | {"lib/of_the_library.py": "x = 2\n"})
    del sys.modules["of_the_library"]
