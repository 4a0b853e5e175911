"""What a search may try: values of a field's own type, and none that the type refuses."""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, NewType, Optional

import pytest
from pydantic import Field, NonNegativeInt
from support.grids import PAIR
from typing_extensions import TypeAliasType

from bench.common.errors import UserError
from bench.jobs.budget import Budget
from bench.jobs.job import Job
from bench.run.one_job import run_job
from bench.run.tuning import Proposals
from bench.study.study import Study
from methods import METHODS, build, configuration
from methods.magnitude import Magnitude
from methods.method import Count
from methods.search import Choice, Search, Whole, fitted, space

Steps = Annotated[Count, Search(1, 4)]
Level = NewType("Level", int)
Alias = TypeAliasType("Alias", Annotated[int, Search(2, 3)])


@dataclass(frozen=True)
class Tunable(Magnitude):
    """Every kind of field that a search can set."""

    scale: str = "none"
    seen: ClassVar[list[tuple[Any, ...]]] = []

    plain: Annotated[int, Search(1, 4)] = 2
    ends: Annotated[int, Search(0.5, 3.5)] = 1
    decades: Annotated[int, Search(1, 1000, log=True)] = 10
    alias: Steps = 1
    new: Annotated[Level, Search(0, 9)] = Level(5)
    typed: Alias = 2
    bounded: Annotated[NonNegativeInt, Search(0, 2)] = 0
    maybe: Annotated[int, Search(1, 4)] | None = None
    whole_maybe: Annotated[Optional[int], Search(1, 4)] = None  # noqa: UP045 - as users write it
    outside: Annotated[int, Search(5, 7)] = 99
    narrow: Annotated[int, Search(3, 3)] = 3
    real: Annotated[float, Search(1, 4)] = 2.0
    either: Annotated[int | float, Search(0.0, 1.0)] = 0.5
    numbers: Annotated[int, Choice((1, 8, 64))] = 8
    mixed: Annotated[int | Literal["full"] | None, Choice((16, "full", None))] = None
    shares: Annotated[float, Choice((0.25, 0.5))] = 0.5
    switch: Annotated[bool, Choice((False, True))] = False

    def scores(self, problem):
        """The values are kept for the test."""
        self.seen.append(tuple(getattr(self, name) for name in TYPES))
        return super().scores(problem)


TYPES: dict[str, tuple[tuple[type, ...], Any]] = {
    "plain": ((int,), range(1, 5)),
    "ends": ((int,), range(1, 4)),
    "decades": ((int,), range(1, 1001)),
    "alias": ((int,), range(1, 5)),
    "new": ((int,), range(10)),
    "typed": ((int,), range(2, 4)),
    "bounded": ((int,), range(3)),
    "maybe": ((int,), range(1, 5)),
    "whole_maybe": ((int,), range(1, 5)),
    "outside": ((int,), range(5, 8)),
    "narrow": ((int,), (3,)),
    "real": ((float,), None),
    "either": ((float,), None),
    "numbers": ((int,), (1, 8, 64)),
    "mixed": ((int, str, type(None)), (16, "full", None)),
    "shares": ((float,), (0.25, 0.5)),
    "switch": ((bool,), (False, True)),
}


def test_proposals_are_of_the_fields_types_and_reach_both_ends() -> None:
    method = Tunable()
    tried: dict[str, set[Any]] = {name: set() for name in TYPES}
    for seed in range(4):
        proposals = Proposals(method, fitted(Tunable, method.space()), seed)
        assert proposals.configured == {name: getattr(method, name) for name in TYPES}
        proposals.tell(proposals.configured, 1.0)
        for number in range(20):
            values = proposals.next()
            proposals.tell(values, float(number % 3))
            for name, value in values.items():
                kinds, allowed = TYPES[name]
                assert type(value) in kinds, name
                assert allowed is None or value in allowed, name
                tried[name].add(value)
    for name in ("plain", "ends", "alias", "bounded", "maybe", "outside", "numbers", "mixed"):
        assert tried[name] == set(TYPES[name][1]), name
    # Equal factors are equally likely: a third of 1 to 1000 is below 10.
    assert min(tried["decades"]) < 10 and max(tried["decades"]) > 100


@pytest.mark.usefixtures("registries")
def test_the_method_is_given_values_that_its_types_take(pairs) -> None:
    METHODS["tunable"] = Tunable
    Tunable.seen.clear()
    job = Job(
        pair=PAIR,
        method="tunable",
        hyperparameters=configuration(build("tunable", {})),
        allocation="global",
        sparsity=0.9,
        seed=0,
        protocol="one-shot",
        budget=Budget(tuning_trials=5),
    )
    record = run_job(job, pairs[PAIR], "study", "tunable")
    assert record.status == "ok", record.reason
    assert len(Tunable.seen) == 6 and len(record.trials) == 5
    assert not any(trial.reason for trial in record.trials)
    for number, values in enumerate(Tunable.seen[:5]):
        for (name, (kinds, allowed)), value in zip(TYPES.items(), values, strict=True):
            if number:
                assert type(value) in kinds and (allowed is None or value in allowed), name
    chosen = record.chosen
    assert chosen is not None
    assert build("tunable", {**job.hyperparameters, **chosen})
    assert {name: type(value) for name, value in chosen.items()} == {
        name: type(value) for name, value in zip(TYPES, Tunable.seen[-1], strict=True)
    }


@pytest.mark.usefixtures("registries")
def test_values_that_a_type_refuses_are_never_passed(pairs) -> None:
    given = []

    @dataclass(frozen=True)
    class Even(Magnitude):
        """Only even numbers, which no range can say."""

        count: Annotated[int, Field(multiple_of=2), Search(2, 8)] = 2

        def scores(self, problem):
            given.append(self.count)
            return super().scores(problem)

    METHODS["even"] = Even
    job = Job(
        pair=PAIR,
        method="even",
        hyperparameters=configuration(Even()),
        allocation="global",
        sparsity=0.9,
        seed=0,
        protocol="one-shot",
        budget=Budget(tuning_trials=8),
    )
    record = run_job(job, pairs[PAIR], "study", "even")
    assert record.status == "ok" and len(record.trials) == 8
    refused = [trial for trial in record.trials if trial.reason]
    assert 0 < len(refused) < 8
    assert all("multiple of 2" in trial.reason and trial.values["count"] % 2 for trial in refused)
    assert given and all(count % 2 == 0 for count in given)


def with_field(hint: Any, default: Any = 1) -> type[Magnitude]:
    own = dataclass(frozen=True)(
        type("Own", (Magnitude,), {"__annotations__": {"x": hint}, "x": field(default=default)})
    )
    return own


@pytest.mark.usefixtures("registries")
@pytest.mark.parametrize(
    ("hint", "value", "words"),
    [
        (Annotated[bool, Search(0, 1)], True, "'x' holds no numbers: it takes a Choice"),
        (Annotated[str, Search(0, 1)], "a", "'x' holds no numbers"),
        (Annotated[Literal["a", "b"], Search(0, 1)], "a", "'x' holds no numbers"),
        (Annotated[int, Search(0.2, 0.8)], 1, "'x' is searched where there is no whole number"),
        (Annotated[Count, Search(0, 4)], 1, "'x' may be set to 0 .* greater than or equal to 1"),
        (Annotated[int, Field(lt=4), Search(1, 4)], 1, "'x' may be set to 4 .* less than 4"),
        (Annotated[float, Field(gt=0), Search(0.0, 1.0)], 1.0, "'x' may be set to 0.0 .* greater"),
        (Annotated[int, Choice((1, 2.5))], 1, "'x' may be set to 2.5 .* valid integer"),
        (Annotated[int, Choice((1, None))], 1, "'x' may be set to None"),
        (Annotated[Literal["a"], Choice(("a", "c"))], "a", "'x' may be set to 'c'"),
    ],
)
def test_a_search_that_does_not_fit_is_refused_before_anything_runs(
    hint: Any, value: Any, words: str
) -> None:
    METHODS["own"] = with_field(hint, value)
    fields = {
        "name": "grid",
        "title": "Grid",
        "pairs": [PAIR],
        "methods": {"own": {}},
        "allocations": ["global"],
        "sparsities": [0.9],
        "seeds": [0],
    }
    assert Study(**fields, budget={}).cells()
    with pytest.raises(UserError, match=f"Method 'own' can't be tuned: the field {words}"):
        Study(**fields, budget={"tuning_trials": 3}).cells()


@pytest.mark.usefixtures("registries")
def test_a_space_of_a_methods_own_making_is_fitted_too() -> None:
    class Own(with_field(int)):  # type: ignore[misc]
        def space(self):
            return {"x": Search(1, 4)}

    method = Own()
    assert fitted(Own, method.space()) == {"x": Whole(1, 4)}
    with pytest.raises(ValueError, match="there is no field 'y'"):
        fitted(Own, {"y": Search(1, 4)})


def test_ranges_and_choices_that_hold_nothing_are_refused() -> None:
    nan, inf = float("nan"), float("inf")
    for low, high in ((4, 1), (nan, 1), (0, inf), (True, 4), ("1", 4)):
        with pytest.raises(ValueError, match="a search goes from a number to a larger one"):
            Search(low, high)
    for low in (0, -1, 0.0):
        with pytest.raises(ValueError, match="a logarithmic search starts above zero"):
            Search(low, 4, log=True)
    for values in ((), (1, 1.0), (True, 1), ("a", "a"), (nan, 1), ((1, 2), 3)):
        with pytest.raises(ValueError, match="a choice is among different"):
            Choice(values)


def test_only_what_a_search_could_come_to_is_inside() -> None:
    assert Search(1, 4).contains(1) and Search(1, 4).contains(4.0) and Whole(1, 4).contains(4)
    for value in (None, True, "2", 0, 4.5, float("nan")):
        assert not Search(1, 4).contains(value)
    assert not Whole(1, 4).contains(2.0)
    assert Choice((1, None)).contains(None) and not Choice((1, None)).contains(True)


def test_built_in_spaces_stay_as_they_are() -> None:
    for name, method in METHODS.items():
        assert fitted(method, space(method)) == space(method), name
    assert not any(isinstance(what, Whole) for m in METHODS.values() for what in space(m).values())
