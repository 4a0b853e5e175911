"""The gate: a study's records against its accepted baseline, and against published values.

In come the cells of a study, `results/baselines/STUDY.jsonl` and `results/published/`. Out come
verdicts: a `Change` for each group of seeds beside the baseline (`regression`), a `Timing` for its
pruning time (`timing`), a `Reproduction` for each published value (`reproduction`). `judgement`
gathers them and says whether the gate is passed; `tables`, `verdicts` and `junit` write them down.

To add a published value, touch `results/published/published.csv`, and `columns.toml` beside it for
a new column; no code. To add a verdict of the gate, touch `regression.py` and its test. To add a
column of a table of verdicts, touch `tables.py` and `tests/check/test_verdicts.py`.
"""
