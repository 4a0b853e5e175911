"""What a method may use: the weights, metered data and gradients, mask selection, training.

What comes in: a model, the names of its prunable parameters, and the calibration data of one job
behind a meter. What goes out: a `Problem`, which hands weights, layer inputs, gradients and
Hessian-vector products to a method and charges each to the meter; masks with exact counts
(`select`); and the training loop (`Training`) in which protocols and sparse-training methods run.
The test split can't be reached from here.

To add a kind of pass that methods may ask for, touch these files: bench/problem/passes.py, which
charges it to the meter, and tests/problem.
"""
