"""The HTML report: one file that needs no network, drawn from records alone.

In come cells, frame, summary, tables and the declared kinds of figures. `content` turns them into
the JSON that the scripts in `script` read, `conditions` into what stands beside the charts, and
`write` puts template, styles, scripts and data together. Out comes the text of `report.html`.

Columns of the table of records, headings and charts follow from declarations: of record fields in
`bench/jobs`, of kinds in `bench/report/figures/kinds.py`. To add a form of charts, touch one file
in `script`. To add a section without a chart, touch `template`, the list of contents in `write.py`,
and a test.
"""

from bench.report.page.write import address, page

__all__ = ["address", "page"]
