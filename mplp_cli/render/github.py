"""Workflow commands of GitHub Actions: annotations, groups and the job summary.

The runner obeys any line that begins with `::` and any `##[` within a line, so text that is not ours
is never printed where it could be taken for a command.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING

from mplp_cli.errors import Failure, Problem
from mplp_cli.protocols import Standing
from mplp_cli.render.problems import ordered
from mplp_cli.render.queued import queue_text
from mplp_cli.render.tails import BREAK, LONGEST
from mplp_cli.render.theme import safe, safe_output
from mplp_cli.render.view import approve_command
from mplp_cli.workflow.fold.history import (
    Event,
    RunFailed,
    RunPaused,
    StepCancelled,
    StepCompleted,
    StepFailed,
    StepOmitted,
    StepRetrying,
    StepSkipped,
    StepWaiting,
)
from mplp_cli.workflow.values import duration_text

if TYPE_CHECKING:
    from mplp_cli.render.view import RunView
    from mplp_cli.workflow.plan import Plan

#: Lines of a step's output that are kept for its group.
_KEPT = 2_000


def command(name: str, message: str, properties: Mapping[str, str | int] | None = None) -> str:
    """One workflow command, escaped as the runner reads it; empty properties are left out."""
    given = {key: value for key, value in (properties or {}).items() if value not in {"", 0}}
    head = ",".join(f"{key}={_property(str(value))}" for key, value in given.items())
    return f"::{name}{' ' + head if head else ''}::{_data(message)}"


def _data(text: str) -> str:
    lines = "\n".join(safe(line) for line in BREAK.split(text))
    return lines.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def plain(text: str) -> str:
    """A line of somebody else's text that the runner will not obey. It must not stand at a line's start."""
    return safe_output(text).replace("##[", "##\\[")


def annotation_lines(problems: Sequence[Problem]) -> str:
    """An annotation a finding, with line ends."""
    return "".join(f"{annotation(p)}\n" for p in ordered(problems))


def annotation(problem: Problem) -> str:
    """`::error file=...,line=...,col=...,title=...::message`."""
    message = f"{problem.message}\nhelp: {problem.hint}" if problem.hint else problem.message
    one_line = problem.end_line in {0, problem.line}
    properties: dict[str, str | int] = {
        "file": problem.file,
        "line": problem.line,
        "endLine": problem.end_line,
        "col": problem.column if one_line else 0,
        "endColumn": problem.end_column if one_line else 0,
        "title": problem.code,
    }
    return command(problem.severity, message, properties)


class GithubRun:
    """Tells a run in a job's log: one group a step with what it wrote, annotations for what went wrong."""

    def __init__(self, plan: Plan, state: RunView, stream: IO[str]) -> None:
        self._plan = plan
        self._state = state
        self._stream = stream
        #: Output by step id until the step ends: groups cannot overlap.
        self._wrote: dict[str, list[str]] = {}
        self._dropped: dict[str, int] = {}
        self._queued = False

    def output(self, step: str, _stream: str, text: str) -> None:
        """Take what a step wrote."""
        pieces = self._wrote.setdefault(step, [""])
        pieces.extend(BREAK.split(pieces.pop() + text))
        if len(pieces[-1]) > LONGEST:
            pieces.append("")
        if len(pieces) > 2 * _KEPT:
            self._dropped[step] = self._dropped.get(step, 0) + len(pieces) - _KEPT
            del pieces[:-_KEPT]

    def waits(self, standing: Standing, now: int) -> None:
        """Take where the run stands in the queue for its turn; told once."""
        if standing.position and not self._queued:
            self._queued = True
            self._stream.write(f"{plain(self._plan.workflow.id)} {plain(queue_text(standing, now))}\n")
            self._stream.flush()

    def __call__(self, events: Sequence[Event]) -> None:
        """Take committed facts."""
        text = "".join(self._told(event) for event in events)
        if text:
            self._stream.write(text)
            self._stream.flush()

    def _told(self, event: Event) -> str:
        match event:
            case StepCompleted(step=step):
                return self._group(step, f"completed{self._time(step)}")
            case StepFailed(step=step, error=error):
                title = f"{step} failed"
                said = command("error", f"{error.type}: {error.message}", {"title": title})
                return self._group(step, f"failed{self._time(step)}") + said + "\n"
            case StepRetrying(step=step, error=error, delay=delay, attempt=attempt):
                said = f"attempt {attempt} failed: {error.message}; retry in {duration_text(delay)}"
                return command("warning", said, {"title": f"{step} retries"}) + "\n"
            case StepSkipped(step=step, reason=reason) | StepOmitted(step=step, reason=reason):
                verb = "skipped" if isinstance(event, StepSkipped) else "omitted"
                return f"{plain(step)} {verb}: {plain(reason)}\n"
            case StepCancelled(step=step, reason=reason):
                return self._group(step, f"cancelled: {reason}")
            case StepWaiting(step=step, approval=approval) if approval is not None:
                how = approve_command(self._state.run_id, step, approval)
                said = f"{approval.message}\n{how}"
                return command("notice", said, {"title": f"{step} waits for approval"}) + "\n"
            case RunPaused():
                said = f"mplp resume {self._state.run_id}"
                return (
                    command("notice", said, {"title": f"workflow {self._plan.workflow.id} is paused"}) + "\n"
                )
            case RunFailed(error=error):
                title = f"workflow {self._plan.workflow.id} failed"
                return command("error", f"{error.type}: {error.message}", {"title": title}) + "\n"
            case _:
                return ""

    def _time(self, step: str) -> str:
        from mplp_cli.render.view import took

        spent = took(self._state, self._plan.number[step])
        return f" in {duration_text(spent)}" if spent else ""

    def _group(self, step: str, said: str) -> str:
        wrote = self._wrote.pop(step, [])
        dropped = self._dropped.pop(step, 0)
        if wrote and not wrote[-1]:
            wrote.pop()
        if not wrote:
            return f"{plain(step)} {plain(said)}\n"
        if dropped:
            wrote.insert(0, f"({dropped:,} earlier lines: mplp logs {self._state.run_id} {step})")
        body = "".join(f"| {plain(line.rstrip(chr(13)))}\n" for line in wrote)
        return f"{command('group', f'{step} {said}')}\n{body}::endgroup::\n"


def job_summary(plan: Plan, state: RunView) -> str:
    """The run as Markdown, for the file that `GITHUB_STEP_SUMMARY` names."""
    from mplp_cli.render.view import is_leaf, run_took, shown, took

    rows = []
    for step in shown(plan, state):
        i = step.number
        status = state.step_status[i]
        if is_leaf(step):
            said = _said(state.errors.get(i), state.reasons.get(i, ""))
            spent = duration_text(ms) if (ms := took(state, i)) else ""
            tries = state.attempts[i] or ""
            rows.append(f"| {_cell(step.id)} | {status} | {spent} | {tries} | {_cell(said)} |")
    most = 200
    more = [f"\n{len(rows) - most:,} more steps\n"] if len(rows) > most else []
    title = f"### {_cell(plan.workflow.id)}: {state.status} in {duration_text(run_took(state))}\n\n"
    head = "| step | status | time | attempts | |\n| --- | --- | ---: | ---: | --- |\n"
    return title + head + "\n".join(rows[:most]) + "\n" + "".join(more)


def _said(error: Failure | None, reason: str) -> str:
    return f"{error.type}: {error.message}" if error else reason


def _cell(text: str) -> str:
    """Text inside a cell of a Markdown table, nothing of it Markdown or HTML."""
    cut = safe(" ".join(text.split()))[:300]
    return "".join(f"&#{ord(c)};" if c in "|<>&`*_[]\\!#~" else c for c in cut)
