"""Per-example gradients of a model: recorded by hooks, assembled, or recomputed group by group."""
