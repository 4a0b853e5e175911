"""A helper and a file count by whatever way a plugin comes to them, and so does the environment."""

import pytest
from support.user_folders import FILES, edited, method_sha256

from bench.fingerprint import distributions, source

WAYS = {
    "all names": ("from helper import *", "scaled"),
    "under a condition": ("if True:\n    from helper import scaled", "scaled"),
    "as an attempt": (
        "try:\n    from nowhere import scaled\nexcept ImportError:\n    from helper import scaled",
        "scaled",
    ),
    "by a call": ("scaled = __import__('helper').scaled", "scaled"),
    "by a name from a list": (
        "for name in ['helper']:\n    module = importlib.import_module(name)",
        "module.scaled",
    ),
    "from the package of a package": ("import parts", "parts.inner.scaled"),
    "from a folder": ("import bare.inner", "bare.inner.scaled"),
    "from a folder, by its name": ("from bare import inner", "inner.scaled"),
    "from a folder, all of it": ("from bare.inner import *", "scaled"),
    "by its place": (
        "import importlib.util\n"
        "place = Path(__file__).with_name('helper.py')\n"
        "spec = importlib.util.spec_from_file_location('h', place)\n"
        "h = importlib.util.module_from_spec(spec)\nspec.loader.exec_module(h)",
        "h.scaled",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_helper_counts_by_whatever_way_it_is_imported(tmp_path, way) -> None:
    statement, call = WAYS[way]
    parts = {"parts/__init__.py": "from . import inner\n", "parts/inner.py": FILES["helper.py"]}
    bare = {"bare/inner.py": FILES["helper.py"]}
    files = edited(
        FILES | parts | bare,
        ("plugin.py", "from helper import scaled as scaled_by_the_helper", statement),
        ("plugin.py", "scaled_by_the_helper(", f"{call}("),
    )
    folder = next((folder for folder in ("parts", "bare") if folder in statement), None)
    name = f"{folder}/inner.py" if folder else "helper.py"
    if name != "helper.py":
        files["helper.py"] = ""
    if way == "by its place":  # such a file finds nothing beside itself
        files["helper.py"] = "def scaled(weight, factor):\n    return weight.abs() * factor\n"
    base = method_sha256(tmp_path, files)
    assert method_sha256(tmp_path, files) == base
    changed = edited(files, (name, "weight.abs() * factor", "weight.abs() + factor"))
    assert method_sha256(tmp_path, changed) != base


@pytest.mark.parametrize(
    "reading",
    [
        'Path(__file__).parent / "networks" / "small.json"',
        'os.path.join(os.path.dirname(__file__), "networks", "small.json")',
        'Path(__file__).parent.joinpath("networks/small.json")',
        'Path(__file__).parent / "networks" / "small.json".lower()',
    ],
)
def test_a_file_that_is_read_counts_however_it_is_named(tmp_path, reading) -> None:
    files = edited(
        FILES, ("plugin.py", 'Path(__file__).with_name("settings.json")', f"Path({reading})")
    )
    hashes = {
        method_sha256(tmp_path, files | {"networks/small.json": content}) for content in ("1", "2")
    }
    assert len(hashes) == 2


def test_a_file_of_the_folder_where_the_process_runs_counts(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = edited(
        FILES, ("plugin.py", 'Path(__file__).with_name("settings.json")', 'Path("here.toml")')
    )
    hashes = set()
    for content in ("a = 1", "a = 2"):
        (tmp_path / "here.toml").write_text(content)
        source.content_sha256.cache_clear()
        hashes.add(method_sha256(tmp_path, files))
    assert len(hashes) == 2


def test_an_environment_variable_that_is_read_counts(tmp_path, monkeypatch) -> None:
    hashes = set()
    for way in (
        'os.environ["STRENGTH"]',
        'os.environ.get("STRENGTH", "1")',
        'os.getenv("STRENGTH")',
    ):
        files = edited(FILES, ("plugin.py", "HALF = 0.5", f"HALF = float({way})"))
        for value in ("1", "2"):
            monkeypatch.setenv("STRENGTH", value)
            hashes.add(method_sha256(tmp_path, files))
            monkeypatch.setenv("ANOTHER", value)
    assert len(hashes) == 6


def test_a_variable_that_is_asked_for_counts_but_not_those_of_a_place(
    tmp_path, monkeypatch
) -> None:
    files = edited(FILES, ("plugin.py", "HALF = 0.5", "HALF = float('STRENGTH' in os.environ)"))
    hashes = set()
    for value in ("1", "2"):
        monkeypatch.setenv("STRENGTH", value)
        hashes.add(method_sha256(tmp_path, files))
    assert len(hashes) == 2
    for name in ("HOME", "BENCH_X", "PYTHONPATH", "RANK", "LOCAL_RANK", "TMPDIR", "OMP_X"):
        files = edited(FILES, ("plugin.py", "HALF = 0.5", f"HALF = len(os.environ['{name}'])"))
        hashes = set()
        for value in (str(tmp_path), "2"):
            with monkeypatch.context() as patch:
                patch.setenv(name, value)
                hashes.add(method_sha256(tmp_path, files))
        assert len(hashes) == 1, name


@pytest.mark.parametrize(
    ("statement", "counts"),
    [
        ("import scipy.stats", True),
        ("from scipy import stats", True),
        ("from scipy.stats import norm", True),
        ("def later():\n    import scipy", True),
        ("stats = importlib.import_module('scipy.stats')", True),
        ("stats = __import__('scipy.stats')", True),
        ("import torch.nn, numpy, torchvision", False),
        ("import tqdm, json, xml.dom", False),
    ],
)
def test_the_version_of_a_package_counts_however_it_is_imported(
    tmp_path, monkeypatch, statement, counts
) -> None:
    files = edited(FILES, ("plugin.py", "HALF = 0.5", f"{statement}\nHALF = 0.5"))
    hashes = set()
    for number in ("1", "2"):
        monkeypatch.setattr(distributions, "version", lambda name, number=number: number)
        distributions._version.cache_clear()
        hashes.add(method_sha256(tmp_path, files))
    distributions._version.cache_clear()
    assert len(hashes) == (2 if counts else 1)


def test_texts_that_no_file_could_have_as_a_name_are_no_files(tmp_path) -> None:
    for text in ('"x" * 3, "%s", "settings.json"' % ("long " * 100), '"%s.json"' % ("n" * 251),
                 r'"\0.json"', r'"a\nb.json"'):  # fmt: skip
        files = edited(FILES, ("plugin.py", "HALF = 0.5", f"HALF = len(str(({text})))"))
        assert method_sha256(tmp_path, files) == method_sha256(tmp_path, files)


def test_files_may_import_all_of_each_other(tmp_path) -> None:
    files = edited(
        FILES,
        ("helper.py", "from deep import strength", "from deep import *"),
        ("helper.py", "weight.abs() * factor", "weight.abs() * float(factor)"),
        ("deep.py", "import math\n", "import math\nfrom helper import *\n"),
    )
    base = method_sha256(tmp_path, files)
    assert method_sha256(tmp_path, files) == base
    changed = edited(files, ("deep.py", "math.sqrt(", "math.log("))
    assert method_sha256(tmp_path, changed) != base


def test_a_file_with_the_longest_of_names_counts(tmp_path) -> None:
    longest = "n" * 250 + ".json"
    files = edited(FILES, ("plugin.py", "settings.json", longest))
    hashes = {method_sha256(tmp_path, files | {longest: content}) for content in ("1", "2")}
    assert len(hashes) == 2
