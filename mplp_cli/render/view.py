"""What drawing reads of a run, and how a step is told in a few words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from shlex import quote
from typing import Any, Final, Protocol

from msgspec import json

from mplp_cli.errors import Failure
from mplp_cli.workflow.amounts import amount_text
from mplp_cli.workflow.fold.history import Approval, Awaited, Rerun, RunPausing, Turn
from mplp_cli.workflow.fold.spending import Spending
from mplp_cli.workflow.plan import CONTAINERS, Plan, PlanStep
from mplp_cli.workflow.published import Cause
from mplp_cli.workflow.resources import Demand, Usage
from mplp_cli.workflow.values import duration_text

#: A step in one of these has begun and not ended.
ACTIVE: Final = frozenset({"running", "retrying", "waiting"})
#: A step in one of these has ended.
ENDED: Final = frozenset({"completed", "failed", "skipped", "omitted", "cancelled"})

#: When the steps of a branch run.
BRANCHES: Final = {"then": "if so", "else": "if not", "each": "each time", "finally": "at the end"}


class RunView(Protocol):
    """The state of a run, as far as it is drawn. Times are milliseconds since the Unix epoch, 0 is not yet.

    Sequences are by step number.
    """

    @property
    def run_id(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def started(self) -> int: ...
    @property
    def ended(self) -> int: ...
    @property
    def pausing(self) -> RunPausing | None: ...
    @property
    def shortage(self) -> Callable[[Demand], str]: ...
    @property
    def step_status(self) -> Sequence[str]: ...
    @property
    def attempts(self) -> Sequence[int]: ...
    @property
    def started_at(self) -> Sequence[int]: ...
    @property
    def ended_at(self) -> Sequence[int]: ...
    @property
    def results(self) -> Sequence[Any]: ...
    @property
    def reasons(self) -> Mapping[int, str]: ...
    @property
    def errors(self) -> Mapping[int, Failure]: ...
    @property
    def kept(self) -> Mapping[int, str]: ...
    @property
    def rerun(self) -> Rerun | None: ...
    @property
    def approvals(self) -> Mapping[int, Approval]: ...
    @property
    def due(self) -> Mapping[int, int]: ...
    @property
    def awaited(self) -> Mapping[int, Awaited]: ...
    @property
    def outputs(self) -> Mapping[str, Any] | None: ...
    @property
    def error(self) -> Failure | None: ...
    @property
    def turn(self) -> Turn | None: ...
    @property
    def warnings(self) -> Sequence[str]: ...
    @property
    def spending(self) -> Spending: ...
    @property
    def usage(self) -> Mapping[int, Usage]: ...


def shortage_text(plan: Plan, state: RunView, i: int) -> str:
    """`waits for 1 of llm-slot; run 1a2b3c4d holds it`; empty unless the pool keeps the step from starting."""
    demand = plan.steps[i].demand
    if state.step_status[i] != "queued" or demand is None or state.pausing is not None:
        return ""
    lacks = state.shortage(demand)
    return f"waits for {lacks}" if lacks else ""


def is_leaf(step: PlanStep) -> bool:
    """Whether the step does work itself, rather than hold steps."""
    return step.kind not in CONTAINERS


def unused(plan: Plan, state: RunView, i: int) -> bool:
    """Whether it belongs to a fallback action that was not needed so far, or is repeated: such steps are not shown."""
    if plan.steps[i].loop >= 0:
        return True
    while i >= 0:
        step = plan.steps[i]
        if step.branch == "fallback" and not state.attempts[i] and state.step_status[i] != "completed":
            return True
        i = step.parent
    return False


def shown(plan: Plan, state: RunView) -> list[PlanStep]:
    """The steps that are shown: in file order, and those of items and iterations under what repeats them."""
    steps = [s for s in plan.steps if not unused(plan, state, s.number)]
    if not plan.grows:
        return steps
    inside: dict[int, list[PlanStep]] = {}
    for step in steps:
        inside.setdefault(step.parent, []).append(step)
    ordered: list[PlanStep] = []
    waiting = inside.get(-1, [])[::-1]
    while waiting:
        ordered.append(step := waiting.pop())
        waiting += reversed(inside.get(step.number, []))
    return ordered


def short_id(run_id: str) -> str:
    """A run's id as people type it: its first eight characters."""
    return run_id[:8]


def rerun_text(rerun: Rerun) -> str:
    """`rerun of 3f2a9c01, from deploy`."""
    how = {
        "all": "",
        "from": f", from {rerun.step}",
        "failed": ", what failed",
        "only": f", only {rerun.step}",
    }
    return f"rerun of {short_id(rerun.of)}{how[rerun.mode]}"


def cause_text(cause: Cause) -> str:
    """`trigger nightly, event 018f-...`: what started a run."""
    kind, _, name = cause.by.partition(":")
    by = f"{kind} {name}" if name else "the API" if kind == "api" else kind
    return f"{by}, event {cause.event}" if cause.event else by


def took(state: RunView, i: int, now: int = 0) -> int:
    """Milliseconds from the step's first start to its end, or to `now`; 0 if it has not started."""
    start = state.started_at[i]
    end = state.ended_at[i] or now
    return max(end - start, 0) if start and end else 0


def run_took(state: RunView, now: int = 0) -> int:
    """Milliseconds from the run's start to its end, or to `now`."""
    end = state.ended or now
    return max(end - state.started, 0) if state.started and end else 0


def attempt_text(step: PlanStep, attempt: int) -> str:
    """`attempt 2 of 4`."""
    if attempt <= step.max_attempts:
        return f"attempt {attempt} of {step.max_attempts}"
    return f"attempt {attempt}"


def asked_in(plan: Plan, state: RunView, i: int) -> tuple[str, str]:
    """The run and the step that ask what step `i` waits for; those of a sub-workflow, if it is one of its.

    The step is empty if there is nothing to answer.
    """
    asked = state.approvals[i]
    return (asked.run, asked.step) if asked.run else (state.run_id, plan.steps[i].id)


def first_line(text: str) -> str:
    """The first line with anything on it."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def failure_text(error: Failure | None) -> str:
    """A failure in one line."""
    return (first_line(error.message) or error.type) if error else ""


def pause_text(pausing: RunPausing) -> str:
    """` by ann: the server is down`."""
    why = first_line(pausing.message)
    return (f" by {pausing.by}" if pausing.by else "") + (f": {why}" if why else "")


def seconds_text(ms: int) -> str:
    """What is left of a wait, in whole seconds that count down: `3s`, `1m05s`."""
    return duration_text(-(-max(ms, 0) // 1000) * 1000).replace(".0s", "s")


def names(plan: Plan, numbers: Sequence[int], most: int = 3) -> str:
    """`build, test and 4 more`."""
    shown = ", ".join(plan.steps[i].id for i in numbers[:most])
    rest = len(numbers) - most
    return f"{shown} and {rest} more" if rest > 0 else shown


def unmet(plan: Plan, state: RunView, i: int) -> list[int]:
    """The steps that step `i` still waits for."""
    return [d for d in dict.fromkeys(plan.before(i)) if state.step_status[d] not in ENDED]


def counts_text(counts: Mapping[str, int], order: Sequence[str]) -> str:
    """`3 completed, 2 pending`."""
    return ", ".join(f"{counts[s]:,} {s}" for s in order if counts.get(s))


class Asked(Protocol):
    """A question to a person, as far as its answer depends on it."""

    @property
    def approvers(self) -> Sequence[str]: ...
    @property
    def form(self) -> Mapping[str, Mapping[str, Any]]: ...


def approve_command(run: str, step: str, asked: Asked) -> str:
    """How to say yes on a command line, with the inputs that must be given, and whoever may say it."""
    needed = [f" --input {name}=..." for name, schema in asked.form.items() if "default" not in schema]
    who = f" --by {quote(asked.approvers[0])}" if len(asked.approvers) == 1 else " --by NAME"
    return f"mplp approve {run} {step}" + "".join(needed) + (who if asked.approvers else "")


def form_lines(form: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What each input of a form is, a line for each: `tag: string, default "latest" (Tag to describe)`."""
    return [f"{name}: {_input_text(schema)}" for name, schema in form.items()]


def _input_text(schema: Mapping[str, Any]) -> str:
    kinds = schema.get("type", "any value")
    said = " or ".join(kinds) if isinstance(kinds, list) else str(kinds)
    if isinstance(options := schema.get("enum"), list):
        said = f"one of {', '.join(short_json(option) for option in options[:20])}"
    said += f", default {short_json(schema['default'])}" if "default" in schema else ", required"
    about = schema.get("description")
    return f"{said} ({first_line(about)})" if isinstance(about, str) and about.strip() else said


def usage_object(usage: Usage) -> dict[str, Any]:
    """What was used, for machines: ms of processor time, and bytes; a peak of null is not known."""
    return {
        "cpuMs": usage.cpu_ms,
        "peakMemory": usage.peak_memory or None,
        "read": usage.read,
        "written": usage.written,
    }


def usage_text(usage: Usage) -> str:
    """`1.2s of cpu, at most 84MiB; read 3MiB, wrote 12KiB`."""
    said = f"{duration_text(usage.cpu_ms)} of cpu"
    if usage.peak_memory:
        said += f", at most {amount_text('memory', usage.peak_memory)}"
    moved = [("read", usage.read), ("wrote", usage.written)]
    disk = ", ".join(f"{verb} {amount_text('storage', amount)}" for verb, amount in moved if amount)
    return f"{said}; {disk}" if disk else said


def demand_text(demand: Demand) -> str:
    """`cpu 1, memory 256MiB`."""
    return ", ".join(f"{kind} {amount_text(kind, amount)}" for kind, amount in demand.amounts)


def short_json(value: Any, most: int = 60) -> str:
    """A value as JSON of that many characters at most."""
    text = json.encode(value).decode()
    return text if len(text) <= most else f"{text[: most - 3]}..."


def awaited_text(awaited: Awaited) -> str:
    """`an event git.tag.*`."""
    return f"an event {awaited.type}"
