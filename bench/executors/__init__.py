"""Where jobs run: this process, worker processes, a Ray or a Slurm cluster.

What comes in: the jobs of a study, of which those without a current record are run, and the
prepared pairs. What goes out: records, each of which is on disk before the executor returns it.

To add an executor, touch these files: bench/executors/NAME.py (or a folder NAME/), which defines
the operations of `Executor` in task.py; bench/executors/options.py, which makes it from the command
line's options; and tests/executors.
"""
