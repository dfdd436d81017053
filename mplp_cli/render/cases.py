"""Test cases and how they went: lines for people, a JUnit report, a document for machines, annotations."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import UNSET

from mplp_cli.errors import Problem, UsageError
from mplp_cli.render.github import annotation
from mplp_cli.render.ink import Line
from mplp_cli.render.junit import attribute, text, write_whole
from mplp_cli.render.theme import Theme
from mplp_cli.workflow.cases.coverage import Coverage
from mplp_cli.workflow.cases.model import Mismatch, Verdict
from mplp_cli.workflow.values import duration_text

#: Characters of a value that stands on the line of its name.
_SHORT = 90
#: Ways that nothing has taken which are listed.
_LISTED = 12


def verdict_lines(verdict: Verdict, theme: Theme) -> Iterator[Line]:
    """One line for a case; for one that failed, each expectation that was not met."""
    status = "completed" if verdict.passed else "failed"
    line = Line(theme.glyph(status), "ok" if verdict.passed else "bad").add(" ")
    line.add(verdict.file, "dim").add(" ").add(verdict.name, "strong")
    line.add(f"  {duration_text(verdict.took)}", "dim")
    if verdict.virtual - verdict.took >= 1000:
        line.add(f", {duration_text(verdict.virtual - verdict.took)} skipped", "dim")
    yield line
    for one in verdict.mismatches:
        yield Line(f"  {verdict.file}:{one.line}:{one.column}: ", "key").add(one.said)
        yield from _difference(one)


def _difference(one: Mismatch) -> Iterator[Line]:
    expected, actual = _written(one.expected), _shown_actual(one)
    if max(len(expected), len(actual)) <= _SHORT and "\n" not in expected + actual:
        yield Line("    expected  ", "dim").add(expected, "ok")
        yield Line("    actual    ", "dim").add(actual, "bad")
        return
    before, after = _pretty(one.expected).splitlines(), _pretty(one.actual).splitlines()
    for row in difflib.unified_diff(before, after, "expected", "actual", lineterm="", n=2):
        style = {"-": "ok", "+": "bad"}.get(row[:1], "dim")
        yield Line("    ").add(row, style)


def _shown_actual(one: Mismatch) -> str:
    return "nothing" if one.actual is UNSET else _written(one.actual)


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _pretty(value: Any) -> str:
    if value is UNSET:
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=str)


def summary_lines(verdicts: Sequence[Verdict], coverage: Mapping[str, Coverage]) -> Iterator[Line]:
    """What the cases have covered, by workflow, and how many have passed."""
    for name, of in coverage.items():
        counts = {what: of.counts(what) for what in ("step", "branch", "join")}
        plural = {"step": "steps", "branch": "branches", "join": "joins"}
        said = ", ".join(f"{plural[what]} {some}/{all_}" for what, (some, all_) in counts.items() if all_)
        yield Line("coverage ", "dim").add(name, "strong").add(f": {said}")
        missing = [_way(way) for way in of.missing]
        if missing:
            more = f", and {len(missing) - _LISTED} more" if len(missing) > _LISTED else ""
            yield Line(f"  never: {', '.join(missing[:_LISTED])}{more}", "dim")
    failed = sum(not one.passed for one in verdicts)
    passed = len(verdicts) - failed
    said = f"{failed} failed, {passed} passed" if failed else f"{passed} passed"
    yield Line(said, "bad-strong" if failed else "ok-strong")


def _way(way: tuple[str, str, str]) -> str:
    what, step, how = way
    return f"`{step}`" if what == "step" else f"`{step}` {how}"


# ---- for machines ----------------------------------------------------------------------------------


def cases_document(verdicts: Sequence[Verdict], coverage: Mapping[str, Coverage]) -> dict[str, Any]:
    """`{passed, failed, cases, coverage}`."""
    return {
        "passed": sum(one.passed for one in verdicts),
        "failed": sum(not one.passed for one in verdicts),
        "cases": [_case_object(one) for one in verdicts],
        "coverage": {name: _coverage_object(of) for name, of in coverage.items()},
    }


def _case_object(verdict: Verdict) -> dict[str, Any]:
    return {
        "file": verdict.file,
        "name": verdict.name,
        "line": verdict.line,
        "passed": verdict.passed,
        "status": verdict.outcome.status,
        "duration": verdict.took,
        "mismatches": [_mismatch_object(one) for one in verdict.mismatches],
    }


def _mismatch_object(one: Mismatch) -> dict[str, Any]:
    made = {
        "path": list(one.path),
        "line": one.line,
        "column": one.column,
        "message": one.said,
        "expected": one.expected,
    }
    return made if one.actual is UNSET else {**made, "actual": one.actual}


def _coverage_object(of: Coverage) -> dict[str, Any]:
    names = {"step": "steps", "branch": "branches", "join": "joins"}
    counted = {names[what]: dict(zip(("covered", "all"), of.counts(what), strict=True)) for what in names}
    return {
        **counted,
        "missing": [{"kind": w, "step": s, **({"way": h} if h else {})} for w, s, h in of.missing],
    }


def case_annotations(verdicts: Sequence[Verdict]) -> str:
    """An annotation for each expectation that was not met."""
    return "".join(
        annotation(
            Problem(
                code="test-failed",
                message=f"{verdict.name}: {one.said}",
                hint=f"expected {_written(one.expected)}, got {_shown_actual(one)}",
                file=verdict.file,
                line=one.line,
                column=one.column,
            )
        )
        + "\n"
        for verdict in verdicts
        for one in verdict.mismatches
    )


def write_cases_junit(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Write a JUnit report: one suite a file, one test case a case. UsageError if it cannot be written."""
    try:
        write_whole(path, cases_junit(verdicts))
    except OSError as error:
        raise UsageError(f"cannot write the JUnit report {path}: {error.strerror or error}") from error


def cases_junit(verdicts: Sequence[Verdict]) -> str:
    """The report as XML."""
    suites: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        suites.setdefault(verdict.file, []).append(verdict)
    body = "".join(_suite(name, those) for name, those in suites.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites {_counts(verdicts)}>\n{body}</testsuites>\n'


def _counts(verdicts: Sequence[Verdict]) -> str:
    failures = sum(not one.passed for one in verdicts)
    took = sum(one.took for one in verdicts) / 1000
    return f'tests="{len(verdicts)}" failures="{failures}" errors="0" skipped="0" time="{took:.3f}"'


def _suite(name: str, verdicts: Sequence[Verdict]) -> str:
    cases = "".join(_junit_case(one) for one in verdicts)
    return f'  <testsuite name="{attribute(name)}" {_counts(verdicts)}>\n{cases}  </testsuite>\n'


def _junit_case(verdict: Verdict) -> str:
    head = (
        f'    <testcase name="{attribute(verdict.name)}" classname="{attribute(verdict.file)}"'
        f' time="{verdict.took / 1000:.3f}"'
    )
    if verdict.passed:
        return f"{head}/>\n"
    said = "\n".join(
        f"{verdict.file}:{one.line}:{one.column}: {one.said}\n"
        f"  expected {_written(one.expected)}\n  actual {_shown_actual(one)}"
        for one in verdict.mismatches
    )
    message = attribute(verdict.mismatches[0].said)
    return f'{head}>\n      <failure message="{message}">{text(said)}</failure>\n    </testcase>\n'
