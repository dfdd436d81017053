"""Steps that do no work of their own: they wait for a time, an event or a person, or tell everybody something."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from mplp_cli.engine.keeping import kept
from mplp_cli.engine.people import own_question
from mplp_cli.engine.world import World
from mplp_cli.errors import Failure, StepError, UnresolvedReferenceError
from mplp_cli.protocols import ProtocolObject
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.scope import RunScope
from mplp_cli.workflow.fold.statuses import WAITING
from mplp_cli.workflow.language.references import Missing, follow
from mplp_cli.workflow.language.templates import Formula, Look, fill, holds, operands
from mplp_cli.workflow.plan import PlanStep
from mplp_cli.workflow.published import Published, as_value, check_type, check_wanted, emitted_id, matches
from mplp_cli.workflow.values import Json, duration_ms, moment_ms

#: The types of those steps.
WAITS = frozenset({"wait", "emit", "approval"})


def begun(
    step: PlanStep, attempt: int, scope: RunScope, world: World
) -> tuple[h.StepWaiting | h.StepEmitted, list[ProtocolObject]]:
    """What an attempt begins with, and the objects to be stored with it. StepError if it cannot begin."""
    body, now = fill(step.body, scope), world.clock.now()
    limit = now + step.timeout if step.timeout else 0
    try:
        if step.kind == "approval":
            return own_question(step, attempt, body, limit, scope, world)
        if step.kind == "emit":
            return h.StepEmitted(now, step.id, attempt, _published(step, attempt, body, scope, world)), []
        if "type" in body:
            own = len(scope.state.emitted)
            wanted = h.Awaited(check_wanted(body["type"]), world.board.last(), own)
            return h.StepWaiting(now, step.id, attempt, limit, event=wanted), []
        end = max(_end(body, now), now)
        return h.StepWaiting(now, step.id, attempt, min(end, limit) if limit else end), []
    except ValueError as error:
        raise StepError(str(error)) from None


def _published(
    step: PlanStep, attempt: int, body: dict[str, Json], scope: RunScope, world: World
) -> Published:
    run, workflow = scope.state.run_id, scope.state.plan.workflow.id
    trace = None if world.trace is None else world.trace.attempt(step.id, attempt)
    return Published(
        id=emitted_id(run, step.id, attempt),
        type=check_type(body["type"]),
        source=f"mplp/{workflow}/{run}/{step.id}",
        at=world.clock.now(),
        data=kept(step, body["data"], world),
        more={} if trace is None else trace.headers(),
    )


def _end(body: dict[str, Json], now: int) -> int:
    """When a wait for a time ends (ms since the epoch). ValueError if its value says no time."""
    if "until" in body:
        if not isinstance(body["until"], str):
            raise ValueError(f"{body['until']!r} is not a time; write 2030-01-31T09:00:00Z")
        return moment_ms(body["until"])
    value = body["for"]
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{value!r} is not a duration")
    return now + duration_ms(value)


def is_cut_short(step: PlanStep, scope: RunScope, due: int) -> bool:
    """Whether a wait for a time that was due at `due` is over by its timeout, and not by its end."""
    body = fill(step.body, scope)
    if not step.timeout:
        return False
    return _end(body, 0) > (due if "until" in body else step.timeout)


# ---- events ------------------------------------------------------------------------------------


class EventScope:
    """The references of a step, and `event`."""

    def __init__(self, scope: RunScope, event: Published) -> None:
        self._scope = scope
        self._event = as_value(event)
        self.results = scope.results

    def look(self, look: Look) -> Json:
        """The value of a reference that is not a step's result."""
        if look.reference.scope == "event":
            return follow(self._event, look.reference.path, "event")
        return self._scope.look(look)

    def why_missing(self, number: int) -> str:
        """Why that step has no result, for people."""
        return self._scope.why_missing(number)


class Arrivals:
    """Finds, for each step that waits for an event, the first one that is taken."""

    def __init__(self, scope: RunScope, world: World) -> None:
        self._scope = scope
        self._world = world
        #: (step, attempt) -> number of the last event that was looked at; infinite when one was taken.
        self._read: dict[tuple[int, int], float] = {}

    def look(self, now: int) -> Iterator[tuple[int, h.StepCompleted | Failure]]:
        """Look at what was published since the last look. A failure says why an event cannot be judged."""
        state = self._scope.state
        while True:
            place = {
                i: max(wanted.after, self._read.get((i, state.attempts[i]), 0))
                for i, wanted in state.awaited.items()
                if state.step_status[i] is WAITING and i not in state.approvals
            }
            last = min(place.values(), default=math.inf)
            events = [] if last == math.inf else self._world.board.following(int(last))
            if not events:
                return
            for i, after in place.items():
                found = self._first(i, [(seq, event) for seq, event in events if seq > after], now)
                self._read[i, state.attempts[i]] = max(after, events[-1][0]) if found is None else math.inf
                if found is not None:
                    yield i, found

    def _first(
        self, i: int, events: list[tuple[int, Published]], now: int
    ) -> h.StepCompleted | Failure | None:
        state = self._scope.state
        step, wanted = state.plan.steps[i], state.awaited[i]
        for _, event in events:
            if not matches(wanted.type, event.type) or state.emitted.get(event.id, wanted.own) < wanted.own:
                continue
            try:
                if not is_taken(step.condition, EventScope(self._scope.at(step), event)):
                    continue
            except StepError as error:
                said = f"the event {event.id} could not be judged: {error.message}"
                return Failure(type=error.type_name, message=said, retryable=False)
            result = {"by": "event", "waited": now - state.started_at[i], "event": as_value(event)}
            try:
                return h.StepCompleted(now, step.id, state.attempts[i], kept(step, result, self._world))
            except StepError as error:
                return error.failure()
        return None


def is_taken(where: Any, scope: EventScope) -> bool:
    """Whether an event fits the condition. One that lacks a field that is asked for does not fit."""
    if not isinstance(where, Formula):
        return where is not False
    try:
        return holds(where, scope)
    except UnresolvedReferenceError:
        for name, value in zip(where.names, operands(where, scope), strict=True):
            of_event = isinstance(name, Look) and name.reference.scope == "event"
            if isinstance(value, Missing) and not of_event:
                raise
        return False
