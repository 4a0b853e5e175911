"""Figures for print, and what print and page share of them.

In come the frame and the summary of a study. `kinds` declares every kind of figure once: its
columns, its axes, and which form draws it. Out come PDF and PNG files (`drawings`), drawn by the
forms `curves`, `points`, `bars`, `heat`, `spending` and `against`, of which `marks`, `axis`,
`palette` and `canvas` hold what they share. The page draws the same kinds from the same
declarations, by the forms in `bench/report/page/script`.

To add a kind that a form can draw, touch `kinds.py` and a test. To add a form too, touch one module
here, and one script of the page that sets `FORMS.NAME`, with its name in `kind.Form`.
"""
