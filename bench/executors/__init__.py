"""Where jobs run: this process, worker processes, a Ray or a Slurm cluster.

In come the jobs that have no current record, out come records, each written before it is told.
"""
