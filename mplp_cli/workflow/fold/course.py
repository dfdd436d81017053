"""The fold of facts about the run as a whole: its beginning, its stops and its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.commands import Tell
from mplp_cli.workflow.fold.ends import spread
from mplp_cli.workflow.fold.limits import limit_run
from mplp_cli.workflow.fold.pausing import is_called_off, lift
from mplp_cli.workflow.fold.resume import take_up
from mplp_cli.workflow.fold.statuses import CANCELLED, COMPLETED, ENDED, FAILED, PENDING, RUNNING, WAITING

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.state import RunState


def run_started(state: RunState, fact: h.RunStarted) -> None:
    state.run_id, state.inputs, state.env, state.cwd = fact.run, fact.inputs, fact.env, fact.cwd
    state.started = fact.at
    state.slots = state.all_slots = fact.slots
    state.turn, state.rerun, state.priority, state.trace = fact.turn, fact.rerun, fact.priority, fact.trace
    if fact.turn is None:
        _begin(state, fact.at)


def run_admitted(state: RunState, fact: h.RunAdmitted) -> None:
    state.started = fact.at
    _begin(state, fact.at)
    if state.rerun is not None and state.rerun.mode != "all":
        take_up(state, fact.at)


def _begin(state: RunState, at: int) -> None:
    state.status = RUNNING
    state.limited_from = at
    limit_run(state)
    if state.rerun is not None and state.rerun.mode != "all":
        return  # what it keeps follows; then a process takes it up
    for i in state.plan.top:
        if not state.unmet[i]:
            state.make_ready(i)


def run_resumed(state: RunState, fact: h.RunResumed) -> None:
    if state.status is not PENDING:  # else it still waits for its turn
        take_up(state, fact.at, fact.retry)


def run_stopping(state: RunState, fact: h.RunStopping) -> None:
    if fact.cause == "kill" or state.status is PENDING:
        state.killed, state.status = True, RUNNING  # of a run that never began nothing is to be cleaned up
    elif state.finalizing is not None and fact.cause == "cancel":
        _withdraw(state, fact)
        return
    elif state.finalizing is not None or state.stopping is not None:
        return  # the first cause stands
    state.stopping = state.stopping or fact
    for step in state.plan.steps:
        if step.loop < 0 and (why := state.doomed(step.number)):
            state.drop(step.number, CANCELLED, why, fact.at)
    state.ready.clear()
    state.parked.clear()
    if state.room is not None:
        state.room.empty()
    state.halting = False
    if is_called_off(state):
        lift(state)


def _withdraw(state: RunState, fact: h.RunStopping) -> None:
    """A cancel does not stop `finally`; but what one of its steps asks a person will not be answered."""
    if state.approvals:
        state.stopping = state.stopping or fact
        lift(state)
    for i in sorted(state.approvals):
        state.ending(state.plan.steps[i].id)
        state.reasons[i] = fact.message or "the run was cancelled"
        state.dropped = True
        state.close(i, CANCELLED, fact.at)
        state.ask(Tell(i))


def run_waiting(state: RunState, fact: h.RunWaiting) -> None:
    state.status = WAITING
    state.waits_since = fact.at


def run_finalizing(state: RunState, fact: h.RunFinalizing) -> None:
    state.finalizing = fact
    state.outputs, state.error = fact.outputs, fact.error
    final = [s.number for s in state.plan.steps if s.final and s.loop < 0]
    ended = [i for i in final if state.step_status[i] in ENDED]  # those that a rerun keeps
    state.left = len(final) - len(ended)
    for i in state.plan.final:
        state.met(i)
    for i in ended:
        if state.plan.steps[i].parent < 0:
            spread(state, i)


def _run_ended(state: RunState, status: str, at: int, outputs: Any, warnings: list[str]) -> None:
    state.status, state.ended, state.outputs, state.warnings = status, at, outputs, warnings
    state.pausing = None


def run_completed(state: RunState, fact: h.RunCompleted) -> None:
    _run_ended(state, COMPLETED, fact.at, fact.outputs, fact.warnings)


def run_failed(state: RunState, fact: h.RunFailed) -> None:
    _run_ended(state, FAILED, fact.at, fact.outputs, fact.warnings)
    state.error = fact.error


def run_cancelled(state: RunState, fact: h.RunCancelled) -> None:
    _run_ended(state, CANCELLED, fact.at, fact.outputs, [])
