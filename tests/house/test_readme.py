"""What the READMEs show works as it is shown."""

import re
from typing import Any

import pytest
from PIL import Image
from support.checkout import ROOT

FRONT = "README.md"
PLACEHOLDER = re.compile("[A-Z]{4}")
"""Such as `NAME` in a path: what the reader chooses."""
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for folder in ("bench", "methods", "datasets", "results")
    for path in (ROOT / folder).rglob("README.md")
} | {FRONT: (ROOT / FRONT).read_text()}


def block(page: str, language: str, containing: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGES[page], re.DOTALL)
    (found,) = [text for text in blocks if containing in text]
    return found


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_method_and_the_study_of_the_readme_run(bench, tmp_path) -> None:
    (tmp_path / "my_method.py").write_text(block(FRONT, "python", "class Taylor"))
    (tmp_path / "my_study.toml").write_text(block(FRONT, "toml", "taylor"))
    done = bench("run", tmp_path / "my_study.toml", "--results", tmp_path / "results")
    assert done.returncode == 0, done.stderr
    assert "taylor, few" in done.stdout
    assert "72 of 72 cells are ok" in done.stdout


def test_the_pair_of_the_readme_runs(bench, tmp_path) -> None:
    (tmp_path / "my_pair.py").write_text(block("bench/README.md", "python", "small-mnist5k"))
    study = tmp_path / "my_pair_study.toml"
    study.write_text(block("bench/README.md", "toml", "small-mnist5k"))
    words = ("run", study, "--results", tmp_path / "results")
    done = bench(*words, BENCH_DATA=str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    assert "4 of 4 cells are ok" in done.stdout
    tables = (tmp_path / "results" / "reports" / "my_pair_study" / "report.md").read_text()
    dense = re.search(r"\| dense +\| +([\d.]+)", tables)
    assert dense and float(dense[1]) > 80


def test_the_data_of_the_readme_run(bench, tmp_path) -> None:
    (tmp_path / "my_data.py").write_text(block(FRONT, "python", "TensorDefinition"))
    text = block("bench/README.md", "toml", "small-mnist5k").replace("small-mnist5k", "net-rings")
    study = tmp_path / "my_data_study.toml"
    study.write_text(text.replace("my_pair.py", "my_data.py"))
    words = ("run", study, "--results", tmp_path / "results")
    done = bench(*words, BENCH_DATA=str(tmp_path / "data"))
    assert done.returncode == 0, done.stderr
    assert "4 of 4 cells are ok" in done.stdout
    tables = (tmp_path / "results" / "reports" / "my_data_study" / "report.md").read_text()
    dense = re.search(r"\| dense +\| +([\d.]+)", tables)
    assert dense and float(dense[1]) > 75


def test_the_library_call_of_the_readme_prunes() -> None:
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(8, 20), torch.nn.ReLU(), torch.nn.Linear(20, 3))
        names = {"model": model, "inputs": torch.randn(400, 8), "labels": torch.arange(400) % 3}
    code = block(FRONT, "python", "from bench import prune")
    exec(code, names)
    assert len(code.splitlines()) <= 5
    pruned: Any = names["pruned"]
    assert sum(int((~mask).sum()) for mask in pruned.masks.values()) == round(0.9 * 220)
    assert pruned.spent.calibration_examples == 400


def test_the_dataset_of_its_readme_runs(bench, tmp_path) -> None:
    page = "datasets/README.md"
    (tmp_path / "my_data.py").write_text(block(page, "python", "small-leaves"))
    (tmp_path / "my_leaves.toml").write_text(block(page, "toml", "my_data.py"))
    for number, name in enumerate(("birch", "maple", "oak")):
        for split, count in (("train", 12), ("val", 4)):
            folder = tmp_path / "leaves" / split / name
            folder.mkdir(parents=True)
            for image in range(count):
                colour = tuple(40 + 160 * (band == number) + 3 * image for band in range(3))
                Image.new("RGB", (40, 30), colour).save(folder / f"{image}.png")
    words = ("run", tmp_path / "my_leaves.toml", "--results", tmp_path / "results")
    places = {"BENCH_LEAVES": str(tmp_path / "leaves"), "BENCH_DATA": str(tmp_path / "data")}
    done = bench(*words, **places)
    assert done.returncode == 0, done.stderr
    assert "4 of 4 cells are ok" in done.stdout
    tables = (tmp_path / "results" / "reports" / "my_leaves" / "report.md").read_text()
    assert re.search(r"\| magnitude +\| +100\.00", tables)


def test_a_new_method_takes_about_ten_lines() -> None:
    code = [line for line in block(FRONT, "python", "class Taylor").splitlines() if line.strip()]
    assert len(code) <= 12


def test_the_front_page_is_short() -> None:
    assert len(PAGES[FRONT].splitlines()) <= 200


def test_the_commands_of_the_readmes_exist(bench) -> None:
    commands = {
        word for text in PAGES.values() for word in re.findall(r"python -m bench ([a-z]+)", text)
    }
    assert {"list", "run", "report", "fetch", "pack", "redraw"} <= commands
    for command in commands:
        assert bench(command, "--help").returncode == 0


def test_ci_calls_the_test_command_of_the_readme() -> None:
    command = block(FRONT, "sh", "-m tox\n").strip()
    assert command in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("page", PAGES)
def test_what_a_readme_links_to_is_there(page) -> None:
    lost = []
    for link in re.findall(r"\]\(([^)]+)\)", PAGES[page].replace("\n", " ")):
        path, _, anchor = link.partition("#")
        there = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        if there.is_dir():
            there /= "README.md"
        headings = re.findall(r"(?m)^#+ (.*)$", there.read_text()) if anchor else []
        if not there.is_file() or (anchor and anchor not in map(slug, headings)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("page", PAGES)
def test_the_files_that_a_readme_names_are_there(page) -> None:
    named = re.findall(r"`([\w./-]+/[\w-]+\.(?:py|toml|csv|md))`", PAGES[page])
    places = (ROOT, (ROOT / page).parent)
    lost = [name for name in named if not any((place / name).is_file() for place in places)]
    assert [name for name in lost if not PLACEHOLDER.search(name)] == []
    if page in ("methods/README.md", "bench/README.md"):
        assert len(named) >= 5


def test_what_a_method_may_use_is_there() -> None:
    from bench.problem.problem import Problem

    names = set(re.findall(r"`problem\.(\w+)", PAGES["methods/README.md"]))
    own = {"weights", "target"}
    assert len(names - own) >= 10
    assert [name for name in names - own if not hasattr(Problem, name)] == []


def test_what_a_method_may_define_is_there() -> None:
    from methods.sparse_training import SparseTraining

    table = PAGES["methods/README.md"].partition("## What a method may define")[2]
    names = re.findall(r"(?m)^\| `(\w+)", table.partition("\n## ")[0])
    assert len(names) >= 6
    assert [name for name in names if not hasattr(SparseTraining, name)] == []


def test_every_room_is_described() -> None:
    rooms = {path.parent.name for path in (ROOT / "bench").glob("*/__init__.py")}
    named = set(re.findall(r"`(\w+)/`", PAGES["bench/README.md"].partition("\n## ")[0]))
    assert named == rooms


def test_the_frame_of_the_readme_is_made_as_shown(
    bench, small_study, tmp_path, monkeypatch
) -> None:
    done = bench("run", small_study, "--results", tmp_path / "results", "--method", "magnitude")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results" / "reports" / "small" / "report.html").is_file()
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(block("bench/report/README.md", "python", "load_records"), names)
    assert names["table"].study.tolist() == ["small"] * 4
    assert names["table"].accuracy.notna().all()
