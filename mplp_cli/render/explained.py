"""`mplp explain`: an explanation as a screen and as a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from mplp_cli.clock import rfc3339
from mplp_cli.observe.explanation import Explanation, Looked, Question, Try
from mplp_cli.observe.judged import Judged, Operand
from mplp_cli.observe.reasons import came_to_start, rule_name, why_missed, why_so
from mplp_cli.render.asked import agents_table, step_agents
from mplp_cli.render.grid import grid, wrapped
from mplp_cli.render.ink import Line, Screen
from mplp_cli.render.learned import against_usual, usual_object
from mplp_cli.render.machine import failure_object
from mplp_cli.render.theme import STATUS_STYLE, Theme
from mplp_cli.render.view import (
    demand_text,
    failure_text,
    first_line,
    short_id,
    took,
    unused,
    usage_object,
    usage_text,
)
from mplp_cli.workflow.amounts import amount_text
from mplp_cli.workflow.estimates import Estimate
from mplp_cli.workflow.values import Json, duration_text

#: Characters of a value that a screen shows.
_SHOWN = 200
_OUTCOME_STYLE = {
    "running": "busy",
    "completed": "ok",
    "failed": "bad",
    "fell back": "bad",
    "asked": "warn",
    "skipped": "bad",
    "cancelled": "warn",
    "lost": "warn",
    "unknown": "warn",
}


def value_text(value: Json) -> str:
    """A value as short JSON."""
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text):,} characters)"


# ---- the screen --------------------------------------------------------------------------------


def explained_screen(
    told: Explanation, run_status: str, now: int, theme: Theme, width: int, usual: Estimate | None = None
) -> Screen:
    """All of it. `now` is the present, or the last moment of a run that nobody drives; `usual` is what other runs
    have shown of the step."""
    lines = list(_head(told, run_status, now, theme, width))
    for part in (
        _start(told, theme, width),
        _conditions(told, theme, width),
        _tries(told, now, theme, width),
        _usual(told, now, usual, width),
        _agents(told, theme, width),
    ):
        lines += part
    lines += _questions(told, width)
    lines += _inside(told, theme, width)
    return Screen(lines)


def _head(told: Explanation, run_status: str, now: int, theme: Theme, width: int) -> Iterator[Line]:
    step, state, status = told.step, told.state, told.status
    style = STATUS_STYLE[status]
    yield Line(f"{theme.glyph(status)} {step.id} ", style).add(status, style)
    facts = [f"run {short_id(state.run_id)} ({run_status})", step.kind]
    if step.parent >= 0:
        branch = f", {step.branch}" if step.branch else ""
        facts.append(f"in {told.plan.steps[step.parent].id}{branch}")
    if told.queued:
        facts.append(f"queued {duration_text(told.queued)}")
    if spent := took(state, step.number, now):
        facts.append(f"took {duration_text(spent)}")
    yield Line("  " + f" {theme.glyph('dot')} ".join(facts), "dim").fit(width, theme.glyph("more"))
    yield Line()
    yield from wrapped(Line(why_so(told)), width)
    if missed := why_missed(told):
        yield from wrapped(Line(missed, "dim"), width)
    if run_status == "interrupted" and status in ("running", "queued", "retrying"):
        text = f"No process drives this run: mplp resume {short_id(state.run_id)}"
        yield Line(text, "warn")


def _title(text: str) -> list[Line]:
    return [Line(), Line(text, "strong")]


def _start(told: Explanation, theme: Theme, width: int) -> list[Line]:
    said = came_to_start(told)
    if not said and not told.needs:
        return []
    lines = _title("How it came to start" if told.ready_at else "What it depends on")
    for sentence in said:
        lines += [Line("  ").extend(part) for part in wrapped(Line(sentence), width - 2)]
    if told.needs:
        rows = []
        for need in told.needs:
            style = STATUS_STYLE[need.status]
            rows.append(
                (
                    Line(f"  {need.step}", "strong"),
                    Line(f"{theme.glyph(need.status)} {need.status}", style),
                    Line(_since(told, need.ended_at), "dim"),
                    Line(_later(need.when_ready, need.status) or first_line(need.reason), "dim"),
                )
            )
        lines += grid(("  NEEDS", "STATUS", "ENDED", ""), rows, theme=theme, width=width, right=(2,))
    return lines


def _later(then: str, now: str) -> str:
    return f"was {then} when this step became ready" if then and then != now else ""


def _since(told: Explanation, at: int) -> str:
    """A moment as time after the start of the run."""
    return f"+{duration_text(max(at - told.state.started, 0))}" if at else ""


def _conditions(told: Explanation, theme: Theme, width: int) -> list[Line]:
    lines: list[Line] = []
    for condition in told.conditions:
        answer = "could not be judged" if condition.holds is None else str(condition.holds).lower()
        style = {True: "ok", False: "warn", None: "bad"}[condition.holds]
        title = "Its `when`" if condition.key == "when" else "Its condition"
        lines += [Line(), Line(f"{title} was ", "strong").add(answer, style)]
        lines += [Line("  ").extend(part) for part in wrapped(Line(condition.expression, "code"), width - 2)]
        rows = [(Line(f"  {one.name}"), _value(one)) for one in condition.operands]
        if rows:
            lines += grid(("  OPERAND", "VALUE"), rows, theme=theme, width=width)
        if condition.error:
            lines += [Line("  ").extend(part) for part in wrapped(Line(condition.error, "bad"), width - 2)]
    return lines


def _value(operand: Operand) -> Line:
    return Line(operand.missing, "warn") if operand.value is UNSET else Line(value_text(operand.value))


def _tries(told: Explanation, now: int, theme: Theme, width: int) -> list[Line]:
    if not told.tries or (told.step.children and told.step.kind in ("parallel", "conditional")):
        return []
    rows = []
    for one in told.tries:
        end = one.ended_at or (now if one.outcome == "running" else 0)
        rows.append(
            (
                Line(f"  {one.attempt}"),
                Line(_since(told, one.started_at), "dim"),
                Line(duration_text(one.queued), "dim"),
                Line(duration_text(max(end - one.started_at, 0)) if end else "", "dim"),
                Line(one.outcome, _OUTCOME_STYLE[one.outcome]),
                Line(_after(one)),
            )
        )
    head = ("  TRY", "STARTED", "QUEUED", "TOOK", "OUTCOME", "")
    table = grid(head, rows, theme=theme, width=width, right=(1, 2, 3))
    most = told.step.max_attempts
    return [*_title(f"Attempts ({most} at most)" if most > 1 else "Attempts"), *table, *_usage(told, width)]


def _usage(told: Explanation, width: int) -> list[Line]:
    """What each attempt has used, and what it may hold."""
    used = [one for one in told.tries if one.usage is not None]
    lines = [
        f"attempt {one.attempt} used {usage_text(one.usage)}"
        if len(used) > 1
        else f"used {usage_text(one.usage)}"
        for one in used
        if one.usage is not None
    ]
    if (demand := told.step.demand) is not None:
        lines.append(f"declared {demand_text(demand)}")
    said = [*_title("Resources")] if lines else []
    for line in lines:
        said += [Line("  ").extend(part) for part in wrapped(Line(line), width - 2)]
    return said


def _usual(told: Explanation, now: int, usual: Estimate | None, width: int) -> list[Line]:
    """The last attempt against what is usual, and what the step declares against what it has used."""
    if usual is None:
        return []
    lines = _title("Against other runs of the workflow")
    for sentence in against_usual(told, now, usual):
        lines += [Line("  ").extend(part) for part in wrapped(Line(sentence), width - 2)]
    return lines


def _after(one: Try) -> str:
    """What came of an attempt, in a line."""
    said = []
    if one.error is not None:
        said.append(f"{one.error.type}: {failure_text(one.error)}")
    if one.outcome == "lost":
        said.append("the process that drove the run was lost; this attempt does not count")
    if one.outcome == "unknown":
        said.append("it was next when the process was lost, and may have begun; it does not count")
    if one.delay is not None:
        said.append(f"again after {duration_text(one.delay)} ({one.delay_why})")
    return "; ".join(said)


def _agents(told: Explanation, theme: Theme, width: int) -> list[Line]:
    rows = list(agents_table(told.state.spending, told.step.id, theme, width))
    return [*_title("Agents that it asked"), *rows] if rows else []


def _questions(told: Explanation, width: int) -> list[Line]:
    lines = _title("Asked of a person") if told.questions else []
    for asked in told.questions:
        who = f" of {', '.join(asked.approvers)}" if asked.approvers else ""
        lines += [Line(f"  {_since(told, asked.asked_at)}{who}: ", "dim").add(first_line(asked.message))]
        if asked.decision == "expired":
            lines.append(Line(f"  {_since(told, asked.decided_at)} ", "dim").add(asked.reason, "warn"))
        elif asked.decision:
            style = STATUS_STYLE[asked.decision]
            answer = Line(f"  {_since(told, asked.decided_at)} ", "dim").add(asked.decision, style)
            answer.add(f" by {asked.by or 'somebody'}")
            lines.append(answer.add(f": {asked.reason}" if asked.reason else ""))
        elif told.status == "waiting":
            lines.append(Line("  not answered yet", "warn"))
        else:
            lines.append(Line("  never answered", "dim"))
    return [line.fit(width) for line in lines]


def _inside(told: Explanation, theme: Theme, width: int) -> list[Line]:
    plan, state = told.plan, told.state
    children = [c for c in told.step.children if not unused(plan, state, c)]
    rows = []
    for c in children:
        status = state.step_status[c]
        error = state.errors.get(c)
        why = failure_text(error) if status == "failed" else first_line(state.reasons.get(c, ""))
        mark = Line(f"{theme.glyph(status)} {status}", STATUS_STYLE[status])
        rows.append((Line(f"  {plan.steps[c].id}", "strong"), mark, Line(why, "dim")))
    if not rows:
        return []
    table = grid(("  STEP", "STATUS", ""), rows, theme=theme, width=width)
    return [*_title("The steps in it"), *table]


# ---- the document ------------------------------------------------------------------------------


def explained_document(
    told: Explanation, run_status: str, now: int, usual: Estimate | None = None
) -> dict[str, Any]:
    """The same for machines; the shape is in `mplp help output`."""
    step, state, i = told.step, told.state, told.step.number
    document: dict[str, Any] = {
        "runId": state.run_id,
        "workflowId": told.plan.workflow.id,
        "runStatus": run_status,
        "step": step.id,
        "type": step.kind,
        "in": told.plan.steps[step.parent].id if step.parent >= 0 else None,
        "branch": step.branch or None,
        "status": told.status,
        "reason": why_so(told),
        "because": state.because.get(i),
        "start": came_to_start(told),
        "readyAt": _moment(told.ready_at),
        "startedAt": _moment(state.started_at[i]),
        "endedAt": _moment(state.ended_at[i]),
        "queued": told.queued,
        "duration": took(state, i, now) if state.started_at[i] else None,
        "maxAttempts": step.max_attempts,
        "join": {"rule": rule_name(step.join), "met": _met(told)},
        "dependencies": [
            {
                "step": need.step,
                "status": need.status,
                "whenReady": need.when_ready or None,
                "endedAt": _moment(need.ended_at),
                "reason": need.reason or None,
            }
            for need in told.needs
        ],
        "conditions": [_condition(one) for one in told.conditions],
        "attempts": [_attempt(one) for one in told.tries],
        "approvals": [_question(one) for one in told.questions],
        "children": [
            {"step": told.plan.steps[c].id, "status": state.step_status[c], "reason": state.reasons.get(c)}
            for c in step.children
            if not unused(told.plan, state, c)
        ],
    }
    if (demand := step.demand) is not None:
        document["declared"] = {kind: amount_text(kind, amount) for kind, amount in demand.amounts}
    if told.looked is not None:
        document["cache"] = _cache(told.looked)
    if usual is not None:
        document["usual"] = usual_object(usual)
    if agents := step_agents(state.spending, step.id):
        document["agents"] = agents
    if told.status == "completed" and i in state.kept:
        document["keptFrom"] = state.kept[i]
    if (taken := state.branches.get(i)) is not None:
        document["took"] = taken
    if (error := state.errors.get(i)) is not None:
        document["error"] = failure_object(error)
    return document


def _met(told: Explanation) -> bool | None:
    """Whether the join rule was met; None while it is open, or where something else decided."""
    if told.ready_at:
        return True
    return False if told.status == "omitted" else None


def _condition(one: Judged) -> dict[str, Any]:
    made: dict[str, Any] = {
        "key": one.key,
        "expression": one.expression,
        "value": one.holds,
        "operands": [
            {"name": o.name, **({"missing": o.missing} if o.value is UNSET else {"value": o.value})}
            for o in one.operands
        ],
    }
    return {**made, "error": one.error} if one.error else made


def _attempt(one: Try) -> dict[str, Any]:
    made: dict[str, Any] = {
        "attempt": one.attempt,
        "startedAt": _moment(one.started_at),
        "endedAt": _moment(one.ended_at),
        "queued": one.queued,
        "outcome": one.outcome,
    }
    if one.error is not None:
        made["error"] = failure_object(one.error)
    if one.usage is not None:
        made["usage"] = usage_object(one.usage)
    if one.delay is not None:
        made["retry"] = {"delay": one.delay, "due": _moment(one.due), "why": one.delay_why}
    return made


def _cache(looked: Looked) -> dict[str, Any]:
    hit = looked.hit
    if hit is None:
        return {"hit": False, "why": looked.missed}
    return {"hit": True, "run": hit.run, "storedAt": _moment(hit.stored), "until": _moment(hit.until)}


def _question(one: Question) -> Mapping[str, Any]:
    return {
        "message": one.message,
        "approvers": one.approvers,
        "askedAt": _moment(one.asked_at),
        "deadline": _moment(one.deadline),
        "decision": one.decision or None,
        "by": one.by or None,
        "reason": one.reason or None,
        "decidedAt": _moment(one.decided_at),
    }


def _moment(ms: int) -> str | None:
    return rfc3339(ms) if ms else None
