"""A run as JUnit XML, so that a build server shows every case as a test."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from askpapers.evals.records import CaseResult
from askpapers.evals.runs import Run

# XML 1.0 has no way to write these characters at all.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("�", text)


def _add_case(parent: ElementTree.Element, suite: str, case: CaseResult) -> None:
    node = ElementTree.SubElement(
        parent, "testcase", name=_clean(case.case_id), classname=suite, time=f"{case.seconds:.3f}"
    )
    bad = [row for row in case.rows if row.verdict != "pass"]
    if not bad:
        return
    row = bad[0]
    details = [f"question: {row.question}"]
    if row.output.answer is not None:
        details.append(f"answer: {row.output.answer.text}")
    details += [f"fault: {fault}" for fault in row.faults]
    if row.output.error is not None:
        why = f"{row.output.error.type}: {row.output.error.message}"
    else:
        why = "; ".join(row.faults)
    kind = "error" if case.verdict == "unscored" else "failure"
    ElementTree.SubElement(node, kind, message=_clean(why)).text = _clean("\n".join(details))


def write_junit(run: Run) -> str:
    """One test suite with one test case a case: failures fail, unscored cases are errors."""
    verdicts = [case.verdict for case in run.cases]
    root = ElementTree.Element("testsuites")
    node = ElementTree.SubElement(
        root,
        "testsuite",
        name=run.header.suite.name,
        tests=str(len(verdicts)),
        failures=str(verdicts.count("fail")),
        errors=str(verdicts.count("unscored")),
        time=f"{sum(case.seconds for case in run.cases):.3f}",
    )
    for case in run.cases:
        _add_case(node, run.header.suite.name, case)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
