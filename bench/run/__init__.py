"""One job, from the dense model of its pair to its record.

In come a job and a prepared pair, out comes a record; the method is called in between, under one
budget, one clock and one contract.
"""
