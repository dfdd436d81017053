"""What waits for the next commit of a run."""

from __future__ import annotations

from collections.abc import Sequence

from mplp_cli.engine.announcing import announced, overheard
from mplp_cli.engine.claiming import claim, likely_next, patience
from mplp_cli.engine.entrance import Entrance
from mplp_cli.engine.world import World
from mplp_cli.protocols import Communication, ProtocolObject
from mplp_cli.workflow.estimates import profile_of
from mplp_cli.workflow.fold.history import Event, RunPaused, RunWaiting
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.fold.statuses import ENDED
from mplp_cli.workflow.published import Published


class Batch:
    """Facts that are folded and wait for their commit, with what is stored together with them."""

    def __init__(self, state: RunState, world: World, entrance: Entrance) -> None:
        self._state, self._world, self._entrance = state, world, entrance
        self.facts: list[Event] = []
        self.objects: list[ProtocolObject] = []
        self._said: list[Communication] = []
        #: Steps that are claimed in a commit and have not begun.
        self.claimed: set[int] = set()
        #: Seconds that the next commit may wait for more facts.
        self.linger = world.linger

    def record(self, fact: Event) -> None:
        """A fact that must stand in the same commit as its cause; it asks for nothing."""
        self.facts.append(fact)
        self._state.handle(fact)

    def commit(self) -> list[Event]:
        """Make everything durable; the facts, which are to be told now. Without facts, the rest waits for some."""
        world, facts = self._world, self.facts
        self._said += world.operations.said()
        if not facts:
            return []
        if claimed := likely_next(self._state, self.claimed):
            facts.append(claim(self._state, claimed, world.clock.now()))
        share, began = self._entrance.share(), world.clock.monotonic()
        shown = profile_of(self._state) if self._state.status in ENDED else None
        told = self._told(facts)
        world.journal.append(facts, self.objects, self._said, share, shown, told)
        took = world.clock.monotonic() - began
        world.committed(took, told)
        self.linger = patience(world.linger, took)
        self._entrance.kept(share)
        self.claimed.update(claimed)
        return self._taken()

    def park(self, parting: RunWaiting | RunPaused) -> list[Event] | None:
        """The same, and the run is left to nobody; None, and nothing is done, if a request has come in."""
        self._said += self._world.operations.said()
        facts = [*self.facts, parting]
        share, told = self._entrance.share(), self._told(facts)
        began = self._world.clock.monotonic()
        if not self._world.journal.park(facts, self.objects, self._said, share, told):
            return None
        self._world.committed(self._world.clock.monotonic() - began, told)
        self._state.handle(parting)
        self._taken()
        return facts

    def _told(self, facts: Sequence[Event]) -> Sequence[Published]:
        """What everybody is told of these facts, and of what the modules say."""
        state, listened = self._state, self._world.listened
        run, workflow = state.run_id, state.plan.workflow.id
        told = announced(run, workflow, state.started, facts, listened)
        return [*told, *overheard(run, workflow, self._said, listened)] if self._said else list(told)

    def _taken(self) -> list[Event]:
        facts = self.facts
        self.facts, self.objects, self._said = [], [], []
        return facts
