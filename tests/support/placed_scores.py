"""What the plugin `placed` imports from beside itself."""


def magnitudes(problem):
    """The absolute value of every weight."""
    return {name: weight.abs() for name, weight in problem.weights.items()}
