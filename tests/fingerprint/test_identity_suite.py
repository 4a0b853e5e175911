"""Which of the suite's own code a job's record depends on, by edits of copies of it."""

import re
from collections.abc import Callable

import pytest
from support.suite_copies import Copy

from bench.common.files import replacing
from bench.common.machine import measure, yardstick
from bench.executors import execute
from bench.fingerprint import remember_suite, source
from bench.jobs.allocation import pruned_total
from bench.jobs.budget import Budget, Meter
from bench.jobs.findings import Findings
from bench.jobs.job import Job
from bench.jobs.recipe import Recipe
from bench.jobs.record import Record
from bench.jobs.schedule import Gradual
from bench.jobs.store import RecordStore
from bench.pairs.batchnorm import recalibrate
from bench.pairs.checkpoint import PublishedWeights, verify
from bench.pairs.evaluate import evaluate
from bench.pairs.pair import Pair
from bench.pairs.preparing.dense_training import trained
from bench.pairs.preparing.prepare import prepare
from bench.problem import stopwatch
from bench.problem.calibration import Calibration, seeded
from bench.problem.objectives import Classification
from bench.problem.passes import Passes
from bench.problem.problem import Problem
from bench.problem.selection import keep_largest
from bench.problem.training.loop import Training
from bench.problem.training.optimizer import make_optimizer
from bench.run import control, environment, protocols, tuning
from bench.run.case import Case
from bench.run.contract import check_weights, untouched
from bench.run.one_job import _record, _run
from bench.run.retrain import Retraining
from bench.study import plugins
from datasets import load
from datasets.inputs.folder_images import FolderImages
from datasets.inputs.images import Images, crop_flip, shift
from datasets.inputs.split_inputs import inputs_of
from methods import build
from methods.magnitude import Magnitude
from methods.method import Method
from methods.obd import OBD

PLAIN = Job(
    pair="mlpnet-mnist5k",
    method="magnitude",
    hyperparameters={},
    allocation="global",
    sparsity=0.5,
    seed=0,
    protocol="one-shot",
    budget=Budget(),
)
RECIPE = Recipe(epochs=1, learning_rate=0.1, augmentation="shift")
TRIALS = Budget(tuning_trials=3)
JOBS = {
    "plain": PLAIN,
    "obd": PLAIN.model_copy(update={"method": "obd"}),
    "renewed": PLAIN.model_copy(update={"recalibration": 100}),
    "control": PLAIN.model_copy(update={"control": "shuffled mask"}),
    "tuned": PLAIN.model_copy(update={"budget": TRIALS}),
    "fine-tuned": PLAIN.model_copy(update={"protocol": "fine-tune", "training": RECIPE}),
    "gradual": PLAIN.model_copy(
        update={"protocol": "gradual", "training": RECIPE, "schedule": Gradual(end=1.0)}
    ),
    "rigl": PLAIN.model_copy(
        update={"method": "rigl", "protocol": "sparse-training", "training": RECIPE}
    ),
}
EVERY = set(JOBS)
TRAINED = {"fine-tuned", "gradual", "rigl"}
USED: list[tuple[Callable[..., object], set[str]]] = [
    *((code, EVERY) for code in (evaluate, check_weights, untouched, keep_largest, pruned_total)),
    *((code, EVERY) for code in (Images.batch, FolderImages.batch, inputs_of, seeded)),
    *((code, EVERY) for code in (Calibration.first, Case.prune, Case.install, prepare, _run)),
    *((code, EVERY) for code in (Pair.prunable_parameters, Pair.inputs, Meter.charge, build)),
    *((code, EVERY) for code in (Problem.select, Passes.examples, Method.prune)),
    (protocols.one_shot, EVERY - TRAINED),
    (Magnitude.scores, EVERY - {"obd", "rigl"}),
    (OBD.scores, {"obd"}),
    (Case.recalibrate, EVERY),  # a member of a class that all come to, behind some that don't count
    (recalibrate, {"renewed"}),
    (control.controlled, {"control"}),
    (control._shuffled, {"control"}),
    (tuning.tune, {"tuned"}),
    (tuning._worth, {"tuned"}),
    (protocols.fine_tune, {"fine-tuned"}),
    (protocols.gradual, {"gradual"}),
    (Gradual.sparsities, TRAINED),
    *(
        (code, TRAINED)
        for code in (Training.run, make_optimizer, Recipe.examples, Retraining.begin)
    ),
    (shift, TRAINED),
    (crop_flip, set()),
    *((code, set()) for code in (environment.environment, yardstick.yardstick_seconds, trained)),
    *((code, set()) for code in (measure.measured, stopwatch.Stopwatch.phase, RecordStore.write)),
    *(
        (code, set())
        for code in (replacing, verify, PublishedWeights.path, load, plugins.load_plugin)
    ),
    *((code, set()) for code in (execute.execute, Case._add_cost, _record)),
]


@pytest.fixture(scope="module")
def base() -> dict[str, str]:
    """The hashes of the suite as it is."""
    from bench.run.one_job import source_of

    return {name: source_of(job) for name, job in JOBS.items()}


def changed(copy: Copy, base: dict[str, str], *names: str) -> set[str]:
    """The jobs whose records the copy makes stale."""
    return {name for name in names or JOBS if copy.sha256(JOBS[name]) != base[name]}


def test_a_copy_has_the_hashes_of_the_suite(tmp_path, base) -> None:
    assert changed(Copy(tmp_path), base) == set()
    assert len(set(base.values())) == len(JOBS)


@pytest.mark.parametrize(("code", "jobs"), USED, ids=lambda one: getattr(one, "__qualname__", ""))
def test_an_edit_makes_those_records_stale_that_come_to_it(tmp_path, base, code, jobs) -> None:
    copy = Copy(tmp_path)
    copy.insert(code)
    assert changed(copy, base) == jobs


@pytest.mark.parametrize("code", [evaluate, Case.prune, Magnitude.scores, Method])
def test_what_only_speaks_may_change(tmp_path, base, code) -> None:
    copy = Copy(tmp_path)
    copy.edit(code, lambda text: re.sub(r'"""(?=[A-Z])', '"""Hear: ', text))
    copy.edit(code, lambda text: text.replace("\n", "  # so it is\n"))
    copy.edit(code, lambda text: re.sub(r"^(from|import) ", r"# more\n\1 ", text, flags=re.M))
    assert changed(copy, base) == set()


def test_the_text_of_an_error_may_change_but_not_its_type(tmp_path, base) -> None:
    copy = Copy(tmp_path)
    copy.edit(keep_largest, lambda text: text.replace("contain NaN", "hold no numbers"))
    copy.edit(check_weights, lambda text: text.replace("expected a dict", "and not a dict"))
    copy.edit(Magnitude, lambda text: text + "\n\nassert Magnitude, 'a method'\n")
    with_assertion = changed(copy, base)
    assert with_assertion == EVERY - {"obd", "rigl"}  # a module that acts when it is imported
    copy.edit(Magnitude, lambda text: text.replace("\n\nassert Magnitude, 'a method'\n", ""))
    assert changed(copy, base) == set()
    copy.edit(keep_largest, lambda text: text.replace("raise MethodError", "raise Skip"))
    assert changed(copy, base, "plain") == {"plain"}


def test_what_is_logged_may_change(tmp_path, base) -> None:
    copy = Copy(tmp_path)
    copy.insert(evaluate, 'log.info("evaluating %s", model)')
    assert changed(copy, base) == set()
    copy.insert(evaluate, "log.info(model.train())")
    assert changed(copy, base, "plain") == {"plain"}


def test_a_whole_package_may_move(tmp_path, base) -> None:
    """Every file of the harness in another folder, and two of them under another name."""
    copy = Copy(tmp_path, "inner")
    for path in tmp_path.rglob("*.py"):
        text = re.sub(r"\bfrom bench\b(?= import|\.)", "from bench.inner", path.read_text())
        path.write_text(re.sub(r"\b(problem\.|run\.)(selection|contract)\b", r"\1my_\2", text))
    for name in ("problem/selection.py", "run/contract.py"):
        path = copy.folder / "bench" / "inner" / name
        path.rename(path.with_name(f"my_{path.name}"))
    assert not list(tmp_path.rglob("selection.py"))
    assert changed(copy, base) == set()


def test_a_definition_may_move(tmp_path, base) -> None:
    copy = Copy(tmp_path)

    def cut(text: str) -> str:
        start = text.index("def keep_largest(")
        head = "import torch\nfrom torch import Tensor\n\n\n"
        (copy.folder / "bench" / "largest.py").write_text(head + text[start:])
        return text[:start]

    copy.edit(keep_largest, cut)
    copy.edit(keep_largest, lambda text: "from bench import largest\n" + text)
    copy.edit(keep_largest, lambda text: text.replace("keep_largest(", "largest.keep_largest("))
    for path in [*tmp_path.rglob("bench/run/control.py"), *tmp_path.rglob("methods/**/*.py")]:
        text = path.read_text().replace(
            "from bench.problem.selection import keep_largest",
            "from bench.largest import keep_largest",
        )
        path.write_text(text)
    assert changed(copy, base) == set()
    largest = copy.folder / "bench" / "largest.py"
    copy.rewrite(largest, lambda text: text.replace("scores > cut", "scores >= cut"))
    assert changed(copy, base, "plain") == {"plain"}


def test_an_import_of_something_else_under_the_same_name_is_seen(tmp_path, base) -> None:
    """Both are in the closure already, so that no definition comes or goes."""
    copy = Copy(tmp_path)
    copy.edit(
        Case,
        lambda text: text.replace(
            "from bench.run.contract import check_weights, untouched",
            "from bench.run.contract import _check_model as check_weights, untouched",
        ),
    )
    assert changed(copy, base, "plain") == {"plain"}
    copy = Copy(tmp_path / "other")
    copy.edit(
        Classification,
        lambda text: text.replace("import torch.nn.functional as F", "from torch import nn as F"),
    )
    assert changed(copy, base, "plain") == {"plain"}


def test_a_function_named_like_a_member_that_does_not_count_does(tmp_path, base) -> None:
    for number, head in enumerate(("", "if self:\n            ")):
        copy = Copy(tmp_path / str(number))
        copy.insert(Case.prune, f"{head}def restore(): return 1")
        before = copy.sha256(JOBS["plain"])
        copy.edit(Case, lambda text: text.replace("return 1", "return 2"))
        assert len({before, copy.sha256(JOBS["plain"]), base["plain"]}) == 3


def test_registering_more_makes_nothing_stale(tmp_path, base) -> None:
    copy = Copy(tmp_path)
    copy.edit(
        build, lambda text: text.replace('"random": Random,', '"random": Random, "new": OBD,')
    )
    copy.edit(Pair, lambda text: text + "\n\nPAIRS['new'] = PAIRS['mlpnet-mnist']\n")
    copy.edit(load, lambda text: text.replace('"mnist": MNIST,', '"mnist": MNIST, "new": MNIST,'))
    copy.edit(
        protocols,
        lambda text: text.replace('"gradual": gradual,', '"gradual": gradual, "x": gradual,'),
    )
    assert changed(copy, base) == set()


def test_a_field_of_the_record_makes_nothing_stale(tmp_path, base) -> None:
    copy = Copy(tmp_path)
    for model, name in ((Findings, "notes:"), (Record, "source_sha256:")):
        copy.edit(
            model,
            lambda text, name=name: text.replace(f"    {name}", f"    one: int = 0\n    {name}"),
        )
    copy.edit(
        Job,
        lambda text: text.replace(
            "    budget: Budget\n", "    budget: Budget\n    mood: str | None = None\n"
        ),
    )
    assert changed(copy, base) == set()


def test_code_that_is_edited_in_mid_run_counts_as_it_was(tmp_path, monkeypatch) -> None:
    files = [tmp_path / name for name in ("bench/a.py", "methods/inner/b.py", "datasets/c.py")]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text("before")
    monkeypatch.setattr(source, "ROOT", tmp_path)
    remember_suite()
    for file in files:
        file.write_text("after")
    assert [source.text(file) for file in files] == [b"before"] * 3


def test_code_is_hashed_once_however_many_records_are_looked_up(monkeypatch) -> None:
    from bench.run.one_job import source_of

    first = source_of(PLAIN)

    def hashed_again(*_: object) -> None:
        raise AssertionError("the code was hashed again")

    for name in ("closure", "code_of"):
        monkeypatch.setattr(f"bench.run.identity.{name}", hashed_again)
    assert {source_of(PLAIN.model_copy(update={"seed": seed})) for seed in range(100)} == {first}
