"""Methods of the user's own come in by file, and a bad file is refused with a sentence."""

import pytest

import datasets
from bench.common.errors import UserError
from bench.study.plugins import load_plugin
from methods import METHODS

GOOD = """
from dataclasses import dataclass
from methods.method import Method

@dataclass(frozen=True)
class Own(Method):
    def scores(self, problem):
        return {name: -weight.abs() for name, weight in problem.weights.items()}

METHODS = {"own": Own}
"""

DATA = """
from datasets.folder import FolderDefinition

DATASETS = {'own': FolderDefinition('own', 'my images', 'MY_IMAGES')}
"""

pytestmark = pytest.mark.usefixtures("registries")


def test_a_plugin_registers_its_method(tmp_path) -> None:
    path = tmp_path / "own.py"
    path.write_text(GOOD)
    assert load_plugin(path) == ["own"]
    assert METHODS["own"].__name__ == "Own"


def test_a_plugin_registers_its_dataset(tmp_path) -> None:
    path = tmp_path / "own.py"
    path.write_text(DATA)
    assert load_plugin(path) == ["own"]
    assert "MY_IMAGES" in datasets.available("own").reason


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nowhere_at_all", "doesn't import: ModuleNotFoundError: No module named 'nowhere"),
        ("1 +", "doesn't import: SyntaxError"),
        ("x = 1", "registers nothing"),
        ("METHODS = [1]", "must be a dict of names"),
        ("METHODS = {'own': 3}", "registers 'own', which is no method: 3"),
        (GOOD.replace('"own":', '"obd":'), "method 'obd', which exists already"),
        ("DATASETS = {'own': 3}", "registers 'own', which is no dataset: 3"),
        (DATA.replace("'own'", "'mnist'"), "dataset 'mnist', which exists already"),
        (DATA.replace("'own'", "'a/b'"), "a dataset whose name 'a/b' contains /"),
    ],
)
def test_a_bad_plugin_is_refused(tmp_path, text, message) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text)
    before = dict(METHODS)
    with pytest.raises(UserError, match=message):
        load_plugin(path)
    assert before == METHODS


def test_two_plugins_with_one_name_are_refused(tmp_path) -> None:
    for name in ("one.py", "two.py"):
        (tmp_path / name).write_text(GOOD)
    load_plugin(tmp_path / "one.py")
    with pytest.raises(UserError, match=r"two.py registers the method 'own', which exists already"):
        load_plugin(tmp_path / "two.py")


def test_an_absent_plugin_is_said(tmp_path) -> None:
    with pytest.raises(UserError, match="no plugin file"):
        load_plugin(tmp_path / "absent.py")
