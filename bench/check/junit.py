"""Verdicts as JUnit XML, which continuous-integration servers show test by test."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple
from xml.etree import ElementTree

from bench.common.errors import UserError
from bench.report.tables.markdown import printable

Outcome = Literal["passed", "failure", "skipped"]


class JUnitCase(NamedTuple):
    """One test case: the suite and group that it is in, its name, and what came of it."""

    suite: str
    group: str
    name: str
    outcome: Outcome
    message: str = ""


def write_junit(path: Path, study: str, cases: Sequence[JUnitCase]) -> None:
    """Write the cases, a `testsuite` for each suite; raises `UserError` if `path` can't be written.

    Text is escaped, and control characters that XML forbids are left out.
    """
    root = ElementTree.Element("testsuites", {"name": printable(study), **_counts(cases)})
    for suite in dict.fromkeys(case.suite for case in cases):
        own = [case for case in cases if case.suite == suite]
        element = ElementTree.SubElement(
            root, "testsuite", {"name": printable(suite), **_counts(own)}
        )
        for case in own:
            names = {"classname": printable(case.group), "name": printable(case.name)}
            test = ElementTree.SubElement(element, "testcase", names)
            if case.outcome != "passed":
                ElementTree.SubElement(test, case.outcome, message=printable(case.message))
    tree = ElementTree.ElementTree(root)
    ElementTree.indent(tree)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tree.write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise UserError(f"JUnit results can't be written to {path}: {error.strerror}.") from error


def _counts(cases: Sequence[JUnitCase]) -> dict[str, str]:
    outcomes = [case.outcome for case in cases]
    return {
        "tests": str(len(outcomes)),
        "failures": str(outcomes.count("failure")),
        "skipped": str(outcomes.count("skipped")),
        "errors": "0",
    }
