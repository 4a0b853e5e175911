"""Runs one job, from the dense model of its pair to its record.

What comes in: a job and a prepared pair. What goes out: a record, whatever happens: a method that
fails or exceeds its budget gives a record that says so. In between the method is called under one
budget, one timer and one contract (contract.py).

To add a protocol, touch these files: bench/jobs/protocol.py, which declares it;
bench/run/protocols.py, which carries it out; and tests/run/test_protocols.py.
"""
