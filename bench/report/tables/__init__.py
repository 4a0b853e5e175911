"""Tables: what is in them as plain data, and how it is written as Markdown, LaTeX and text.

In come frame and summary; `tables`, `costs` and `phases` make each a `Table` without markup. Out
come `markdown`, `latex` and, for numbers in running text, `macros`.

To add a table, touch a module here that returns a `Table`, `bench/report/panels.py` that asks for
it, its heading in `bench/report/page/template/tables.html`, and a test.
"""
