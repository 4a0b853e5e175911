"""Per-example gradients of a model: watched, put together, and produced anew in parts."""
