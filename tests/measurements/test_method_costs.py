"""What methods cost is counted in plain passes over the same examples, for every method."""

import pandas as pd
import pytest
from support.grids import PAIR

from bench.measurements import measure, method_costs
from methods import METHODS


def test_every_method_that_prunes_once_is_measured(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(method_costs, "EXAMPLES", {PAIR: 20})
    quick = {name: kind for name, kind in METHODS.items() if name not in ("l-obs", "obc")}
    monkeypatch.setattr(method_costs, "METHODS", quick)
    files = measure("method-costs", tmp_path)
    assert [path.name for path in files] == ["costs.csv", "costs.md", "facts.json"]
    costs = pd.read_csv(files[0]).set_index("method")
    assert list(costs.index) == [name for name, kind in quick.items() if not kind.trains]
    assert (costs.drop(columns="pair") > 0).all(axis=None)
    assert costs.estimate["woodfisher"] > costs.estimate["magnitude"]
    assert costs.cell["chita++"] > costs.cell["chita"]
    assert "| woodfisher" in files[1].read_text()


def test_costs_are_in_units_of_the_plain_pass(monkeypatch, pairs) -> None:
    monkeypatch.setattr(method_costs, "plain_pass", lambda dense, examples: 0.5)
    monkeypatch.setattr(method_costs, "METHODS", {"obd": METHODS["obd"]})
    monkeypatch.setattr(
        method_costs,
        "cost",
        lambda method, dense, examples: method_costs.Cost(examples**2 / 100, 1.0),
    )
    assert method_costs.table(pairs[PAIR], 20) == [
        {
            "pair": PAIR,
            "method": "obd",
            "estimate": pytest.approx(8.0),
            "estimate growth": pytest.approx(4.0),
            "cell": pytest.approx(2.0),
            "cell growth": pytest.approx(1.0),
        }
    ]
