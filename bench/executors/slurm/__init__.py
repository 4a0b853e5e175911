"""Runs jobs on a Slurm cluster whose nodes share a file system, through submitit."""
