"""What a report says in words: the run, what failed and why, people, agents, events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import Struct

from mplp_cli.observe.picture import What
from mplp_cli.observe.reasons import came_to_start, why_so
from mplp_cli.render.asked import cost_text
from mplp_cli.render.report.gathered import EXPLAINED, Reported
from mplp_cli.render.report.words import TEXT, WHAT, counts_text, given_text, name, shown
from mplp_cli.render.view import cause_text, failure_text, rerun_text, run_took, usage_text
from mplp_cli.workflow.fold.history import Used
from mplp_cli.workflow.values import duration_text, rfc3339

#: Rows of tables, inputs in the head, failed steps in a table, lines of a log.
_ROWS: Final = 200
_INPUTS: Final = 12
_FAILED: Final = 5_000
LINES: Final = 15


class Table(Struct, frozen=True, kw_only=True):
    """One table. `heads` are (title, class); `folded` is the sentence that opens it, if it is closed."""

    id: str
    title: str
    heads: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[str]]
    said: str = ""
    folded: str = ""


def head_of(one: Reported, made: int) -> dict[str, Any]:
    """The head of a page; `made` is the moment at which it is made."""
    state, workflow = one.state, one.plan.workflow
    counts = Counter(row.status for row in one.steps)
    return {
        "title": shown(workflow.name or workflow.id, 200),
        "status": one.status,
        "sentence": f"after {duration_text(run_took(state, one.now))}: {counts_text(counts)}",
        "warning": one.warning,
        "warnings": list(state.warnings)[:_ROWS],
        "facts": list(facts_of(one)),
        "run": state.run_id,
        "made": rfc3339(made),
    }


def facts_of(one: Reported) -> Iterator[tuple[str, str]]:
    """What the head lists."""
    state, workflow = one.state, one.plan.workflow
    yield "Workflow", f"{workflow.id} {workflow.version}".strip()
    yield "Run", state.run_id
    yield "Started", rfc3339(state.started) if state.started else "not yet"
    if state.ended:
        yield "Ended", rfc3339(state.ended)
    yield "Started by", cause_text(one.cause) if one.cause is not None else "hand"
    if state.rerun is not None:
        yield "Repeats", rerun_text(state.rerun)
    if state.error is not None:
        yield "Error", f"{state.error.type}: {failure_text(state.error)}"
    if state.spending.by_step:
        used = state.spending.total()
        yield "Agents", f"{used.calls:,} calls, {used.tokens:,} tokens" + _cost(used, " and ")
    given = given_text(state.inputs, workflow.inputs, one.masker)
    for key, value in given[:_INPUTS]:
        yield f"Input {name(key)}", shown(value, 300)
    if len(given) > _INPUTS:
        yield "More inputs", f"{len(given) - _INPUTS:,}, not shown"
    for key, value in given_text(state.outputs or {}, {}, one.masker)[:_INPUTS]:
        yield f"Output {name(key)}", shown(value, 300)


def _cost(used: Used, before: str = "") -> str:
    said = cost_text(used)
    return before + said if said else ""


# ---- what failed


def errors_of(one: Reported) -> dict[str, Any]:
    """Each failed step: the first with their reasons and logs, the others in a table."""
    steps, errors = one.plan.steps, one.state.errors
    count = len(one.failed)
    rest = one.failed[EXPLAINED:][:_FAILED]
    return {
        "count": count,
        "said": f"{count:,} step{'' if count == 1 else 's'} failed."
        + (f" The first {EXPLAINED} are told whole." if count > EXPLAINED else ""),
        "told": [_error(one, i) for i in one.failed[:EXPLAINED]],
        "rest": [
            (
                name(steps[i].id),
                error.type if (error := errors.get(i)) else "",
                shown(failure_text(errors.get(i)), 160),
            )
            for i in rest
        ],
    }


def _error(one: Reported, i: int) -> dict[str, Any]:
    step, error, why = one.plan.steps[i], one.state.errors.get(i), one.why.get(i)
    attempt = one.state.attempts[i]
    tries = []
    for n, each in enumerate(why.tries if why is not None else ()):
        length = duration_text(max(each.ended_at - each.started_at, 0)) if each.ended_at else "no end"
        said = f"attempt {each.attempt}, {each.outcome} after {length}"
        if each.usage is not None:
            said += f", used {usage_text(each.usage)}"
        if each.delay is not None:
            said += f"; again after {duration_text(each.delay)} ({each.delay_why})"
        if n < LINES:
            tries.append(said)
    reasons = [*came_to_start(why), why_so(why)] if why is not None else []
    return {
        "step": name(step.id),
        "type": error.type if error is not None else "failed",
        "message": shown(error.message, TEXT) if error is not None else "",
        "why": " ".join(shown(sentence, TEXT) for sentence in reasons),
        "tries": tries,
        "lines": [shown(line, 300) for line in one.wrote(step.id, attempt)][-LINES:],
    }


# ---- tables


def tables_of(one: Reported) -> list[Table]:
    """People, agents, events, and all steps; those with anything in them."""
    found = [_people(one), _agents(one), _events(one), _spent(one), _steps(one)]
    return [table for table in found if table.rows]


def _people(one: Reported) -> Table:
    rows = []
    for asked in one.picture.answers[:_ROWS]:
        until = asked.decided or one.picture.ended
        said = f"{asked.decision} by {asked.by or 'somebody'}" if asked.decision else "not answered"
        rows.append(
            (
                name(asked.step),
                shown(asked.message),
                ", ".join(asked.approvers),
                duration_text(max(until - asked.asked, 0)),
                shown(f"{said}: {asked.reason}" if asked.reason else said),
            )
        )
    heads = (("Step", ""), ("Question", "w"), ("Who may answer", ""), ("Waited", "n"), ("Answer", "w"))
    return Table(id="people", title="Asked of people", heads=heads, rows=rows)


def _agents(one: Reported) -> Table:
    sums: dict[tuple[str, str, str], Used] = {}
    for agent, model, budget, used in one.state.spending.each():
        key = agent, model, budget
        sums[key] = sums[key] + used if key in sums else used
    rows = [
        (name(agent), name(model), name(budget), f"{u.calls:,}", f"{u.input_tokens:,}", f"{u.output_tokens:,}",
         f"{u.tokens:,}", duration_text(u.time), _cost(u))
        for (agent, model, budget), u in sorted(sums.items(), key=lambda pair: -pair[1].tokens)[:_ROWS]
    ]  # fmt: skip
    heads = (
        ("Agent", ""), ("Model", ""), ("Budget", ""), ("Calls", "n"), ("Tokens in", "n"), ("Tokens out", "n"),
        ("Tokens in all", "n"), ("Time", "n"), ("Cost", "n"),
    )  # fmt: skip
    total = one.state.spending.total()
    said = f"{total.calls:,} calls, {total.tokens:,} tokens{_cost(total, ', ')}." if rows else ""
    return Table(id="agents", title="Agents and cost", heads=heads, rows=rows, said=said)


def _events(one: Reported) -> Table:
    told = one.picture.told
    rows = [
        (f"+{duration_text(max(t.event.at - one.picture.begun, 0))}", t.event.type, name(t.step), t.event.id)
        for t in told[:_ROWS]
    ]
    more = f"The first {_ROWS:,} of {len(told):,}." if len(told) > _ROWS else ""
    heads = (("When", "n"), ("Type", ""), ("Step", ""), ("Id", ""))
    return Table(id="events", title="Events published", heads=heads, rows=rows, said=more)


def _spent(one: Reported) -> Table:
    spent = one.picture.spent()
    words: dict[What, str] = {what: text for what, text in WHAT.items() if what in spent}
    rows = [(text, duration_text(spent[what])) for what, text in words.items()]
    heads = (("All steps together", ""), ("Time", "n"))
    return Table(id="spent", title="Where the time went", heads=heads, rows=rows)


def _steps(one: Reported) -> Table:
    heads = (
        ("Step", ""), ("Type", ""), ("Status", "s"), ("Attempts", "n"), ("Began", "n"), ("Waited", "n"),
        ("Took", "n"), ("Why", "w"),
    )  # fmt: skip
    rows = [(r.step, r.kind, r.status, r.attempts, r.begun, r.waited, r.took, r.why) for r in one.steps]
    folded = f"{len(rows):,} steps" if len(rows) > 60 else ""
    return Table(id="steps", title="All steps", heads=heads, rows=rows, folded=folded)
