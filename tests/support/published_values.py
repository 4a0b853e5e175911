"""Values as a paper would have published them."""

from bench.check.published import Value


def value(**changes: object) -> Value:
    row = {
        "source": "A paper",
        "table": "a-table",
        "model": "mlpnet",
        "dataset": "mnist",
        "dense_accuracy": 93.5,
        "layers": "all",
        "method": "WF",
        "sparsity": 0.9,
        "value": 90.0,
        "std": None,
        "metric": "top1",
        "protocol": "one-shot",
    }
    return Value.model_validate(row | changes)
