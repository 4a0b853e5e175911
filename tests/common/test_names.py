"""Names that users choose stay inside the folders they are for, and don't fall together."""

import itertools
import re
from pathlib import Path

import pytest
from support.grids import SMALL
from support.records import make_cell, make_job

from bench.common.errors import UserError
from bench.common.names import file_fault, label_fault
from bench.report import write_report
from bench.report.file_names import file_names
from bench.study.plugins import load_plugin
from bench.study.study import load_study

BAD_FOLDERS = [
    *("", " ", ".", "..", "../../escaped", "/tmp/escaped", "a/b", "a\\b", "..\\x", "C:x", "a?"),
    *(
        "con",
        "NUL.txt",
        "com1",
        "a.",
        "a ",
        " a",
        ".hidden",
        "a\x00b",
        "a\nb",
        "x" * 101,
        "é" * 101,
    ),
]


def toml(text: str) -> str:
    """A TOML string of any text."""
    return '"' + "".join(f"\\U{ord(sign):08x}" for sign in text) + '"'


@pytest.mark.parametrize("name", BAD_FOLDERS)
def test_a_study_is_named_as_a_folder_may_be(tmp_path: Path, name: str) -> None:
    path = tmp_path / "study.toml"
    path.write_text(f"name = {toml(name)}\n{SMALL}")
    with pytest.raises(UserError, match="name: .*: a study's name is that of the folder") as error:
        load_study(str(path))
    assert len(str(error.value)) < 400 + len(str(path))


@pytest.mark.parametrize("name", ["a", "my study (2)", "a.b-c_d+e=1", "Größe", "日本", "x" * 100])
def test_other_names_are_taken(tmp_path: Path, name: str) -> None:
    path = tmp_path / "study.toml"
    path.write_text(f"name = {toml(name)}\n{SMALL}")
    assert load_study(str(path)).name == name
    assert (tmp_path / name).parent == tmp_path


def test_nothing_is_written_for_a_name_that_leaves_the_results(bench, tmp_path: Path) -> None:
    path = tmp_path / "in" / "study.toml"
    path.parent.mkdir()
    path.write_text(f'name = "../../escaped"\n{SMALL}')
    for command in ("run", "report", "compare", "check"):
        done = bench(command, path, "--results", tmp_path / "results")
        assert done.returncode == 2 and "Traceback" not in done.stderr
        assert "contains /" in done.stderr.replace("\n", " ")
    assert [file.name for file in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("label", ["", "  ", "a\x00", "a\nb", "a\x1b[31m", "x" * 101, "a\u2028b"])
def test_a_label_is_a_line_of_text(tmp_path: Path, label: str) -> None:
    path = tmp_path / "study.toml"
    path.write_text(f'{SMALL}{toml(label)} = {{ method = "random" }}\n')
    with pytest.raises(UserError, match="methods: .*label heads its row"):
        load_study(str(path))


def test_two_rows_of_one_label_are_refused_before_anything_runs(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    text = f"controls = true\n{SMALL}"
    path.write_text(text)
    assert len(load_study(str(path)).cells()) == 2 * 4 * 4
    path.write_text(f'{text}"magnitude [shuffled mask]" = {{ method = "random" }}\n')
    with pytest.raises(UserError, match=r"both have a row 'magnitude \[shuffled mask\]': choose"):
        load_study(str(path)).cells()


PAIR = """
import dataclasses
from bench.pairs import PAIRS as KNOWN
PAIRS = {{{key!r}: dataclasses.replace(KNOWN["mlpnet-mnist5k"], name={name!r})}}
"""


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize(
    ("key", "name"),
    [("../x", "../x"), ("x", "../x"), ("a\x00", "a"), ("", ""), ("nul", "nul"), (3, "a")],
)
def test_a_pair_is_named_as_a_file_may_be(tmp_path: Path, key: object, name: str) -> None:
    path = tmp_path / "own.py"
    path.write_text(PAIR.format(key=key, name=name))
    with pytest.raises(UserError, match="registers a pair whose name .*: choose another"):
        load_plugin(path)


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize("name", ["", "a\nb", "x" * 101, None])
def test_a_method_is_named_as_a_label_may_be(tmp_path: Path, name: object) -> None:
    path = tmp_path / "own.py"
    path.write_text(
        "from methods import METHODS as KNOWN\nclass Own(KNOWN['random']): pass\n"
        f"METHODS = {{{name!r}: Own}}\n"
    )
    with pytest.raises(UserError, match="registers a method whose name .*: choose another"):
        load_plugin(path)


NASTY_PAIRS = [
    *("../x", "..", "/tmp/x", "a b", "a-b", "A-B", "a_b", "a-b-2", "x" * 300, "x" * 301, "", "con"),
    *("compare", "Compare", "a", "a-macros", "日本", "語", "aux.b"),
]


def test_each_pair_has_files_of_its_own_inside_the_report(tmp_path: Path) -> None:
    names = file_names(NASTY_PAIRS)
    assert list(names) == NASTY_PAIRS
    files = [f"{name}{end}".lower() for name in names.values() for end in (".tex", "-macros.tex")]
    assert len(set(files)) == 2 * len(NASTY_PAIRS)
    assert "compare.tex" not in files
    assert not any(file_fault(name) for name in names.values())
    cells = [make_cell("a", make_job(pair=pair), status=None) for pair in NASTY_PAIRS]
    written = write_report("t", "d", cells, tmp_path / "out")
    assert len({file.name for file in written}) == len(written) == 4 + 2 * len(NASTY_PAIRS)
    assert all(file.parent in (tmp_path / "out", tmp_path / "out" / "tables") for file in written)
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_no_two_tables_and_no_two_macros_of_a_report_share_a_name(tmp_path: Path) -> None:
    cells = [
        make_cell(label, make_job(pair=pair), accuracy=90.0)
        for pair, label in itertools.product(("a b", "a-b", "a", "日", "本"), ("c", "b c"))
    ]
    files = [file for file in write_report("t", "d", cells, tmp_path) if file.suffix == ".tex"]
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    for pattern in (r"\\label\{(.*)\}", r"\\newcommand\{\\([A-Za-z]+)\}"):
        found = re.findall(pattern, text)
        assert len(found) >= 10 and len(set(found)) == len(found), pattern


def test_faults_are_said_of_what_is_there() -> None:
    assert file_fault("a/b") == "contains /, which no file's name may"
    assert file_fault("com1.toml") == "is a name that Windows keeps for devices"
    assert file_fault("common") == label_fault("common") == ""
    assert file_fault("é" * 99) == "" and file_fault("日" * 80) == "is longer than 200 bytes"
