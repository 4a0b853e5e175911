"""All that a method may touch: weights, metered data, gradients, selection, the training loop."""
