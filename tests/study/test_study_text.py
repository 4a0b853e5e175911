"""A study file as editors save it: with a mark in front, other ends of lines, or not in UTF-8."""

import codecs
from pathlib import Path

import pytest
from support.grids import SMALL

from bench.common.errors import UserError
from bench.study.study import load_study

TEXT = f'title = "Größe λ"\n{SMALL}'


def written(folder: Path, content: bytes) -> Path:
    path = folder / "saved.toml"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        TEXT.replace("\n", "\r\n").encode(),
        codecs.BOM_UTF8 + TEXT.replace("\n", "\r\n").encode(),
    ],
    ids=["plain", "mark", "crlf", "mark and crlf"],
)
def test_a_mark_and_other_ends_of_lines_are_no_matter(tmp_path: Path, content: bytes) -> None:
    plain = load_study(str(written(tmp_path, TEXT.encode())))
    found = load_study(str(written(tmp_path, content)))
    assert found == plain and found.title == "Größe λ"
    assert [cell.job.key for cell in found.cells()] == [e.job.key for e in plain.cells()]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (TEXT.encode("utf-16"), "holds zero bytes, as in UTF-16"),
        (TEXT.encode("utf-16-le"), "holds zero bytes, as in UTF-16"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "holds zero bytes, as in UTF-16"),
        (TEXT.encode("utf-32"), "holds zero bytes, as in UTF-16"),
        (codecs.BOM_UTF16_LE, r"is not in UTF-8 \(line 1\)"),
        (TEXT.replace("λ", "").encode("latin-1"), r"is not in UTF-8 \(line 1\)"),
        (SMALL.encode() + b"# \xe9\n", rf"is not in UTF-8 \(line {SMALL.count(chr(10)) + 1}\)"),
        (codecs.BOM_UTF8 * 2 + SMALL.encode(), "can't be read as TOML: Invalid"),
        (b"title = 'a\rb'\n" + SMALL.encode(), "can't be read as TOML"),
    ],
)
def test_what_is_no_utf_8_is_one_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(UserError, match=f"The study file .*saved.toml {words}") as error:
        load_study(str(path))
    assert "\n" not in str(error.value)


def test_a_mark_is_no_matter_on_the_command_line(bench, tmp_path: Path) -> None:
    path = written(tmp_path, codecs.BOM_UTF8 + SMALL.encode())
    done = bench("report", path, "--results", tmp_path)
    assert done.returncode == 0 and "8 have not run" in done.stdout
    path = written(tmp_path, SMALL.encode("utf-16"))
    done = bench("report", path, "--results", tmp_path)
    assert done.returncode == 2 and "save it as UTF-8" in done.stderr.replace("\n", " ")
