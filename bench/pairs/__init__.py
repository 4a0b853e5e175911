"""A pair is a model, a dataset, dense weights, and the rule that says what is prunable."""
