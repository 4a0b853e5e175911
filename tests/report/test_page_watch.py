"""A page that loads itself anew in a real browser comes back as its reader left it."""

from pathlib import Path

from support import browser
from support.records import make_grid

from bench.jobs.cell import Cell
from bench.report import write_page

chromium, open_page = browser.chromium, browser.open_page


def test_new_records_arrive_and_what_the_reader_chose_stays(open_page, tmp_path: Path) -> None:
    grid = make_grid()
    half = [
        Cell(cell.label, cell.job, None if i % 2 else cell.record) for i, cell in enumerate(grid)
    ]
    page = open_page(half, report={"refresh": 4})
    page.select_option("#allocation", "layerwise")
    page.select_option("[data-filter=status]", "over-budget")
    page.click("#legend button[data-label=obd]")
    page.click("#theme")
    theme = page.evaluate("document.documentElement.dataset.theme")
    page.check("[value=compression]", force=True)
    page.select_option("#layers-sparsity", "0.5")
    page.click("#grid th[data-name=seed] button")
    before = page.inner_text("#found")
    write_page("Example", "", grid, tmp_path / "reports", refresh=4)
    browser.sync.expect(page.locator("#found")).to_have_text("3 of 120 cells", timeout=20_000)
    assert before != "3 of 120 cells"
    page.wait_for_selector("#curves-chart svg")
    assert page.input_value("#allocation") == "layerwise"
    assert page.get_attribute("#legend button[data-label=obd]", "aria-pressed") == "false"
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    assert page.is_checked("[value=compression]")
    assert page.input_value("#layers-sparsity") == "0.5"
    assert page.get_attribute("#grid th[data-name=seed]", "aria-sort") == "ascending"


def test_an_ordinary_page_stays_as_it_is(open_page) -> None:
    page = open_page(make_grid())
    assert page.locator("meta[http-equiv=refresh]").count() == 0
    page.evaluate("window.same = true")
    page.wait_for_timeout(1500)
    assert page.evaluate("window.same")
