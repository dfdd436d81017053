"""Waiting for a place under the concurrency key, before anything of the run is begun or gone on with."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

from mplp_cli.engine.world import World
from mplp_cli.errors import MplpError
from mplp_cli.protocols import Standing, Turns
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.fold.statuses import PENDING
from mplp_cli.workflow.values import RunId

AskForTurn: TypeAlias = Callable[[], Awaitable[Standing]]


async def wait_for_turn(
    state: RunState, world: World, facts: deque[h.Event], hear: Callable[[], None]
) -> None:
    """Return when the run has its place, or is told to stop or to pause: `facts` then say so.

    `hear` takes the requests of other processes. A run that is told to stop or to pause needs no place.
    """
    if world.turn is None:
        return
    behind: list[str] | None = None
    hear()
    while not any(isinstance(fact, h.RunStopping | h.RunPausing) for fact in facts):
        standing = await world.turn()
        if behind is None:
            behind = [holding.run for holding in standing.holders if standing.position]
        if not standing.position:
            if state.status is PENDING:
                now = world.clock.now()
                waited = now - state.started if behind else 0
                facts.appendleft(h.RunAdmitted(now, max(waited, 0), behind))
            return
        await asyncio.sleep(world.poll)
        hear()


def asking(
    turns: Turns,
    run_id: RunId,
    turn: h.Turn,
    told: Callable[[Standing], None],
    end_lost: Callable[[RunId], None],
    end_parked: Callable[[RunId], Awaitable[None]],
) -> AskForTurn:
    """How a run asks for its place. `told` hears where it stands.

    `end_lost` ends what a run without a process has left running, `end_parked` drives a parked run that was
    asked to end to its end.
    """
    tried: set[RunId] = set()

    async def ask() -> Standing:
        standing = turns.take(run_id, turn)
        for lost in standing.freed:
            end_lost(lost)
        told(standing)
        for parked in standing.ending:
            if parked not in tried:
                tried.add(parked)
                with suppress(MplpError):  # somebody else does it, or it has to be ended by hand
                    await end_parked(parked)
        return standing

    return ask
