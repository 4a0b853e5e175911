"""The cubic schedule of gradual pruning: hand-made values, the exact endpoint, bad schedules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bench.common.errors import UserError
from bench.jobs.schedule import Gradual, cubic
from bench.study.study import load_study

STUDY = """
pairs = ["mlpnet-mnist5k"]
protocols = ["gradual"]
allocations = ["global"]
sparsities = [0.5, 0.9]
seeds = [0]

[training]
epochs = 10
learning_rate = 0.1

[gradual]
start = 2.0
end = 8.0

[budget]
training_steps = 1000

[methods]
magnitude = {}
"""


def test_the_cubic_by_hand() -> None:
    assert cubic(0, 0.2, 0.8) == pytest.approx(0.2)
    assert cubic(0.5, 0.2, 0.8) == pytest.approx(0.8 - 0.6 / 8)
    assert cubic(1, 0.2, 0.8) == 0.8
    assert cubic(-1, 0.2, 0.8) == pytest.approx(0.2)
    assert cubic(7, 0.2, 0.8) == cubic(1.5, 0.2, 0.8) == 0.8


def test_prunings_by_hand() -> None:
    plan = Gradual(start=1.0, end=3.0, frequency=0.5, initial_sparsity=0.1).sparsities(0.9, 10)
    assert list(plan) == [10, 15, 20, 25, 30]
    expected = [0.9 - 0.8 * (1 - k / 4) ** 3 for k in range(4)]
    assert list(plan.values())[:4] == pytest.approx(expected)
    assert plan[30] == 0.9


def test_a_pruning_that_removes_nothing_is_left_out() -> None:
    assert list(Gradual(end=2.0).sparsities(0.9, 10)) == [10, 20]


@given(
    start=st.floats(0, 5),
    length=st.floats(0.01, 5),
    frequency=st.floats(0.01, 10),
    final=st.floats(0, 0.99),
    steps=st.integers(1, 300),
)
def test_any_schedule_rises_and_ends_exactly_at_the_target(
    start, length, frequency, final, steps
) -> None:
    gradual = Gradual(start=start, end=start + length, frequency=frequency)
    plan = gradual.sparsities(final, steps)
    assert list(plan) == sorted(plan)
    values = list(plan.values())
    assert values == sorted(values)
    assert values[-1] == final
    assert max(plan) == round((start + length) * steps)


def test_a_good_study_loads(tmp_path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(STUDY)
    jobs = [cell.job for cell in load_study(str(path)).cells()]
    assert [job.sparsity for job in jobs] == [0.5, 0.9]
    assert all(job.schedule == Gradual(start=2.0, end=8.0) for job in jobs)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("end = 8.0", "end = 1.5", "the end (1.5) must come after the start (2)"),
        ("end = 8.0", "end = 11.0", "ends after 11 epochs, the training after 10"),
        ("end = 8.0", "end = 8.0\nfrequency = 0.0", "gradual.frequency: Input should be greater"),
        (
            "end = 8.0",
            "end = 8.0\ninitial_sparsity = 0.6",
            "starts at the sparsity 0.6, above the target 0.5",
        ),
        (
            "epochs = 10",
            "epochs = 0",
            "training.epochs: Input should be greater than or equal to 1",
        ),
        ("epochs = 10", "epochs = 10\nschedule = 'step'", "go with schedule = 'step'"),
        (
            "epochs = 10",
            "epochs = 10\nschedule = 'step'\nmilestones = [12]",
            "milestones must lie inside the 10 epochs, not [12]",
        ),
        (
            "epochs = 10",
            "epochs = 10\naugmentation = 'flip'",
            "'crop-flip' or 'resized-crop', not 'flip'",
        ),
        ("epochs = 10", "epochs = 10\nmomentun = 0.5", "Did you mean 'momentum'"),
        ("[training]\nepochs = 10\nlearning_rate = 0.1", "", "gradual needs a table [training]"),
        ("[gradual]\nstart = 2.0\nend = 8.0", "", "gradual needs a table [gradual]"),
        ('"gradual"]', '"fine-tune"]', "no protocol of the study uses the table [gradual]"),
        ("training_steps = 1000", "", "needs budget.training_steps above 0"),
    ],
)
def test_a_bad_schedule_is_one_sentence(tmp_path, old, new, sentence) -> None:
    path = tmp_path / "study.toml"
    assert old in STUDY
    path.write_text(STUDY.replace(old, new))
    with pytest.raises(UserError) as caught:
        load_study(str(path))
    assert sentence in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2


def test_a_method_that_fits_no_protocol_is_named(tmp_path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(STUDY.replace("magnitude = {}", "magnitude = {}\nstr = {}"))
    with pytest.raises(UserError, match="'str' runs in the protocols sparse-training"):
        load_study(str(path)).cells()


def test_a_protocol_that_no_method_runs_in_is_named(tmp_path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(STUDY.replace('"gradual"]', '"gradual", "sparse-training"]'))
    with pytest.raises(UserError, match="No method of the study runs in .* sparse-training"):
        load_study(str(path)).cells()


def test_nonsense_is_refused() -> None:
    for fields in ({"end": float("inf")}, {"end": 1.0, "start": -1.0}, {"end": float("nan")}):
        with pytest.raises(ValidationError):
            Gradual(**fields)
