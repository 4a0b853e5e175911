"""What is asked of a job and what comes of it: jobs, budgets, recipes, records; without PyTorch.

What comes in: the fields of a study's cells, and JSON files. What goes out: validated jobs with
their keys, and records, read and written atomically (`RecordStore`).

To add an allocation, touch these files: bench/jobs/allocation.py and tests/jobs/test_allocation.py.
To add a protocol: bench/jobs/protocol.py, bench/run/protocols.py and tests/run/test_protocols.py.
To add a field to records: bench/jobs/findings.py, or bench/jobs/record.py for what isn't measured.
"""
