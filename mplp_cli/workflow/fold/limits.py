"""When time limits begin to count that outlive a process: of the run, and of containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mplp_cli.workflow.fold.commands import WHOLE_RUN, Arm
from mplp_cli.workflow.fold.statuses import RUNNING
from mplp_cli.workflow.plan import CONTAINERS

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.state import RunState


def limit_run(state: RunState) -> None:
    """The run's own timeout begins to count, or goes on counting in another process."""
    if state.plan.timeout:
        state.ask(Arm(WHOLE_RUN, state.limited_from + state.plan.timeout))


def limit_container(state: RunState, i: int, at: int) -> None:
    """The timeout of container `i` begins to count."""
    if timeout := state.plan.steps[i].timeout:
        state.due[i] = at + timeout
        state.ask(Arm(i, at + timeout))


def prolong(state: RunState, rested: int) -> None:
    """A pause of `rested` ms does not count for the containers that are open."""
    for i in state.due:
        if state.plan.steps[i].kind in CONTAINERS and state.step_status[i] is RUNNING:
            state.due[i] += rested
