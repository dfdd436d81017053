"""What other processes ask of a run: heard by the process that drives it, and done to a run that nobody drives."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from mplp_cli.errors import Failure, RunStateError
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.answers import Given
from mplp_cli.workflow.fold.commands import Tell
from mplp_cli.workflow.fold.composites import consequence
from mplp_cli.workflow.fold.pausing import is_called_off
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.fold.statuses import ENDED, PAUSED
from mplp_cli.workflow.revision.telling import replay

if TYPE_CHECKING:
    from mplp_cli.engine.drive import Drive
    from mplp_cli.protocols import Journal
    from mplp_cli.workflow.plan import Plan


def hear(drive: Drive, posted: Iterable[h.Event]) -> None:
    """Take the requests of other processes, and the events that steps wait for.

    `posted` are the facts that wait to be folded. An answer that is heard together with the end of the run comes
    too late for its step: the question is withdrawn.
    """
    controls = drive.world.journal.controls()
    is_over = any(control.verb in ("cancel", "kill") for control in controls)
    is_over = is_over or any(isinstance(fact, h.RunStopping) for fact in posted)
    for control in controls:
        match control.verb:
            case "cancel":
                drive.cancel(control.by, control.reason)
            case "kill":
                drive.kill(control.by, control.reason)
            case "pause":
                pause(drive, control.by, control.reason)
            case "resume":
                go_on(drive, control.by)
            case "approve" | "reject" as verb if not is_over:
                with suppress(RunStateError):  # the question is gone, or has its answer
                    drive.decide(control.step, verb, control.by, control.reason, Given(**control.data))
    for step in drive.world.subruns.woken() if drive.world.subruns is not None else ():
        drive.post(h.StepWoken(drive.world.clock.now(), step))
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


def pause(drive: Drive, by: str, message: str = "") -> None:
    """Pause the run: what runs finishes, nothing new starts, then the run is `paused` and its process may leave."""
    drive.post(h.RunPausing(drive.world.clock.now(), by, message))
    if drive.world.subruns is not None:
        drive.world.subruns.each(lambda child: pause(child, by, message))


def go_on(drive: Drive, by: str) -> None:
    """Take back a pause, if the run has not come to its rest yet."""
    drive.post(h.RunContinued(drive.world.clock.now(), by))
    if drive.world.subruns is not None:
        drive.world.subruns.each(lambda child: go_on(child, by))
        for step in drive.world.subruns.resting():
            drive.post(h.StepWoken(drive.world.clock.now(), step))


def begin_again(resumed: h.RunResumed, posted: deque[h.Event]) -> list[h.Event]:
    """What a run that is taken up begins with: a stop that was asked for comes before anything can start."""
    stops: list[h.Event] = [fact for fact in posted if isinstance(fact, h.RunStopping)]
    for stop in stops:
        posted.remove(stop)
    return [resumed, *stops]


def pause_stored(journal: Journal, plan: Plan, by: str, message: str, now: int) -> str:
    """Pause a run that nobody drives, unless it has ended or is paused; the status it has then."""
    state = replay(RunState(plan), journal.read())
    if state.status not in ENDED and state.status != PAUSED:
        journal.append(put_to_rest(state, by, message, now))
    return state.status


def put_to_rest(state: RunState, by: str, message: str, now: int) -> list[h.Event]:
    """Pause a run that nobody drives: the facts to be stored. RunStateError if there is nothing to pause."""
    if state.status in ENDED or state.status == PAUSED:
        raise RunStateError(f"the run is {state.status} already", details={"status": state.status})
    if is_called_off(state):
        raise RunStateError(
            "the run has been cancelled, and its end is not reached",
            hint=f"`mplp cancel {state.run_id}` takes it there",
        )
    causes: list[h.Event] = [h.RunPaused(now)]
    if state.pausing is None:
        causes.insert(0, h.RunPausing(now, by, message))
    facts: list[h.Event] = []
    for fact in causes:
        facts.append(fact)
        commands = state.handle(fact)
        facts += [consequence(state, command.number) for command in commands if isinstance(command, Tell)]
    return facts
