"""The mutation campaign itself: its faults, its sample, its table, and a small campaign."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from support.checkout import ROOT

from mutation.campaign import Result
from mutation.report import enough, survivors, table
from mutation.sampling import (
    Explained,
    Mutant,
    every_mutant,
    explained,
    mutated,
    sample,
    without_explained,
)
from mutation.subjects import SUBJECTS, Subject, unassigned
from mutation.text import Text
from mutation.walk import mutations


def faults(source: str) -> set[str]:
    """Every text that a module of one line may become."""
    text = Text(source)
    return {text.with_(mutation).strip() for mutation in mutations(source)}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x = a + b", {"x = a - b"}),
        ("x = a @ b ** c", {"x = a * b ** c", "x = a @ b * c"}),
        ("x = (a - b) / c", {"x = (a + b) / c", "x = (a - b) * c"}),
        ("x = a // b & c", {"x = a * b & c", "x = a // b | c"}),
        ("x += y", {"x -= y", "pass"}),
        ("x = a < b", {"x = a <= b", "x = a >= b"}),
        (
            "x = a <= b < c",
            {"x = a < b < c", "x = a > b < c", "x = a <= b <= c", "x = a <= b >= c"},
        ),
        ("x = a == b", {"x = a != b"}),
        ("x = a is None", {"x = a is not None"}),
        ("x = a not in b", {"x = a in b"}),
        ("x = a and b or c", {"x = a or b or c", "x = a and b and c"}),
        ("x = -a", {"x = a"}),
        ("x = ~a", {"x = a"}),
        ("x = not a", {"x = a"}),
        ("x = b if a else c", {"x = b if not (a) else c"}),
        ("x = [a for a in b if c]", {"x = [a for a in b if not (c)]"}),
        ("x = 0", {"x = 1"}),
        ("x = 7", {"x = 8"}),
        ("x = 0.5", {"x = 1.0"}),
        ("x = 0.0", {"x = 1.0"}),
        ("x = True", {"x = False"}),
        ("x = 'one-shot'", {"x = 'one-shotx'"}),
        ("x = 'Words of a sentence.'", set()),
        ("x = f'{a + b} words'", {"x = f'{a - b} words'"}),
        ("x = f(a, b)", {"x = f(b, a)"}),
        ("x = f(*a, b)", set()),
        ("x = max(a, b)", {"x = min(a, b)"}),
        ("x = a.sum(b)", {"x = a.mean(b)"}),
        ("x = (a * b).abs()", {"x = (a * b)", "x = (a / b).abs()"}),
        ("x = a.T", {"x = a"}),
        ("x = zip(a, b, strict=True)", {"x = zip(b, a, strict=True)"}),
        ("a.add_(b)", {"a.add_(-(b))", "pass"}),
        ("a[0] = b", {"a[1] = b", "pass"}),
        ("a.b = c", {"pass"}),
        ("del a", {"pass"}),
    ],
)
def test_the_faults_of_a_statement(line, expected) -> None:
    assert faults(line) == expected


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("return a", {"return None"}),
        ("return", set()),
        ("raise ValueError(f'{a + b} is wrong', 3)", {"pass"}),
        ("while a:\n        break",
         {"while a:\n        continue", "while not (a):\n        break"}),
        ("if a > b:\n        c()", {"if a >= b:\n        c()", "if a <= b:\n        c()"}
         | {"if a > b:\n        pass"}),
        ("try:\n        pass\n    except E:\n        a()",
         {"try:\n        pass\n    except E:\n        pass"}),
    ],
)  # fmt: skip
def test_the_faults_inside_a_function(inside, expected) -> None:
    head = "def f(a, b):\n    "
    assert faults(head + inside) == {head + text for text in expected}


@pytest.mark.parametrize(
    "source",
    [
        '"""1 + 2"""',
        "import a",
        "x: Annotated[int, Field(ge=0)]",
        "x: Literal['a']",
        "X = Literal['a', 'b']",
        "X = Tensor | None",
        "x = isinstance(a, B | C)",
        "__all__ = ['a', 'b']",
        "assert a > 1",
        "def f(a: int | None) -> 'b': ...",
        "class A(Protocol):\n    @property\n    def b(self):\n        return 1",
        "class A:\n    def __repr__(self):\n        return 'a' + 'b'",
        "logger.info('a', 1)",
        "if TYPE_CHECKING:\n    x = 1",
    ],
)
def test_what_is_left_alone(source) -> None:
    assert faults(source) == set()


def test_decorators_and_defaults() -> None:
    source = "@property\ndef f(a=1):\n    pass"
    assert faults(source) == {source.removeprefix("@property").strip(), source.replace("1", "2")}
    assert faults("@functools.cache\ndef f():\n    pass") == set()


def test_a_fault_is_found_behind_signs_of_two_bytes() -> None:
    source = 'x = {"λ": a, "π": b - c}\n'
    (mutation,) = mutations(source)
    text = Text(source)
    assert text.with_(mutation) == 'x = {"λ": a, "π": b + c}\n'
    assert text.lines(mutation) == (1, source.strip(), 'x = {"λ": a, "π": b + c}')


def test_a_fault_knows_its_function_and_its_lines() -> None:
    source = "class A:\n    def f(self):\n        x = g(\n            1,\n        )\n"
    text = Text(source)
    found = {mutation.scope: text.lines(mutation) for mutation in mutations(source)}
    assert found == {"A.f": (4, "            1,", "            2,")}


@pytest.fixture(scope="module")
def every() -> list[Mutant]:
    return every_mutant(ROOT, SUBJECTS)


def test_every_fault_is_another_program(every) -> None:
    for mutant in sample(ROOT, every, 100, 1):
        right = (ROOT / mutant.file).read_text(encoding="utf-8")
        wrong = mutated(ROOT, mutant)
        assert ast.dump(ast.parse(wrong)) != ast.dump(ast.parse(right)), mutant.name


def test_a_sample_follows_from_its_seed(every) -> None:
    one, again, other = (sample(ROOT, every, 30, seed) for seed in (3, 3, 4))
    assert one == again != other
    assert len(set(one)) == 30
    few = every[:5]
    assert set(sample(ROOT, few, 100, 0)) == set(few)


def test_every_file_and_test_of_the_table_is_there() -> None:
    assert {s.name: s.absent(ROOT) for s in SUBJECTS if s.absent(ROOT)} == {}
    assert [s.name for s in SUBJECTS if not s.files(ROOT) or not s.arguments(ROOT)] == []
    files = [file for subject in SUBJECTS for file in subject.files(ROOT)]
    assert sorted(set(files)) == sorted(files), "a file is in two subjects"


def test_every_file_that_reckons_is_in_a_subject() -> None:
    assert unassigned(ROOT) == [], "add them to mutation/subjects.toml"


def test_a_name_that_is_gone_is_seen(tmp_path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text("")
    (tmp_path / "a.py").write_text("")
    subject = Subject("a", ("a.py", "b.py", "c*.py"), ("test_a.py::test_x", "test_b.py", "x*.py"))
    assert subject.absent(tmp_path) == ["b.py", "tests/test_b.py"]
    assert subject.files(tmp_path) == ["a.py"]
    assert subject.arguments(tmp_path) == ["tests/test_a.py::test_x"]


def test_what_is_explained_still_applies_and_has_a_reason(every) -> None:
    known = explained()
    left, stale = without_explained(every, known)
    assert stale == []
    assert len(left) < len(every) or not known
    assert all(len(entry.reason) > 10 for entry in known)


def test_an_explanation_is_known_by_its_text(tmp_path) -> None:
    (tmp_path / "a.py").write_text("def f(x):\n    return x + 1\n")
    mutants = every_mutant(tmp_path, [Subject("a", ("a.py",), ())])
    entry = Explained("a.py", "f", "return x + 1", "return x - 1", "it is never called")
    for moved in ("", "# a line more\n"):
        (tmp_path / "a.py").write_text(f"{moved}def f(x):\n    return x + 1\n")
        mutants = every_mutant(tmp_path, [Subject("a", ("a.py",), ())])
        left, stale = without_explained(mutants, [entry])
        assert (len(mutants) - len(left), stale) == (1, [])
    (tmp_path / "a.py").write_text("def f(x):\n    return x + 2\n")
    mutants = every_mutant(tmp_path, [Subject("a", ("a.py",), ())])
    left, stale = without_explained(mutants, [entry])
    assert (left, stale) == (mutants, [entry])


CODE = """
def double(x):
    return 2 * x

def down(x):
    while x > 0:
        x -= 1
    return x

def unseen(x):
    return x + 1
"""
TESTS = """
import subprocess, sys
from bench.code import down

def test_double_in_a_process_of_its_own():
    code = "from bench.code import double; assert double(3) == 6"
    subprocess.run([sys.executable, "-c", code], check=True)

def test_down():
    assert down(3) == 0
"""
CAMPAIGN = """
from pathlib import Path
from tests.mutation.campaign import campaign
from tests.mutation.sampling import every_mutant
from tests.mutation.subjects import Subject

root = Path(ROOT)
subject = Subject("code", ("bench/code.py",), ("test_code.py",))
with campaign(root, root / "no data", 2) as trial:
    list(trial.check([subject]))
    trial._limits["code"] = trial._limits["code"].__class__(1, 20)
    mutants = every_mutant(root, [subject])
    for result in trial.run([m for m in mutants if m.line in (3, 7, 11)]):
        print(result.outcome, result.mutant.line, result.mutant.after.strip(), sep="|")
"""


def test_a_small_campaign(tmp_path: Path) -> None:
    """Faults are seen in subprocesses too, endless loops end, and the original stays as it is."""
    (tmp_path / "bench").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "bench" / "code.py").write_text(CODE)
    (tmp_path / "tests" / "test_code.py").write_text(TESTS)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\npythonpath = ["."]\nmarkers = ["slow", "speed"]\n'
    )
    done = subprocess.run(
        [sys.executable, "-c", CAMPAIGN.replace("ROOT", repr(str(tmp_path)))],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    outcomes = dict.fromkeys(("killed", "timeout", "survived"), ())
    for line in done.stdout.splitlines():
        outcome, *rest = line.split("|")
        outcomes[outcome] += ("|".join(rest),)
    assert sorted(outcomes["survived"]) == ["11|return None", "11|return x + 2", "11|return x - 1"]
    assert sorted(outcomes["timeout"]) == ["7|pass", "7|x += 1"]
    assert "3|return 2 / x" in outcomes["killed"]
    assert "7|x -= 2" in outcomes["killed"]
    assert (tmp_path / "bench" / "code.py").read_text() == CODE


def results(killed: int, survived: int, tmp_path: Path) -> list[Result]:
    (tmp_path / "a.py").write_text("x = a - b\n")
    (mutant,) = every_mutant(tmp_path, [Subject("a", ("a.py",), ())])
    return [Result(mutant, "killed", 1.0)] * killed + [Result(mutant, "survived", 3.0)] * survived


def test_nine_of_ten_are_enough(tmp_path) -> None:
    assert enough(results(9, 1, tmp_path))
    assert not enough(results(89, 11, tmp_path))
    assert enough(results(1, 0, tmp_path))


def test_a_report_has_rates_and_differences(tmp_path) -> None:
    found = results(3, 1, tmp_path)
    assert table(found).splitlines()[-1].split() == ["all", "4", "3", "0", "1", "75.0", "%", "1.5"]
    said = survivors(found)
    assert said.startswith("1 survived.")
    assert "a.py:1 (module, arithmetic)\n- x = a - b\n+ x = a + b" in said


def test_the_command_refuses_what_it_does_not_know() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutation", "--subject", "nothing"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "invalid choice: 'nothing'" in done.stderr
