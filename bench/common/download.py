"""Downloads files, without long waits if there is no network."""

import urllib.request
from collections.abc import Callable
from concurrent.futures import Future
from http.client import HTTPResponse
from threading import Thread
from typing import BinaryIO
from urllib.error import HTTPError

ANSWER_SECONDS = 7
"""Seconds within which a server must answer."""
STALL_SECONDS = 20
"""Seconds after which a download that receives nothing more is given up."""

Progress = Callable[[str, int, int | None], None]
"""A function that is called with what is downloaded, the bytes received, and the bytes in all if
known."""


def download_to(
    file: BinaryIO, address: str, name: str, progress: Progress = lambda *_: None
) -> None:
    """Write the content of `address` to `file`, calling `progress(what, bytes, bytes in all)`.

    Raises `OSError` or `HTTPException`: after `ANSWER_SECONDS` if no server answers, after
    `STALL_SECONDS` if nothing more is received, and if the connection breaks before the end.
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
    """Return the open response of `address`; raises `OSError` after at most `ANSWER_SECONDS`.

    The request is made in a thread, because urlopen's own limit counts separately for each of a
    host's addresses, and not at all for the look-up of its name.
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
