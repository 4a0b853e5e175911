"""What the README shows works as it is shown."""

import re

from support.checkout import ROOT

TEXT = (ROOT / "README.md").read_text()


def block(language: str, containing: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    (found,) = [text for text in blocks if containing in text]
    return found


def test_the_method_and_the_study_of_the_readme_run(bench, tmp_path) -> None:
    (tmp_path / "my_method.py").write_text(block("python", "class Taylor"))
    (tmp_path / "my_study.toml").write_text(block("toml", "taylor"))
    done = bench("run", tmp_path / "my_study.toml", "--results", tmp_path / "results")
    assert done.returncode == 0, done.stderr
    assert "taylor, few" in done.stdout
    assert "72 of 72 cells are ok" in done.stdout


def test_a_new_method_takes_about_ten_lines() -> None:
    code = [line for line in block("python", "class Taylor").splitlines() if line.strip()]
    assert len(code) <= 12


def test_the_commands_of_the_readme_exist(bench) -> None:
    commands = set(re.findall(r"python -m bench (\w+)", TEXT))
    assert {"list", "run", "report", "fetch"} <= commands
    for command in commands:
        assert bench(command, "--help").returncode == 0


def test_ci_calls_the_test_command_of_the_readme() -> None:
    command = block("sh", "-m tox\n").strip()
    assert command in (ROOT / ".ci" / "run").read_text()


def test_what_the_readme_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert len(links) >= 3
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_frame_of_the_readme_is_made_as_shown(
    bench, small_study, tmp_path, monkeypatch
) -> None:
    done = bench("run", small_study, "--results", tmp_path / "results", "--method", "magnitude")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results" / "reports" / "small" / "report.html").is_file()
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(block("python", "load_records"), names)
    assert names["table"].study.tolist() == ["small"] * 4
    assert names["table"].accuracy.notna().all()
