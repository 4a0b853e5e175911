"""Reads studies: TOML files that expand to the jobs of a grid, and the user's own code.

What comes in: the name of a built-in study or the path of a study file, plug-in files, and the
filters of the command line. What goes out: a validated `Study` and its cells, each a job with its
label; methods, pairs and datasets of plug-ins are registered on the way.

To add a built-in study, touch these files: bench/study/built_in/NAME.toml, and tests/study. To add
a key to study files: bench/study/study.py, and bench/jobs/job.py if jobs differ by it.
"""
