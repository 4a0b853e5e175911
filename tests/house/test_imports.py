"""Imports point one way down the rooms and run in no circle; starting the command line is quick."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator

import pytest
from support.checkout import ROOT

ROOMS = [
    {"__main__"},
    {"cli"},
    {"check", "comparison", "measurements"},
    {"executors", "library", "report"},
    {"run", "study"},
    {"methods", "pairs"},
    {"problem"},
    {"fingerprint"},
    {"datasets", "jobs"},
    {"common"},
]
FLOOR = {room: floor for floor, rooms in enumerate(reversed(ROOMS)) for room in rooms}
PACKAGES = ("bench", "methods", "datasets")
FILES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for package in PACKAGES
    for file in sorted((ROOT / package).rglob("*.py"))
}


def room_of(module: str) -> str:
    """`bench.report.tables` lies in `report`, `methods.obd` in `methods`."""
    package, *rest = module.split(".")
    return rest[0] if package == "bench" and rest else package


def imported(module: str, *, anywhere: bool) -> Iterator[str]:
    """The suite's modules that this one imports: when it is loaded, or `anywhere` in it."""
    tree = ast.parse(FILES[module].read_text())
    for node in ast.walk(tree) if anywhere else tree.body:
        names = []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.split(".")[0] in PACKAGES:
                yield name if name in FILES else name.rpartition(".")[0] or name


def test_imports_point_down() -> None:
    seen = [(name, there) for name in FILES for there in imported(name, anywhere=True)]
    assert len(seen) > 500
    wrong = [
        f"{name} imports {there}"
        for name, there in seen
        if name != "bench"
        and room_of(name) != room_of(there)
        and FLOOR[room_of(there)] >= FLOOR[room_of(name)]
    ]
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: set(imported(name, anywhere=True)) - {name} for name in FILES}
    graphlib.TopologicalSorter(graph).prepare()


def test_nothing_lies_flat_and_rooms_are_small() -> None:
    assert {file.name for file in (ROOT / "bench").glob("*.py")} == {"__init__.py", "__main__.py"}
    rooms = {file.parent for file in FILES.values()} - {ROOT / "methods"}
    crowded = {room.name: len(list(room.glob("*.py"))) for room in rooms}
    assert {room: count for room, count in crowded.items() if count > 14} == {}
    lines = sorted(len(file.read_text().splitlines()) for file in FILES.values())
    assert lines[-1] < 250
    assert lines[len(lines) // 2] < 100


def test_help_loads_neither_torch_nor_pandas() -> None:
    code = (
        "import sys, bench.cli.app;"
        "heavy = {'torch', 'pandas', 'matplotlib', 'ray', 'submitit'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_cluster_without_its_package_is_said(monkeypatch, tmp_path) -> None:
    from bench.common.errors import UserError
    from bench.executors.options import Options, executor_for

    for package, executor in (("ray", "ray"), ("submitit", "slurm")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(UserError, match=f"pip install '{package}>="):
            executor_for(Options(executor=executor), tmp_path)
