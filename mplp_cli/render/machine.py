"""What machines read: one JSON document, or one history event a line. ASCII only, never through rich."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from mplp_cli.clock import rfc3339
from mplp_cli.errors import Failure, MplpError, Problem
from mplp_cli.render.problems import SEE_ALSO

if TYPE_CHECKING:
    from mplp_cli.protocols import Standing
    from mplp_cli.render.view import RunView
    from mplp_cli.workflow.estimates import Estimate
    from mplp_cli.workflow.fold.history import Event
    from mplp_cli.workflow.plan import Plan


def write_document(document: Any, stream: IO[str] | None = None) -> None:
    """Print one JSON document."""
    stream = stream or sys.stdout
    stream.write(_dump(document, indent=2) + "\n")
    stream.flush()


def write_line(document: Any, stream: IO[str] | None = None) -> None:
    """Print one JSON document on one line."""
    stream = stream or sys.stdout
    stream.write(_dump(document) + "\n")
    stream.flush()


def document_bytes(document: Any) -> bytes:
    """One JSON document on one line, to be sent."""
    return _dump(document).encode()


def write_lines(documents: Iterable[Any]) -> None:
    """Print JSON documents, one a line."""
    sys.stdout.write("".join(f"{_dump(document)}\n" for document in documents))
    sys.stdout.flush()


def _dump(document: Any, indent: int | None = None) -> str:
    try:
        return json.dumps(document, ensure_ascii=True, allow_nan=False, indent=indent)
    except ValueError:
        # JSON has no infinity; a number that is none is null, as in JavaScript.
        return json.dumps(_finite(document), ensure_ascii=True, allow_nan=False, indent=indent)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


# ---- documents ---------------------------------------------------------------------------------


def error_document(error: MplpError) -> dict[str, Any]:
    """`{error: {type, code, message, details}}`: any failure. `code` is the exit code."""
    details = dict(error.details)
    if error.hint:
        details["hint"] = error.hint
    if problems := getattr(error, "problems", None):
        details["problems"] = [problem_object(p) for p in problems]
    return {
        "error": {
            "type": error.type_name,
            "code": int(error.exit_code),
            "message": error.message,
            "details": details,
        }
    }


def validate_document(problems: Sequence[Problem]) -> dict[str, Any]:
    """`{valid, problems}` of all files together. Warnings leave a file valid."""
    return {
        "valid": all(p.severity != "error" for p in problems),
        "problems": [problem_object(p) for p in problems],
    }


def problem_object(problem: Problem) -> dict[str, Any]:
    """A finding. `path` is a list of keys and indexes from the root of the document."""
    found: dict[str, Any] = {
        "code": problem.code,
        "class": problem.group,
        "severity": problem.severity,
        "message": problem.message,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "endLine": problem.end_line,
        "endColumn": problem.end_column,
        "path": list(problem.path),
    }
    if problem.hint:
        found["hint"] = problem.hint
    if problem.related_line:
        found["related"] = [
            {"label": SEE_ALSO, "line": problem.related_line, "column": problem.related_column}
        ]
    if problem.lacking:
        found["type"] = "InsufficientResourcesError"
        found["requirements"] = {kind: asked for kind, asked, _ in problem.lacking}
        found["availability"] = {kind: there for kind, _, there in problem.lacking}
    return found


def failure_object(error: Failure) -> dict[str, Any]:
    """A failure of a step or a run."""
    made: dict[str, Any] = {"type": error.type, "message": error.message}
    if error.details:
        made["details"] = error.details
    return made


def run_document(
    plan: Plan, state: RunView, *, now: int = 0, standing: Standing | None = None, measured: bool = False
) -> dict[str, Any]:
    """A run as `run`, `status` and `resume` print it. A run that goes on lasts until `now`.

    `measured`: with what its attempts have used, which is never the same twice.
    """
    from mplp_cli.render.queued import turn_object
    from mplp_cli.render.view import run_took, shown

    steps = shown(plan, state)
    document: dict[str, Any] = {
        "runId": state.run_id,
        "workflowId": plan.workflow.id,
        "status": state.status,
        "outputs": state.outputs,
        "result": {s.id: result for s in steps if (result := state.results[s.number]) is not UNSET},
        "duration": run_took(state, now),
        "steps": {s.id: _step_object(plan, state, s.number, s.id, now) for s in steps},
    }
    for i, usage in state.usage.items() if measured else ():
        from mplp_cli.render.view import usage_object

        document["steps"][plan.steps[i].id]["usage"] = usage_object(usage)
    if (pausing := state.pausing) is not None:
        document["pause"] = {"by": pausing.by, "reason": pausing.message, "at": _moment(pausing.at)}
    if state.turn is not None:
        document["concurrency"] = turn_object(state.turn, standing)
    if state.error is not None:
        document["error"] = failure_object(state.error)
    if state.rerun is not None:
        document["rerunOf"] = state.rerun.of
    if state.spending.by_step:
        from mplp_cli.render.asked import run_agents

        document["agents"] = run_agents(state.spending)
    if state.warnings:
        document["warnings"] = list(state.warnings)
    return document


def _step_object(plan: Plan, state: RunView, i: int, name: str, now: int) -> dict[str, Any]:
    from mplp_cli.render.view import shortage_text, took

    step: dict[str, Any] = {
        "status": state.step_status[i],
        "attempts": state.attempts[i],
        "startedAt": _moment(state.started_at[i]),
        "endedAt": _moment(state.ended_at[i]),
        "duration": took(state, i, now) if state.started_at[i] else None,
    }
    if reason := state.reasons.get(i) or shortage_text(plan, state, i):
        step["reason"] = reason
    if (origin := state.kept.get(i)) and state.step_status[i] == "completed":
        step["keptFrom"] = origin
    if error := state.errors.get(i):
        step["error"] = failure_object(error)
    if name in state.spending.by_step:
        from mplp_cli.render.asked import step_agents

        step["agents"] = step_agents(state.spending, name)
    return step


def _moment(ms: int) -> str | None:
    return rfc3339(ms) if ms else None


def plan_document(plan: Plan, known: Mapping[str, Estimate] = MappingProxyType({})) -> dict[str, Any]:
    """A plan as `mplp plan` prints it, with what is known of its steps."""
    from mplp_cli.render.learned import usual_object
    from mplp_cli.workflow.estimates import outlook
    from mplp_cli.workflow.plan import plan_summary

    document = plan_summary(plan)
    ahead = outlook(plan, known)
    if not ahead.known:
        return document
    chain = [plan.steps[i].id for i in ahead.chain]
    document["expected"] = {
        "duration": ahead.duration,
        "chain": chain,
        "steps": ahead.steps,
        "known": ahead.known,
    }
    for step, length in zip(plan.steps, ahead.lengths, strict=True):
        if length:
            document["steps"][step.id]["expected"] = length
        if step.id in known:
            document["steps"][step.id]["usual"] = usual_object(known[step.id])
    return document


# ---- events ------------------------------------------------------------------------------------

#: Keys of facts that hold a moment in milliseconds since the Unix epoch.
_MOMENTS = ("due", "until", "deadline", "givenAt", "stored")


def event_object(seq: int, run_id: str, event: Event) -> dict[str, Any]:
    """`{seq, type, at, runId, step?, attempt?, ...}` with times as RFC 3339."""
    fact: dict[str, Any] = msgspec.to_builtins(event)
    at = fact.pop("at")
    fact.pop("run", None)
    made = {"seq": seq, "type": fact.pop("type"), "at": rfc3339(at), "runId": run_id, **fact}
    if made["type"] == "step.emitted":
        made["event"]["time"] = rfc3339(made["event"].pop("at"))
    for holder in (made, *map(made.get, ("approval", "hit", "keep"))):
        if isinstance(holder, dict):
            for key in _MOMENTS:
                if holder.get(key):
                    holder[key] = rfc3339(holder[key])
    return made


def event_line(seq: int, run_id: str, event: Event) -> str:
    """One line of `--output jsonl`, with its line end."""
    return _dump(event_object(seq, run_id, event)) + "\n"
