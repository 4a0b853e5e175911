"""The numbers under `What was found` are those of the files beside them."""

import re
from collections import Counter

import pytest
from support.findings import NUMBER, RESULTS, bindings, bound, paragraphs, value

TEXT = (RESULTS / "README.md").read_text()
FOUND = paragraphs(TEXT[TEXT.index("## What was found") :])
BINDINGS = bindings()
UNBOUND = 16
"""Decimal numbers that no kept file gives; `results/findings.toml` has the reasons."""


def of(lead: str) -> dict:
    """The bindings of the paragraph that begins with these words."""
    return next((one for start, one in BINDINGS.items() if lead.startswith(start)), {})


def test_every_binding_is_of_a_paragraph() -> None:
    leads = [[lead for lead in FOUND if lead.startswith(start)] for start in BINDINGS]
    assert [len(found) for found in leads] == [1] * len(BINDINGS)


@pytest.mark.parametrize("start", BINDINGS)
def test_a_number_is_what_its_cell_holds(start) -> None:
    drifted = [
        f"{number} is {now} ({source}: {cell})"
        for source, number, cell in bound(BINDINGS[start])
        if (now := value(source, cell, number)) != number
    ]
    assert drifted == []


@pytest.mark.parametrize("lead", FOUND)
def test_every_decimal_number_is_bound_or_said_to_be_none(lead) -> None:
    known = of(lead)
    named = [number for _, number, _ in bound(known)] + known.get("settings", [])
    named += [number for numbers in known.get("unbound", {}).values() for number in numbers]
    decimal = [number for number in named if "." in number]
    assert Counter(NUMBER.findall(FOUND[lead])) == Counter(decimal)
    whole = [number for number in named if "." not in number]
    assert [number for number in whole if not re.search(rf"\b{number}\b", FOUND[lead])] == []


def test_few_numbers_are_not_bound() -> None:
    unbound = [one for known in BINDINGS.values() for one in known.get("unbound", {}).values()]
    assert sum(map(len, unbound)) == UNBOUND
    assert sum(len(list(bound(known))) for known in BINDINGS.values()) > 150


def test_another_number_in_the_text_is_noticed() -> None:
    source, number, cell = next(bound(of("Equal logits decide where units are dead.")))
    assert value(source, cell, number) == number
    assert value(source, cell.replace("95", "98"), number) != number
    assert NUMBER.findall("at 1e-5 12.34 ± 0.50 % of 100, 0.1") == ["12.34 ± 0.50", "0.1"]


def test_what_the_page_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert len(links) > 30
    assert [link for link in links if not (RESULTS / link).exists()] == []
