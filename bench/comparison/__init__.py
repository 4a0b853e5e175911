"""A fair comparison of a study's methods, made from its records and from nothing else."""

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
