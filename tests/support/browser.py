"""A headless Chromium of this machine, or the reason why there is none."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from bench.jobs.cell import Cell
from bench.report import write_page

sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None
)

Open = Callable[..., sync.Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[sync.Browser]:
    """Chromium without access to what the machine's user has open."""
    with sync.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM,
                args=["--no-sandbox", "--disable-background-networking", "--disable-gpu"],
            )
        except sync.Error as error:
            pytest.skip(f"no Chromium is on this machine: {error.message.splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: sync.Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens the report of some cells; fails afterwards on an error or a request of the page."""
    troubles: list[str] = []

    def opened(
        cells: list[Cell],
        *,
        wait: str = "#curves-chart svg",
        report: Mapping[str, Any] = MappingProxyType({}),
        **context: object,
    ) -> sync.Page:
        """`report` are settings of `write_page`."""
        records = tmp_path / "results" / "records"
        write_page("Example", "", cells, tmp_path / "reports", records=records, **report)
        page = chromium.new_context(**context).new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda said: troubles.append(f"console: {said.text}"))
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        address = (tmp_path / "reports" / "report.html").as_uri()
        page.on("request", lambda asked: asked.url == address or troubles.append(asked.url[:100]))
        page.goto(address)
        page.wait_for_selector(wait)
        return page

    yield opened
    assert not troubles, troubles
