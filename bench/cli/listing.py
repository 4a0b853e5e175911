"""Tables of what there is to choose from, drawn from its rows."""

from collections.abc import Iterator

from rich.table import Table

from bench.cli.remembered import Listing

COLUMNS = {
    "methods": ("name", "fields and defaults", "what it does"),
    "pairs": ("name", "model", "dataset", "dense model"),
    "studies": ("name", "jobs", "title"),
    "datasets": ("name", "what it holds", "on this machine"),
}
"""The columns of each table, by its kind."""


def tables(listing: Listing) -> Iterator[Table]:
    """Iterate over the tables of a listing."""
    for kind, rows in listing.items():
        table = Table(
            title=kind.capitalize(),
            title_justify="left",
            title_style="bold",
            box=None,
            pad_edge=False,
        )
        for column in COLUMNS[kind]:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*row)
        yield table
