"""Values as a paper would have published them."""

from bench.check.published import Value
from bench.check.reproduction import Ours, Reproduction


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


def reproduction(accuracy: float, ours: Ours) -> Reproduction:
    """A value of `Some 2020` for obd on ResNet-20 that our result reproduces."""
    published = value(
        source="Some 2020", model="resnet20", dataset="cifar10", method="obd", value=accuracy
    )
    return Reproduction(published, "reproduced", "", ours, 1.5)
