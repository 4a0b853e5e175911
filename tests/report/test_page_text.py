"""The HTML report as text: what it says, that nothing in a record becomes markup, and its size."""

import json
import re

import pytest
from support.hostile import BREAKOUT, LABELS, hostile_cells, many_cells
from support.pages import data, make_page, own
from support.published_values import reproduction
from support.records import make_cell, make_grid, make_job

from bench.check.reproduction import Ours
from bench.check.tables import published_tables
from bench.jobs.budget import Budget
from bench.jobs.cell import Cell
from bench.report.page.content import inline
from bench.report.page.glyphs import outline
from bench.report.tables import latex


def test_everything_is_in_the_file(tmp_path) -> None:
    text = make_page(make_grid(), tmp_path, records=tmp_path / "my records")
    assert not re.search(r'<link|<[^>]+ src=|@import|url\(|href="(?!#)', own(text))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src &#39;none&#39;") and "unsafe" not in policy
    assert "http" not in policy
    assert len(text) < 2_000_000
    assert data(text)["folder"] == "my%20records"


def test_the_page_says_what_failed_is_missing_and_went_over(tmp_path) -> None:
    text = own(make_page(make_grid(), tmp_path))
    assert "112 of 120 cells are ok; 1 failed, 3 over-budget, 4 have not run." in text
    assert "asked for 9,000 passes" in text and "OutOfMemory at layer_3" in text
    assert re.search(r'class="status over-budget">over-budget</span> <strong>woodfisher', text)
    assert '<tr class="over"><th scope="row">woodfisher</th>' in text
    assert "nan" not in re.sub(r"[a-z]+nan|nan[a-z]+", "", text.lower())


def test_mixed_budgets_are_called_unfair(tmp_path) -> None:
    cells = [
        make_cell("a", make_job(seed=1)),
        make_cell("b", make_job("b", budget=Budget(backward_passes=9), seed=1)),
    ]
    text = own(make_page(cells, tmp_path))
    assert "2 different budgets: not a fair comparison" in text
    assert 'class="best"' not in text


def test_an_empty_study_and_one_that_has_not_run_say_so(tmp_path) -> None:
    assert "This study has no cells" in make_page([], tmp_path)
    waiting = [Cell(cell.label, cell.job, None) for cell in make_grid()]
    text = make_page(waiting, tmp_path)
    assert "No cell of this study has a result yet." in text
    assert "vegaEmbed" not in own(text) and 'id="curves"' not in text
    assert len(text) < 200_000


def test_hostile_text_stays_text(tmp_path) -> None:
    cells = hostile_cells()
    text = make_page(cells, tmp_path, title=BREAKOUT, description=f"{BREAKOUT}\n\n--> {LABELS[2]}")
    assert "hacked" in own(text)
    assert not re.search(r"<(script|img|svg onload)[^>]*hacked|onerror=\"", text)
    assert text.count("<script") == text.count("</script>") == 3
    assert set(data(text)["looks"]) == set(LABELS)


def test_inline_json_has_no_sign_that_a_page_reads() -> None:
    value = {"a": f"{BREAKOUT}<!--&\u2028\u2029"}
    assert not re.search("[<>&\u2028\u2029]", inline(value))
    assert json.loads(inline(value)) == value


def test_verdicts_against_published_values_are_a_table(tmp_path) -> None:
    published = published_tables([reproduction(84.5, Ours("obd", [85.0], 10_000))])
    text = own(make_page(make_grid(), tmp_path, published=published))
    for said in ("Against published numbers", "84.50", "+0.50", "reproduced", "Some 2020"):
        assert said in text
    document = latex.document(published, "x")
    assert "reproduced" in document and "Some 2020" in document


def test_configuration_is_shown_in_full(tmp_path) -> None:
    fields = {"samples": 100, "damping": 1e-5, "blocks": "full"}
    cells = [make_cell("a", make_job(hyperparameters=fields, seed=seed)) for seed in range(2)]
    text = own(make_page(cells, tmp_path))
    for name, value in (("samples", "100"), ("damping", "1e-05"), ("blocks", "full")):
        assert f"<dt>{name}</dt><dd>{value}</dd>" in text
    assert "<dt>torch</dt><dd>2.15</dd>" in text and "2 records" in text


@pytest.mark.parametrize("marker", "osD^v<>pPXh*dH8")
def test_markers_are_paths_that_fill_their_square(marker: str) -> None:
    path = outline(marker)
    assert re.fullmatch(r"(M[-\d.e,]+|[LQC][-\d.e,]+|Z)+", path)
    numbers = [abs(float(number)) for number in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", path)]
    assert max(numbers) == 1


def test_a_large_study_is_a_small_file(tmp_path) -> None:
    text = make_page(many_cells(10_000), tmp_path)
    assert len(text) < 4_000_000
