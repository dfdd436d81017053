"""What a run hears from outside: requests and answers of other processes, and published events."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from mplp_cli.engine.people import Verb
from mplp_cli.errors import Failure, RunStateError
from mplp_cli.workflow.answers import Given
from mplp_cli.workflow.history import Event

if TYPE_CHECKING:
    from mplp_cli.engine.drive import Drive


def hear(drive: Drive, posted: Iterable[Event]) -> None:
    """Take the requests of other processes, and the events that steps wait for.

    `posted` are the facts that wait to be folded.
    """
    for control in drive.world.journal.controls():
        if control.verb == "cancel":
            drive.cancel(control.by, control.reason)
        else:
            verb: Verb = "approve" if control.verb == "approve" else "reject"
            with suppress(RunStateError):  # the question is gone, or has its answer
                drive.decide(control.step, verb, control.by, control.reason, Given(**control.data))
    if drive.state.awaited:
        _take_events(drive, {getattr(fact, "step", "") for fact in posted})


def _take_events(drive: Drive, busy: set[str]) -> None:
    """Post the end of each wait for an event that has come; not of steps in `busy`: their time has just run out."""
    state = drive.state
    for i, found in drive.arrivals.look(drive.world.clock.now()):
        step = state.plan.steps[i]
        if step.id in busy:
            continue
        if isinstance(found, Failure):
            drive.fail(step, state.attempts[i], found)
        else:
            drive.post(found)
