"""A LaTeX macro for each cell of the tables of metrics, so that prose can quote numbers."""

import re

import pandas as pd

from bench.report.columns import metric_of
from bench.report.numerals import percent
from bench.report.tables.latex import escape
from bench.report.tables.tables import dense_value

_SMALL = (
    *("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten"),
    *("Eleven", "Twelve", "Thirteen", "Fourteen", "Fifteen", "Sixteen", "Seventeen", "Eighteen"),
    "Nineteen",
)
_TENS = ("Twenty", "Thirty", "Forty", "Fifty", "Sixty", "Seventy", "Eighty", "Ninety")
_COLUMNS = ["label", "allocation", "protocol", "sparsity", "status"]
_SIGNS = {"+": "Plus", "%": "Percent", "=": "Is", ".": "Point"}


def macros(means: pd.DataFrame, cells: pd.DataFrame, pair: str) -> str:
    r"""Lines such as `\newcommand{\benchWoodfisherGlobalNinetyFive}{84.18}` for one pair.

    The name is label, allocation and sparsity in percent; pair and protocol stand in it where the
    study has several. The value is the mean, an accuracy in percent, `...Spread` its standard
    deviation over seeds; a cell without a result gives its status.
    """
    lines = [
        f"\\newcommand{{\\{name}}}{{{escape(value)}}}"
        for name, value in _named(means, cells)[pair].items()
    ]
    head = "% Written from records by `python -m bench report`: do not edit."
    return "\n".join([head, *lines, ""])


def _named(means: pd.DataFrame, cells: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Names and values of all macros by pair; no two have a name in common."""
    several = [name for name in ("pair", "protocol") if means[name].nunique() > 1]
    found: dict[str, dict[str, str]] = {}
    taken: set[str] = set()
    for pair, own in means.groupby("pair", sort=False):
        prefix = "bench" + (letters(str(pair)) if "pair" in several else "")
        dense = _unused(f"{prefix}Dense", taken)
        of_pair = cells[cells.pair == pair]
        found[str(pair)] = values = {dense: dense_value(of_pair)}
        metric = metric_of(of_pair)
        numbers = [f"{metric.column}_{name}" for name in ("mean", "std")]
        for label, allocation, protocol, sparsity, status, mean, spread in own[
            [*_COLUMNS, *numbers]
        ].itertuples(index=False, name=None):
            parts = [label, allocation, *([protocol] if "protocol" in several else [])]
            stem = "".join(map(letters, [*parts, percent(sparsity)]))
            name = _unused(f"{prefix}{stem}", taken)
            values[name] = status if pd.isna(mean) else metric.written(mean)
            if not pd.isna(spread):
                values[f"{name}Spread"] = metric.written(spread)
    return found


def letters(text: str) -> str:
    """The text as letters only: words capitalised, numbers and signs spelled."""
    parts = re.findall(r"[A-Za-z]+|\d+|[+%=]|(?<=\d)\.(?=\d)", text)
    return "".join(
        _SIGNS.get(part) or (spelled(int(part)) if part.isdigit() else part[0].upper() + part[1:])
        for part in parts
    )


def spelled(number: int) -> str:
    """A whole number in words: 95 is `NinetyFive`, 4096 `FourThousandNinetySix`."""
    if number < 20:
        return _SMALL[number]
    if number < 100:
        return _TENS[number // 10 - 2] + (_SMALL[number % 10] if number % 10 else "")
    for size, name in ((10**6, "Million"), (1000, "Thousand"), (100, "Hundred")):
        if number >= size:
            rest = number % size
            return spelled(number // size) + name + (spelled(rest) if rest else "")
    raise AssertionError(number)


def _unused(name: str, taken: set[str]) -> str:
    """The name, or with a word after it where it is taken; it is from now on."""
    count, free = 1, name
    while free in taken:
        count += 1
        free = f"{name}Again{spelled(count)}"
    taken.add(free)
    return free
