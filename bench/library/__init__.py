"""The suite as a library: a model in memory is pruned as a job would prune its pair.

What comes in: a model, calibration data, and a method's name with its fields. What goes out: a
pruned copy of the model, its masks, and what was spent, all checked as in a run.
"""
