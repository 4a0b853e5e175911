"""Downloads, where the network is played by this machine."""

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bench.common import download
from datasets import cifar10, mnist
from datasets.dataset import Files, Parts, SourceError
from datasets.obtaining import sources

RAW = {"a.gz": b"some", "b.gz": b"bytes"}


def silent(what: str, done: int, total: int | None) -> None:
    """No progress is shown."""


@pytest.fixture
def server() -> Iterator[str]:
    """An address that serves `RAW`, answers 404 otherwise, and cuts `short`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rsplit("/", 1)[-1]
            if name not in RAW and name != "short":
                self.send_error(404)
                return
            content = RAW.get(name, b"abc")
            self.send_response(200)
            self.send_header("Content-Length", str(len(content) + (name == "short")))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine is reached without a proxy."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_download_takes_the_first_address_that_works(server: str, tmp_path: Path) -> None:
    addresses = [[f"{server}/gone/{name}x", f"{server}/{name}"] for name in RAW]

    def read(folder: Path) -> Parts:
        assert {name: (folder / name).read_bytes() for name in RAW} == RAW
        return {"labels": torch.zeros(1)}

    source = sources.Web("torchvision", lambda: addresses, Files("raw", "two files", read))
    told: list[tuple[str, int, int | None]] = []
    assert source.obtain(tmp_path, lambda *state: told.append(state)).keys() == {"labels"}
    for name, content in RAW.items():
        assert (f"downloading {name}", len(content), len(content)) in told


def test_download_that_breaks_off_is_an_error(server: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="broke after 3 of 4 bytes"):
        sources.download([f"{server}/short"], tmp_path, silent)


def test_download_names_the_reason_of_each_address(server: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"/a: Not Found; .*/b: Not Found"):
        sources.download([f"{server}/a", f"{server}/b"], tmp_path, silent)


def test_host_that_never_answers_costs_only_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        start = time.monotonic()
        with pytest.raises(SourceError, match="no answer in time"):
            sources.download([f"http://127.0.0.1:{mute.getsockname()[1]}/x"], tmp_path, silent)
        assert time.monotonic() - start < 5


def test_torchvision_has_the_addresses() -> None:
    assert len(mnist.addresses()) == 4
    assert all(address.startswith("http") for file in mnist.addresses() for address in file)
    (archive,) = cifar10.addresses()
    assert archive[0].endswith(cifar10.ARCHIVE.place)
