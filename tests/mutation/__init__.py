"""Mutation testing: small faults are put into the code one at a time, and a test has to fail.

    python -m tests.mutation --count 250 --seed 0 --jobs 2

`subjects` says which tests answer for which files, `operators` makes the faults, `sampling` draws
some of them, `equivalents.toml` explains the few that no test can see, `runner` tries each in a
process forked from one that has torch and pytest loaded, and `__main__` prints what survived.
The libraries for it don't fit: mutmut changes neither decorated functions nor the fields of
dataclasses, which is where our methods keep their constants, and cosmic-ray starts Python, and so
imports torch, anew for each fault.
"""
