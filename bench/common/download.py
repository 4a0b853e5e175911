"""Files from the network, without long waits where there is none."""

import urllib.request
from collections.abc import Callable
from concurrent.futures import Future
from http.client import HTTPResponse
from threading import Thread
from typing import BinaryIO
from urllib.error import HTTPError

ANSWER_SECONDS = 7
STALL_SECONDS = 20

Progress = Callable[[str, int, int | None], None]


def download_to(
    file: BinaryIO, address: str, name: str, progress: Progress = lambda *_: None
) -> None:
    """Write what is at `address`, called `name`, calling `progress(what, bytes, bytes in all)`.

    Raises `OSError` or `HTTPException`: after `ANSWER_SECONDS` where nobody answers, after
    `STALL_SECONDS` where nothing more comes, and where the connection breaks before the end.
    """
    what, done = f"downloading {name}", 0
    with _answer(address) as response:
        length = response.headers.get("Content-Length")
        total = int(length) if length else None
        while chunk := response.read(1 << 20):
            done += file.write(chunk)
            progress(what, done, total)
    if total is not None and done != total:
        raise OSError(f"the connection broke after {done} of {total} bytes")


def _answer(address: str) -> HTTPResponse:
    """The open response to `address`. Raises `OSError`, after `ANSWER_SECONDS` at the latest.

    It is asked for in a thread: urlopen's own limit counts each of a host's addresses anew and
    the look-up of its name not at all.
    """
    answer: Future[HTTPResponse] = Future()

    def ask() -> None:
        try:
            answer.set_result(urllib.request.urlopen(address, timeout=STALL_SECONDS))
        except Exception as error:
            if isinstance(error, HTTPError):
                error.close()
            answer.set_exception(error)

    Thread(target=ask, daemon=True).start()
    return answer.result(ANSWER_SECONDS)
