"""A file is written whole or not at all, and as readable as any other."""

import os
import stat

import pytest

from bench.common.files import replacing


def test_the_old_content_stays_until_the_new_is_whole(tmp_path) -> None:
    target = tmp_path / "record.json"
    target.write_text("old")
    with replacing(target) as file:
        file.write(b"new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    with pytest.raises(KeyError), replacing(target) as file:
        file.write(b"half")
        raise KeyError
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_colleagues_may_read_what_the_umask_allows(tmp_path) -> None:
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "shared") as file:
            file.write(b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o640
