"""The HTML report: one file that needs no network, drawn from records alone."""

from bench.report.page.write import address, page

__all__ = ["address", "page"]
