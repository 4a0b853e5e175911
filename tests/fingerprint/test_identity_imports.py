"""A helper and a file count by whatever way a plugin comes to them, and so does the environment."""

import pytest
from support.user_folders import FILES, edited, method_sha256

from bench.fingerprint import source

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
    files = edited(
        FILES | parts,
        ("plugin.py", "from helper import scaled as scaled_by_the_helper", statement),
        ("plugin.py", "scaled_by_the_helper(", f"{call}("),
    )
    name = "parts/inner.py" if "parts" in call else "helper.py"
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
