"""However a plugin makes its methods, an edit that changes a number is seen."""

import pytest
from support.suite_copies import Copy
from support.user_folders import HEAD, edited, imported

from bench.fingerprint import targets_of
from bench.jobs.budget import Budget
from bench.jobs.job import Job
from bench.run.one_job import source_of
from methods import METHODS
from methods.obd import OBD

pytestmark = pytest.mark.usefixtures("registries")

WAYS = {
    "a class made in a function": (
        """
def make(power):
    @dataclass(frozen=True)
    class Own(Method):
        def scores(self, problem):
            return {n: w.abs() ** power for n, w in problem.weights.items()}
    return Own

METHODS = {"own": make(2.0)}
""",
        ("make(2.0)", "make(3.0)"),
    ),
    "a class made by type": (
        """
def scores(self, problem):
    return {n: w.abs() ** self.power for n, w in problem.weights.items()}

METHODS = {"own": dataclass(frozen=True)(type("Own", (Method,), {"power": 2.0, "scores": scores}))}
""",
        ("2.0", "3.0"),
    ),
    "a function put into a class later": (
        """
@dataclass(frozen=True)
class Own(Method):
    pass

def flipped(cls):
    cls.scores = lambda self, problem: {n: -w for n, w in problem.weights.items()}
    return cls

METHODS = {"own": flipped(Own)}
""",
        ("-w for", "w for"),
    ),
    "a method in place of another one": (
        """
def wrapped(cls, factor):
    scores = cls.scores
    def changed(self, problem):
        return {n: factor * s for n, s in scores(self, problem).items()}
    return dataclass(frozen=True)(type("Own", (cls,), {"scores": changed}))

METHODS = {"own": wrapped(Magnitude, -1)}
""",
        ("wrapped(Magnitude, -1)", "wrapped(Magnitude, 1)"),
    ),
    "a table of its own called METHODS": (
        """
METHODS = {"square": 2.0}

@dataclass(frozen=True)
class Own(Method):
    def scores(self, problem):
        return {n: w.abs() ** METHODS["square"] for n, w in problem.weights.items()}

POWERS = METHODS
METHODS = {"own": Own}
""",
        ('"square": 2.0', '"square": 3.0'),
    ),
    "a table of its own called METHODS that is filled later": (
        """
METHODS = {}
METHODS["square"] = 2.0

@dataclass(frozen=True)
class Own(Method):
    def scores(self, problem):
        return {n: w.abs() ** METHODS["square"] for n, w in problem.weights.items()}

METHODS["own"] = Own
""",
        ('METHODS["square"] = 2.0', 'METHODS["square"] = 3.0'),
    ),
    "a table with the name of one of the suite's": (
        """
TRAINED = {}
TRAINED["square"] = 2.0

@dataclass(frozen=True)
class Own(Method):
    def scores(self, problem):
        return {n: w.abs() ** TRAINED["square"] for n, w in problem.weights.items()}

METHODS = {"own": Own}
""",
        ('TRAINED["square"] = 2.0', 'TRAINED["square"] = 3.0'),
    ),
    "a global that a function looks up": (
        """
POWER = 2.0

@dataclass(frozen=True)
class Own(Method):
    def scores(self, problem):
        return {n: w.abs() ** globals()["POW" + "ER"] for n, w in problem.weights.items()}

METHODS = {"own": Own}
""",
        ("POWER = 2.0", "POWER = 3.0"),
    ),
    "code as text": (
        """
exec("def power(w): return w ** 2")

@dataclass(frozen=True)
class Own(Method):
    def scores(self, problem):
        return {n: power(w) for n, w in problem.weights.items()}

METHODS = {"own": Own}
""",
        ("w ** 2", "w ** 4"),
    ),
    "registered where it is defined": (
        """
REGISTERED["own"] = None

@dataclass(frozen=True)
class Own(Method):
    factor = 1.0
    def scores(self, problem):
        return {n: self.factor * w.abs() for n, w in problem.weights.items()}

Own.factor = -1.0
METHODS = {"own": Own}
""",
        ("Own.factor = -1.0", "Own.factor = 1.0"),
    ),
}


def job_sha256(monkeypatch, module, name: str = "own") -> str:
    monkeypatch.setitem(METHODS, "own", module.METHODS[name])
    return source_of(
        Job(
            pair="mlpnet-mnist5k",
            method="own",
            hyperparameters={},
            allocation="global",
            sparsity=0.5,
            seed=0,
            protocol="one-shot",
            budget=Budget(),
        )
    )


@pytest.mark.parametrize("way", WAYS)
def test_a_method_counts_however_it_is_made(tmp_path, monkeypatch, way) -> None:
    text, (old, new) = WAYS[way]
    files = {"plugin.py": HEAD + text}
    first = job_sha256(monkeypatch, imported(tmp_path, files))
    assert job_sha256(monkeypatch, imported(tmp_path, files)) == first
    changed = edited(files, ("plugin.py", old, new))
    assert job_sha256(monkeypatch, imported(tmp_path, changed)) != first


def test_a_method_that_looks_others_up_depends_on_them(tmp_path) -> None:
    text = """
@dataclass(frozen=True)
class Own(Method):
    def scores(self, problem):
        return build("obd", {"samples": 10}).scores(problem)

METHODS = {"own": Own}
"""
    own = targets_of(imported(tmp_path, {"plugin.py": HEAD + text}).METHODS["own"])
    copy = Copy(tmp_path / "suite")
    before = copy.closure(own).sha256
    assert copy.closure(own).sha256 == before
    copy.insert(OBD.scores)
    assert copy.closure(own).sha256 != before
