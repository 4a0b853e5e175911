"""A page of 10,000 records answers while one still looks at the key one has pressed."""

import time

import pytest
from support import browser
from support.hostile import many_cells

chromium, open_page = browser.chromium, browser.open_page


@pytest.mark.speed
def test_ten_thousand_records_load_and_answer_fast(open_page) -> None:
    start = time.perf_counter()
    page = open_page(many_cells(10_000))
    took = {"writing and loading": time.perf_counter() - start}
    get = "document.getElementById"
    typed = "dispatchEvent(new Event('input', {bubbles: true}))"
    label = "document.querySelector('[data-filter=label]')"
    for name, action in {
        "search": f"{get}('find').value = 'method'; {get}('find').{typed}",
        "filter": f"{label}.value = 'method 7'; {label}.{typed}",
        "sort": "document.querySelector('#grid th[data-name=accuracy] button').click()",
        "page": f"{get}('next').click()",
    }.items():
        script = f"() => {{ const t = performance.now(); {action}; return performance.now() - t; }}"
        took[name] = page.evaluate(script) / 1000
    print({name: round(seconds, 3) for name, seconds in took.items()})
    assert page.inner_text("#found") == "1,000 of 10,000 cells"
    assert max(took[name] for name in ("search", "filter", "sort", "page")) < 1
