"""A run as a JUnit report: one suite, one case a leaf step."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

from mplp_cli.clock import rfc3339
from mplp_cli.errors import Failure, UsageError
from mplp_cli.render.view import ENDED, RunView, is_leaf, run_took, shown, took
from mplp_cli.workflow.plan import Plan, PlanStep

#: What XML 1.0 cannot say, not even as a reference.
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MARKUP: Final = {
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord('"'): "&quot;",
    ord("\r"): "&#13;",
}
_IN_ATTRIBUTE: Final = _MARKUP | {ord("\n"): "&#10;", ord("\t"): "&#9;"}


def text(value: str) -> str:
    """`value` as character data; what XML cannot hold is shown as an escape."""
    return _visible(value).translate(_MARKUP)


def attribute(value: str) -> str:
    """`value` inside double quotes."""
    return _visible(value).translate(_IN_ATTRIBUTE)


def _visible(value: str) -> str:
    def escape(match: re.Match[str]) -> str:
        code = ord(match.group())
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"

    return _NOT_XML.sub(escape, value)


#: Gives the last lines that a step wrote, by step id.
Wrote: TypeAlias = Callable[[str], Sequence[str]]


def write_junit(path: Path, plan: Plan, state: RunView, wrote: Wrote, *, now: int = 0) -> None:
    """Write the report. UsageError if it cannot be written."""
    try:
        write_whole(path, junit_report(plan, state, wrote, now=now))
    except OSError as error:
        raise UsageError(f"cannot write the JUnit report {path}: {error.strerror or error}") from error


def junit_report(plan: Plan, state: RunView, wrote: Wrote, *, now: int = 0) -> str:
    """The report as XML. A run that goes on later lasted until `now`."""
    leaves = [s for s in shown(plan, state) if is_leaf(s)]
    cases = [_case(plan, state, step, wrote) for step in leaves]
    failures = sum(state.step_status[s.number] == "failed" for s in leaves)
    skipped = sum(state.step_status[s.number] not in {"completed", "failed"} for s in leaves)
    # A run can fail although no step did: its timeout, its outputs.
    errors = int(state.status == "failed" and not failures)
    if errors:
        cases.append(_run_case(plan, state.error))
    counts = f'tests="{len(cases)}" failures="{failures}" errors="{errors}" skipped="{skipped}"'
    spent = f'time="{run_took(state, now) / 1000:.3f}"'
    name = attribute(plan.workflow.id)
    begun = f' timestamp="{rfc3339(state.started)[:19]}"' if state.started else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuites name="{name}" {counts} {spent}>\n'
        f'  <testsuite name="{name}" {counts} {spent}{begun}>\n'
        f'    <properties><property name="runId" value="{attribute(state.run_id)}"/></properties>\n'
        + "".join(cases)
        + "  </testsuite>\n</testsuites>\n"
    )


def _case(plan: Plan, state: RunView, step: PlanStep, wrote: Wrote) -> str:
    i = step.number
    body = "".join(f"      {line}\n" for line in _outcome(state, step, wrote))
    head = (
        f'    <testcase name="{attribute(step.id)}" classname="{attribute(_class(plan, step))}"'
        f' time="{took(state, i) / 1000:.3f}"'
    )
    return f"{head}>\n{body}    </testcase>\n" if body else f"{head}/>\n"


def _class(plan: Plan, step: PlanStep) -> str:
    """The workflow and the containers around a step: `release.checks`."""
    around: list[str] = []
    parent = step.parent
    while parent >= 0:
        around.append(plan.steps[parent].id)
        parent = plan.steps[parent].parent
    return ".".join([plan.workflow.id, *reversed(around)])


def _outcome(state: RunView, step: PlanStep, wrote: Wrote) -> Iterator[str]:
    i = step.number
    status = state.step_status[i]
    error = state.errors.get(i)
    if status == "failed" and error is not None:
        yield _failure("failure", error, state.attempts[i])
    elif status not in ENDED:
        yield f'<skipped message="{attribute(f"not ended: {status}")}"/>'
    elif status != "completed":
        reason = state.reasons.get(i, "")
        yield f'<skipped message="{attribute(f"{status}: {reason}" if reason else status)}"/>'
    if state.started_at[i] and (lines := wrote(step.id)):
        yield f"<system-out>{text(chr(10).join(lines))}</system-out>"


def _run_case(plan: Plan, error: Failure | None) -> str:
    error = error or Failure(type="Error", message="the run failed")
    name = attribute(plan.workflow.id)
    body = f"      {_failure('error', error, 0)}\n"
    return f'    <testcase name="{name}" classname="{name}" time="0.000">\n{body}    </testcase>\n'


def _failure(tag: str, error: Failure, attempts: int) -> str:
    details = [error.message]
    if attempts > 1:
        details.append(f"attempts: {attempts}")
    details += [f"{key}: {value}" for key, value in (error.details or {}).items()]
    said = text("\n".join(details))
    return f'<{tag} type="{attribute(error.type)}" message="{attribute(error.message)}">{said}</{tag}>'


def write_whole(path: Path, content: str) -> None:
    """Write a file at once: readers see the old one or the new one, never a part. OSError if it cannot be."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(content)
        # A private mode is for temporary files; a report may be read like any new file.
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
