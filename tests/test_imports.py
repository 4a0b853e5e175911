"""Imports point one way down the layers, and starting the command line is quick."""

import ast
import subprocess
import sys

import pytest
from conftest import ROOT

LAYERS = [
    {"__main__"},
    {"cli"},
    {"commands"},
    {"check"},
    {"judgement"},
    {"comparison", "verdicts", "beside", "measurements", "drawing"},
    {"conclusions"},
    {"pace", "curves"},
    {"regression", "reproduction", "junit"},
    {"execute", "report", "catalogue", "filters"},
    {"baseline", "engines"},
    {"plugins", "run", "study"},
    {"grid", "job_identity"},
    {"protocols", "sharing"},
    {"retrain", "tuning"},
    {"case"},
    {"methods", "prepare", "present"},
    {"dense_training", "soundness"},
    {"dense", "fitting", "pair_identity", "structure", "validation"},
    {"pairs", "environment", "contract", "user_code"},
    {"problem"},
    {"passes", "train", "evaluate", "record", "checkpoint", "measure", "batchnorm", "snapshot"},
    {"assemble", "sweep", "optimizer", "training_mode", "published", "control", "flops"},
    {"rows", "hessian"},
    {"allocation", "calibration", "gradients", "screen", "precision", "finite"},
    {"fingerprint", "signal"},
    {"job", "weights"},
    {"recipe", "schedule"},
    {"augmentation", "inputs"},
    {"folder_images"},
    {"budget", "images", "pixels"},
    {"datasets", "models", "layout"},
    {"figure", "contest", "plain_text"},
    {"claims", "errors", "frozen", "files", "folders", "gate", "names", "newer", "randomness"},
    {"statistics", "stopping"},
    {"stopwatch"},
    {"yardstick", "trial", "phase"},
]
RANK = {name: rank for rank, layer in enumerate(reversed(LAYERS)) for name in layer}


def layer_of(module: str) -> str:
    """`bench.report.tables` belongs to `report`, `methods.obd` to `methods`."""
    package, *rest = module.split(".")
    return rest[0] if package == "bench" and rest else package


def first_party_imports():
    for package in ("bench", "methods", "datasets"):
        for file in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            here = layer_of(name.removesuffix(".__init__"))
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ImportFrom) and node.module:
                    imported = [f"{node.module}.{a.name}" for a in node.names]
                    if node.module != "bench":
                        imported = [node.module]
                elif isinstance(node, ast.Import):
                    imported = [alias.name for alias in node.names]
                else:
                    continue
                for module in imported:
                    if module.split(".")[0] in ("bench", "methods", "datasets"):
                        yield name, here, layer_of(module)


def test_imports_point_down() -> None:
    seen = list(first_party_imports())
    assert len(seen) > 50
    wrong = [
        f"{name} imports {there}"
        for name, here, there in seen
        if here not in ("bench", there) and RANK[there] >= RANK[here]
    ]
    assert wrong == []


def test_help_loads_neither_torch_nor_pandas() -> None:
    code = (
        "import sys, bench.cli;"
        "heavy = {'torch', 'pandas', 'matplotlib', 'ray', 'submitit'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_cluster_without_its_package_is_said(monkeypatch, tmp_path) -> None:
    from bench.engines.choice import Where, engine_for
    from bench.errors import UserError

    for package, executor in (("ray", "ray"), ("submitit", "slurm")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(UserError, match=f"pip install '{package}>="):
            engine_for(Where(executor=executor), tmp_path)
