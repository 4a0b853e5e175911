"""The page's table of records in a real browser: filtered, sorted and a page at a time."""

from support import browser
from support.records import make_grid

chromium, open_page = browser.chromium, browser.open_page


def rows(page) -> list[list[str]]:
    return page.evaluate(
        "[...document.querySelectorAll('#grid tbody tr')]"
        ".map(row => [...row.cells].map(cell => cell.innerText))"
    )


def column(page, name: str) -> list[str]:
    heads = page.locator("#grid thead th").all_inner_texts()
    place = next(index for index, head in enumerate(heads) if head.startswith(name))
    return [row[place] for row in rows(page)]


def test_filters_and_search_leave_the_rows_that_match(open_page) -> None:
    page = open_page(make_grid())
    assert page.inner_text("#found") == "120 of 120 cells"
    page.select_option("[data-filter=label]", "obd")
    page.select_option("[data-filter=status]", "failed")
    assert page.inner_text("#found") == "1 of 120 cells"
    assert "OutOfMemory at layer_3" in column(page, "reason")[0]
    page.click("text=Clear")
    page.fill("#find", "9,000 WOODFISHER")
    assert set(column(page, "status")) == {"over-budget"} and len(rows(page)) == 3
    page.fill("#find", "no such thing")
    assert rows(page) == []


def test_sorting_goes_both_ways_with_gaps_last_and_says_so(open_page) -> None:
    page = open_page(make_grid())
    page.select_option("[data-filter=label]", "woodfisher")
    head = page.locator("#grid th[data-name=accuracy]")
    for direction, reverse in (("ascending", False), ("descending", True)):
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == direction
        texts = column(page, "accuracy")
        numbers = [float(text) for text in texts if text != "–"]
        assert numbers == sorted(numbers, reverse=reverse) and len(numbers) == 27
        assert texts[-3:] == ["–"] * 3


def test_pages_of_the_table(open_page) -> None:
    page = open_page(make_grid())
    assert (len(rows(page)), page.inner_text("#where")) == (50, "Page 1 of 3")
    page.click("#next")
    page.click("#next")
    assert (len(rows(page)), page.is_disabled("#next")) == (20, True)


def test_records_are_linked_beside_the_page(open_page) -> None:
    page = open_page(make_grid())
    key = make_grid()[0].job.key
    assert page.get_attribute("#grid tbody a >> nth=0", "href") == f"../results/records/{key}.json"
    page.select_option("[data-filter=status]", "missing")
    assert page.locator("#grid tbody a").count() == 0
