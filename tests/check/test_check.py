"""The command `check` as a user meets it: its verdicts, its files and its exit codes."""

import csv
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support.checkout import ROOT
from support.records import make_cell, make_job

from bench.check import baseline
from bench.check.baseline import Result
from bench.check.junit import JUnitCase, write_junit
from bench.common.errors import UserError
from bench.study.study import built_in, load_study


def test_from_the_first_baseline_to_a_regression(bench, small_study, tmp_path) -> None:
    folders = ["--results", tmp_path, "--baselines", tmp_path / "baselines"]
    done = bench("check", small_study, *folders)
    assert done.returncode == 2 and "There are no records of the study small" in done.stderr
    assert bench("run", small_study, "--results", tmp_path).returncode == 0

    done = bench("check", small_study, *folders, "--strict")
    assert done.returncode == 1 and "make one of these records with --update" in done.stdout
    done = bench("check", small_study, *folders, "--update")
    assert done.returncode == 0 and "Baseline of 8 jobs" in done.stdout
    done = bench("check", small_study, *folders, "--strict")
    assert done.returncode == 0 and "Against the baseline: 6 pass." in done.stdout

    path = tmp_path / "baselines" / "small.jsonl"
    known = baseline.read(path)
    assert known is not None
    better = [r.model_copy(update={"accuracy": r.accuracy + 3}) for r in known.values()]
    baseline.write(path, better)
    out, xml = tmp_path / "out", tmp_path / "out.xml"
    done = bench("check", small_study, *folders, "--out", out, "--junit", xml)
    assert done.returncode == 1
    assert "worse by more than the margin of 0.5" in done.stdout
    root = ElementTree.parse(xml).getroot()
    assert root.attrib["failures"] == "6" == str(len(list(root.iter("failure"))))
    with (out / "check.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["verdict"] for row in rows} == {"regressed"}
    assert [float(row["difference"]) for row in rows] == pytest.approx([-3.0] * 6)
    assert "regressed" in (out / "check.md").read_text()


def test_published_values_stand_beside_ours(bench, tmp_path) -> None:
    study, folder = "one-shot-mlpnet", tmp_path / "records" / "one-shot-mlpnet"
    shutil.copytree(ROOT / "tests" / "data" / study, folder)
    done = bench("check", study, "--results", tmp_path, "--published", "chita-table1")
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("magnitude"))
    assert row.split()[1:4] == ["95", "83.64", "83.64"] and row.endswith("reproduced")


def test_a_report_has_published_values_on_request(bench, tmp_path) -> None:
    study, folder = "one-shot-mlpnet", tmp_path / "records" / "one-shot-mlpnet"
    shutil.copytree(ROOT / "tests" / "data" / study, folder)
    done = bench("report", study, "--published", "--results", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if "reproduced" in line)
    assert row.replace("|", " ").split()[:4] == ["magnitude", "95", "83.64", "83.64"]
    assert "reproduced" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["quickstart", "--published", "chita-tabel1"], "Did you mean 'chita-table1'"),
        (["quickstart", "--published", "chita-table1"], "no value of the pairs mlpnet-mnist5k"),
        (["quickstart"], "There are no records of the study quickstart"),
        (["quickstrat"], "Did you mean 'quickstart'"),
    ],
)
def test_mistakes(bench, tmp_path, arguments, message) -> None:
    done = bench("check", *arguments, "--results", tmp_path)
    assert done.returncode == 2
    assert message in done.stderr


def test_gate_keys_are_checked(tmp_path, small_study) -> None:
    small_study.write_text(small_study.read_text() + "[gate]\nmargn = 1.0\nalpha = 0.7\n")
    with pytest.raises(UserError, match=r"gate\.alpha(.|\n)*gate\.margn: .*'margin'"):
        load_study(str(small_study))


def test_junit_escapes_what_xml_would_trip_over(tmp_path) -> None:
    name = "a<b> & \"c\" 'd' \x00\x1b[31m ü"
    cases = [JUnitCase("s<1>", name, name, "failure", name), JUnitCase("s<1>", "g", "n", "passed")]
    write_junit(tmp_path / "new" / "x.xml", name, cases)
    root = ElementTree.parse(tmp_path / "new" / "x.xml").getroot()
    assert root.attrib["name"] == "a<b> & \"c\" 'd' [31m ü"
    assert (root.attrib["tests"], root.attrib["failures"]) == ("2", "1")
    (failure,) = root.iter("failure")
    assert failure.attrib["message"] == root.attrib["name"]
    with pytest.raises(UserError, match="can't be written"):
        write_junit(Path("/proc/no/x.xml"), name, cases)


@pytest.mark.parametrize("path", sorted((ROOT / "results" / "baselines").glob("*.jsonl")), ids=str)
def test_committed_baselines_answer_jobs_of_their_study(path) -> None:
    known = baseline.read(path)
    assert known and path.stem in built_in()
    keys = {cell.job.key for cell in load_study(path.stem).cells()}
    assert known.keys() <= keys
    assert all(result.status == "ok" for result in known.values())


def test_a_label_with_odd_signs_survives_the_baseline(tmp_path) -> None:
    cell = make_cell('|<b>"\n', make_job())
    found = Result.of(cell.record, cell.label)
    baseline.write(tmp_path / "s.jsonl", [found])
    assert baseline.read(tmp_path / "s.jsonl") == {found.key: found}
