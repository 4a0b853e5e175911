"""What the jobs of one process share of a method's work: its estimate of the dense model.

What comes in: a method and a job's problem. What goes out: the pruned weights, and what the method
takes when it runs alone, whether its estimate was made now or for another job.
"""
