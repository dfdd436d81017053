"""The spans of a run as they are made: what is open, and what a span that is over has.

    run > step (> steps inside it) > attempt > call of an agent > tool

Ids follow from the run (`workflow.tracing`). A span is made once, by the fact that ends it (`observe.spanning`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct, field, json

from mplp_cli.errors import Failure
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.fold.statuses import CANCELLED, FAILED, SKIPPED
from mplp_cli.workflow.plan import PlanStep
from mplp_cli.workflow.resources import Usage
from mplp_cli.workflow.tracing import RunTrace, attempt_id, run_span, span_id
from mplp_cli.workflow.values import Json, StepId

#: What an attribute may be.
Value = str | int | float | bool | list[str]
Attributes = dict[str, Value]
#: What happened at that time (ms since the epoch).
Event = tuple[int, str, Attributes]
#: Kinds of spans, as OTLP counts them.
INTERNAL: Final = 1
CLIENT: Final = 3
#: Characters of a result that are exported.
_LARGEST: Final = 4_096
#: Steps whose attempts call a service.
_CALLERS: Final = frozenset({"http"})


class Span(Struct, frozen=True, kw_only=True):
    """One span that is over. Times are ms since the epoch; `error`: what went wrong, None if nothing did."""

    trace: str
    span: str
    parent: str
    name: str
    start: int
    end: int
    kind: int = INTERNAL
    attributes: Attributes = {}
    events: Sequence[Event] = ()
    #: (trace, span) of what else led to it.
    links: Sequence[tuple[str, str]] = ()
    error: str | None = None
    state: str = ""


class Step(Struct):
    """A step that has begun. `attempt` is the number of the one at work (`began` its time), 0 if none is; `since`: when
    the definition was made that it began with."""

    span: str
    parent: str
    start: int
    events: list[Event] = field(default_factory=list)
    attempt: int = 0
    began: int = 0
    since: int = 0
    calls: int = 0


class Spans:
    """What is open of one run, and the spans of it that are over. `mask` takes secrets out of attributes; `results`:
    whether what steps give is told; `repeats` is the span of the run that this one repeats."""

    def __init__(
        self,
        state: RunState,
        trace: RunTrace,
        *,
        mask: Callable[[Json], Json] = lambda value: value,
        results: bool = False,
        repeats: tuple[str, str] | None = None,
    ) -> None:
        self.state, self.trace, self.results, self.repeats = state, trace, results, repeats
        self._mask = mask
        self._tracestate = "" if trace.incoming is None else trace.incoming.state
        #: How often the run had ended before, and gone on; when it began, 0 if it does not go on.
        self.life = self.began = 0
        #: When its definition was last changed.
        self.since = 0
        self.run = run_span(trace.run)
        self.events: list[Event] = []
        self.steps: dict[StepId, Step] = {}
        #: Steps that may have ended by a fact that does not say so itself, and when.
        self.doubtful: dict[StepId, int] = {}
        self.made: list[Span] = []

    def step(self, step: StepId) -> PlanStep | None:
        """A step of the plan; None: it is there no longer."""
        number = self.state.plan.number.get(step)
        return None if number is None else self.state.plan.steps[number]

    def kind(self, step: StepId) -> str:
        """The type of a step."""
        known = self.step(step)
        return "" if known is None else known.kind

    def opened(self, step: StepId, at: int) -> Step:
        """A step that has begun, at that time if nothing was known of it."""
        found = self.steps.get(step)
        if found is None:
            span = span_id(self.trace.run, "step", step, self.life)
            found = self.steps[step] = Step(span, self._around(step), at, since=self.since)
        return found

    def _around(self, step: StepId) -> str:
        """The span of the innermost container of a step that has one."""
        steps, known = self.state.plan.steps, self.step(step)
        while known is not None and known.parent >= 0:
            known = steps[known.parent]
            if (found := self.steps.get(known.id)) is not None:
                return found.span
        return self.run

    def end(
        self,
        step: StepId,
        at: int,
        status: str,
        error: Failure | None = None,
        more: Attributes | None = None,
        usage: Usage | None = None,
    ) -> None:
        """The end of a step, and of its attempt at work. What never began has no span."""
        ended = self.steps.pop(step, None)
        if ended is None:
            return
        failed = error if status == FAILED else None
        self.end_attempt(step, ended, at, failed, usage, is_stopped=status in (CANCELLED, SKIPPED))
        known = self.step(step)
        told: Attributes = {"mplp.step.id": step, "mplp.step.status": status}
        if known is not None:
            told["mplp.step.type"] = known.kind
            if known.target is not None:
                told["mplp.step.operation"] = ".".join(known.target)
        self.make(
            ended.span, ended.parent, step, (ended.start, at), told | (more or {}), ended.events, failed
        )

    def end_attempt(
        self,
        step: StepId,
        of: Step,
        at: int,
        error: Failure | None,
        usage: Usage | None = None,
        *,
        is_stopped: bool = False,
    ) -> None:
        """The end of the attempt at work, if there is one."""
        number = of.attempt
        if not number:
            return
        told: Attributes = {"mplp.step.id": step, "mplp.attempt.number": number}
        if is_stopped:
            told["mplp.attempt.stopped"] = True
        if usage is not None:
            told |= {"mplp.attempt.cpu_ms": usage.cpu_ms, "mplp.attempt.peak_memory": usage.peak_memory}
        span = attempt_id(self.trace.run, step, number, of.since)
        kind = CLIENT if self.kind(step) in _CALLERS else INTERNAL
        self.make(span, of.span, f"{step} #{number}", (of.began, at), told, (), error, kind=kind)
        of.attempt = 0

    def make(  # noqa: PLR0913 - what a span has
        self,
        span: str,
        parent: str,
        name: str,
        times: tuple[int, int],
        told: Attributes,
        events: Sequence[Event] = (),
        error: Failure | None = None,
        *,
        kind: int = INTERNAL,
        links: Sequence[tuple[str, str]] = (),
    ) -> None:
        """A span that is over; `times`: its beginning and its end."""
        mask, (start, end) = self._mask, times
        told["mplp.run.id"] = self.trace.run
        if error is not None:
            told["error.type"] = error.type
            raised: Attributes = {"exception.type": error.type, "exception.message": error.message}
            events = [*events, (end, "exception", raised)]
        self.made.append(
            Span(
                trace=self.trace.trace,
                span=span,
                parent=parent,
                name=mask(name),
                start=start,
                end=max(start, end),
                kind=kind,
                attributes=mask(told),
                events=[(at, what, mask(said)) for at, what, said in events] if events else (),
                links=links,
                error=None if error is None else mask(error.message),
                state=self._tracestate,
            )
        )

    def written(self, value: Any) -> str:
        """A value as JSON. It is cut when it is masked: half a secret would not be found."""
        return str(self._mask(json.encode(value).decode()))[:_LARGEST]
