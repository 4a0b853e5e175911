"""The HTML report in a real browser: what a reader clicks does what it says."""

import csv
import json
import re
from pathlib import Path

import pytest
from support import browser
from support.hostile import LABELS, hostile_cells
from support.records import SPARSITIES, make_cell, make_grid, make_job

from bench.jobs.cell import Cell
from bench.report import frame
from bench.report.figures.kind import Axis, Kind
from bench.report.figures.kinds import KINDS

LOSS = Kind(
    "loss",
    Axis("Cross-entropy (nats)", "loss_mean"),
    Axis("Test accuracy (%)", "accuracy_mean", unit="%"),
    form="points",
    section="tradeoff",
    choice="Loss",
)
chromium, open_page = browser.chromium, browser.open_page
POINT = ".mark-symbol.role-mark path[aria-label]"


def drawn(page, chart: str = "curves") -> int:
    """The points of a chart."""
    return page.locator(f"#{chart}-chart {POINT}").count()


def redrawn(page, action) -> None:
    """Does the action and waits until the chart of curves has been replaced."""
    page.evaluate("document.querySelector('#curves-chart .canvas').dataset.old = 1")
    action()
    page.wait_for_selector("#curves-chart [data-old]", state="detached")


def axis_labels(page, chart: str = "curves") -> list[str]:
    labels = page.locator(f"#{chart}-chart .role-axis-label").first
    return labels.locator("text").all_text_contents()


def test_all_charts_are_drawn_from_what_has_a_result(open_page) -> None:
    page = open_page(make_grid())
    results = frame(make_grid()).query("status == 'ok' and allocation == 'global'")
    assert drawn(page) == len(results.groupby(["label", "sparsity"])) == 19
    page.wait_for_selector("#tradeoff-chart svg")
    assert drawn(page, "tradeoff") == 4


def test_a_method_can_be_hidden_and_shown_with_the_keyboard(open_page) -> None:
    page = open_page(make_grid())
    button = page.locator("#legend button[data-label=obd]")
    button.focus()
    redrawn(page, lambda: page.keyboard.press("Space"))
    assert (drawn(page), button.get_attribute("aria-pressed")) == (15, "false")
    assert page.evaluate("document.activeElement.dataset.label") == "obd"
    redrawn(page, lambda: page.keyboard.press("Enter"))
    assert drawn(page) == 19


def test_the_axis_switches_between_sparsity_and_compression(open_page) -> None:
    page = open_page(make_grid())
    assert axis_labels(page) == ["50", "80", "90", "95", "98"]
    redrawn(page, lambda: page.check("[value=compression]", force=True))
    assert {"2×", "10×", "30×"} <= set(axis_labels(page))
    assert drawn(page) == 19


def test_the_allocation_switches_charts_and_tables_together(open_page) -> None:
    page = open_page(make_grid())
    redrawn(page, lambda: page.select_option("#allocation", "layerwise"))
    assert drawn(page) == 19
    shown = page.locator("#tables figure:visible").evaluate_all(
        "f => f.map(x => x.dataset.allocation)"
    )
    assert shown == ["layerwise"] * 3


def test_pointing_at_a_result_shows_every_seed(open_page) -> None:
    page = open_page(make_grid(), viewport={"width": 1200, "height": 900})
    point = page.locator(f"#curves-chart {POINT}").nth(3)
    point.scroll_into_view_if_needed()
    point.hover(force=True)
    page.wait_for_selector("#tip:visible")
    text = page.inner_text("#tip")
    found = re.match(r"\s*(.+), (\S+) %\s", text)
    cells = frame(make_grid()).query("allocation == 'global' and status == 'ok'")
    own = cells[(cells.label == found[1]) & (cells.sparsity == float(found[2]) / 100)]
    assert len(own) == 3
    for seed, accuracy in zip(own.seed, own.accuracy, strict=True):
        assert re.search(rf"seed {seed}\s+{accuracy:.2f} %", text)


@pytest.mark.parametrize("cost", ["flops", "memory"])
def test_the_cost_can_be_chosen_and_the_front_is_not_beaten(open_page, cost) -> None:
    page = open_page(make_grid())
    page.check(f"[value={cost}]", force=True)
    page.select_option("#tradeoff-sparsity", "")
    browser.sync.expect(page.locator(f"#tradeoff-chart {POINT}")).to_have_count(19)
    assert page.locator("#tradeoff-chart .mark-line path").count() == 1


def test_a_new_kind_is_drawn_with_its_own_axis(open_page) -> None:
    page = open_page(make_grid(), report={"kinds": [*KINDS, LOSS]})
    page.check("[value=loss]", force=True)
    title = page.locator("#tradeoff-chart .role-axis-title text").first
    browser.sync.expect(title).to_have_text("Cross-entropy (nats)")
    assert drawn(page, "tradeoff") == 4
    assert page.locator("#tradeoff-chart .mark-line path").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_follow_the_system_until_the_button_is_pressed(open_page, scheme) -> None:
    page = open_page(make_grid(), color_scheme=scheme)

    def brightness() -> int:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    assert (brightness() > 600) is (scheme == "light")
    redrawn(page, lambda: page.click("#theme"))
    assert (brightness() > 600) is (scheme == "dark")
    colour = page.evaluate("document.querySelector('#curves-chart svg').style.backgroundColor")
    assert colour == ("rgb(24, 27, 31)" if scheme == "light" else "rgb(255, 255, 255)")


def test_downloads_hold_what_is_shown(open_page, tmp_path: Path) -> None:
    page = open_page(make_grid())
    page.select_option("[data-filter=status]", "over-budget")
    files = {}
    save = "[data-save={}][data-format={}]"
    for button in ("#csv", save.format("curves", "svg"), save.format("tradeoff", "png")):
        with page.expect_download() as started:
            page.click(button)
        files[button] = tmp_path / started.value.suggested_filename
        started.value.save_as(files[button])
    table, svg, png = files.values()
    with table.open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["reason"] for row in read] == ["asked for 9,000 passes"] * 3
    text = svg.read_text(encoding="utf-8")
    assert "woodfisher" in text and "resnet20-cifar10, global, one-shot" in text
    assert svg.name == "curves-resnet20-cifar10-global-one-shot.svg"
    assert png.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_hostile_text_does_nothing(open_page) -> None:
    page = open_page(hostile_cells(), wait="#legend button")
    assert page.locator("#legend button").count() == len(LABELS) + 1
    page.select_option("#pair", index=1)
    page.wait_for_timeout(300)
    page.click("[data-save=curves][data-format=svg]")
    page.wait_for_timeout(300)
    assert page.evaluate("window.hacked") is None
    assert json.loads(page.evaluate("JSON.stringify(document.images.length)")) == 0
    page.evaluate("document.body.append(Object.assign(document.createElement('b'), {id: 'probe'}))")
    assert page.locator("#probe").count() == 1


def test_a_study_without_results_or_cells_opens_without_errors(open_page) -> None:
    waiting = [Cell(cell.label, cell.job, None) for cell in make_grid()]
    page = open_page(waiting, wait="#grid tbody tr")
    assert page.inner_text("#found") == "120 of 120 cells"
    assert open_page([], wait="h2").inner_text("main h2") == "Nothing to show"


def test_one_cell_and_a_pair_without_results(open_page) -> None:
    other = make_cell("a", make_job(pair="other"), "failed", reason="no memory")
    page = open_page([make_cell("a", make_job()), other])
    page.select_option("#pair", "other")
    page.wait_for_selector("#curves-chart .empty")
    assert "no memory" in page.inner_text("#problems")


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_never_scrolls_sideways(open_page, width) -> None:
    page = open_page(make_grid(), viewport={"width": width, "height": 800})
    page.wait_for_selector("#layers-chart svg, #layers-chart .empty")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_keyboard_reaches_the_results_first(open_page) -> None:
    page = open_page(make_grid())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, select, input')]"
        ".filter(e => !(e.innerText || e.labels?.length)).length"
    )
    assert unnamed == 0


def test_every_sparsity_can_be_chosen_for_the_layers(open_page) -> None:
    page = open_page(
        [
            make_cell("a", make_job(sparsity=s), layer_sparsity={"x": s, "y": 1.0})
            for s in SPARSITIES
        ]
    )
    page.select_option("#layers-sparsity", "0.98")
    page.wait_for_selector("#layers-chart [aria-label*='98']")
    assert axis_labels(page, "layers") == ["x", "y"]


def test_bars_of_phases_are_shares_or_seconds_of_the_shown_methods(open_page) -> None:
    page = open_page(make_grid())
    bars = "#phases-chart .mark-rect.role-mark path"
    page.wait_for_selector("#phases-chart svg")
    assert page.locator(bars).count() == 4 * 5
    assert set(axis_labels(page, "phases")) == {"0", "20", "40", "60", "80", "100"}
    page.check("[value=phase-seconds]", force=True)
    title = page.locator("#phases-chart .role-axis-title text")
    browser.sync.expect(title).to_have_text("Pruning time (s)")
    redrawn(page, lambda: page.click("#legend button[data-label=obd]"))
    browser.sync.expect(page.locator(bars)).to_have_count(15)
