"""Adjustments: values of this machine that are others than the settings say, within bounds, taken back one by one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec import structs

from mplp_cli.protocols.scaling import Adjustment, Adjustments, Change
from mplp_cli.workflow.plan import Plan
from mplp_cli.workflow.resources import KINDS, Kind, Unit
from mplp_cli.workflow.stated import whole

if TYPE_CHECKING:
    from mplp_cli.workflow.agents import AgentDefinition

#: Attempts at once of a run whose workflow states none: the cores, at least so many.
MAX_PARALLEL: Final = "max-parallel"
FEWEST_SLOTS: Final = 4
#: Before the id of an agent: how many calls it takes at once. No scaler of a package is called so.
AGENT: Final = "agent:"
#: From here to there `max-parallel` may be adjusted.
FEWEST, MOST = 1, 256
#: A kind of the pool may be made as small as this part of what is configured.
SMALLEST_PART: Final = 8
#: And as large as so many times that, if it is not a part of the machine.
LARGEST: Final = 4


def bounds_of(resource: str, configured: int, machine: int | None = None) -> tuple[int, int]:
    """The least and the most that a resource may be adjusted to. `machine`: all that the machine has of it."""
    if resource == MAX_PARALLEL:
        return FEWEST, MOST
    if resource.startswith(AGENT):
        return FEWEST, configured * LARGEST
    most = configured * LARGEST if machine is None else max(configured, machine)
    return max(configured // SMALLEST_PART, 1), most


def is_counted(resource: str) -> bool:
    """Whether it comes in whole pieces, and is no kind of the pool."""
    return resource == MAX_PARALLEL or resource.startswith(AGENT)


def adjusted(adjustments: Adjustments, resource: str, configured: int) -> int:
    """How much there is of it: what it was adjusted to, else what is configured."""
    found = adjustments.in_force().get(resource)
    return configured if found is None else found.after


def slots(adjustments: Adjustments) -> int:
    """Attempts at once of a run whose workflow does not say."""
    return adjusted(adjustments, MAX_PARALLEL, max(FEWEST_SLOTS, os.cpu_count() or 1))


def slots_of(plan: Plan, adjustments: Adjustments) -> int:
    """Attempts at once that a run of this plan may have."""
    return plan.workflow.max_parallel or slots(adjustments)


def with_places(agent: AgentDefinition, adjustments: Adjustments) -> AgentDefinition:
    """The agent, taking as many calls at once as was adjusted. One that states no `max-concurrency` stays so."""
    stated = agent.limits.max_concurrency
    if stated is None or (most := adjusted(adjustments, AGENT + agent.id, stated)) == stated:
        return agent
    return structs.replace(agent, limits=structs.replace(agent.limits, max_concurrency=most))


def overlaid(kinds: Mapping[str, Kind], adjustments: Adjustments) -> Mapping[str, Kind]:
    """The kinds that the settings state, with what was adjusted: also kinds that they leave to the machine.

    Only what is one unit can be adjusted: a kind of several stays as it is stated.
    """
    found = dict(kinds)
    for name, one in adjustments.in_force().items():
        kind = found.get(name)
        if kind is not None and len(kind.units) == 1:
            found[name] = structs.replace(kind, units=(Unit(kind.units[0].id, one.after),))
        elif kind is None and name in KINDS:
            found[name] = whole(name, one.after)
    return found


def with_change(adjustments: Adjustments, at: int, by: str, made: tuple[Adjustment, ...]) -> Adjustments:
    """With what a command has adjusted; nothing changes without any."""
    if not made:
        return adjustments
    return Adjustments(changes=(*adjustments.changes, Change(at=at, by=by, adjustments=made)))


def without_last(adjustments: Adjustments, by: str) -> tuple[Adjustments, Change | None]:
    """Without the last thing that this command has adjusted, and what that was; what others have stays."""
    for n in range(len(adjustments.changes) - 1, -1, -1):
        if adjustments.changes[n].by == by:
            rest = (*adjustments.changes[:n], *adjustments.changes[n + 1 :])
            return Adjustments(changes=rest), adjustments.changes[n]
    return adjustments, None
