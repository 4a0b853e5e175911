"""A fair comparison of a study's methods, made from its records and from nothing else.

In come the cells of a study with their records (`gather`). `conditions` says what was held equal
and refuses what isn't comparable; `paired` computes differences paired by seed, areas under the
curve and who is best; `ranks` compares over all blocks. Out comes a `Comparison` (`compare`): its
tables (`tables`), its diagram (`diagram`), and all of them as files (`write`).

Bold means one thing here and in the report: better than every other method of its column by the
rule of `bench.common.statistics.contest`.

To add a condition that must be equal, touch `conditions.py` and its test. To add a number of each
method, touch `paired.py` (with its name in `COLUMNS`), the table of `tables.py` that shows it, and
a test. To add a table, touch `tables.py`, its title in `write.py`, and a test.
"""

from bench.comparison.compare import Comparison, compare
from bench.comparison.gather import Gathered, gather
from bench.comparison.write import comparison_text, write_comparison

__all__ = [
    "Comparison",
    "Gathered",
    "compare",
    "comparison_text",
    "gather",
    "write_comparison",
]
