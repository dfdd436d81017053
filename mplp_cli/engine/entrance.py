"""Where attempts wait until the run has the share of the pool that they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mplp_cli.engine.sharing import Sharing
from mplp_cli.workflow.fold.commands import Command, Start
from mplp_cli.workflow.fold.slots import needs_room, put_back
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.fold.statuses import QUEUED
from mplp_cli.workflow.resources import Share

#: Seconds between looks at what others hold, while a step waits for it.
_LOOK = 0.02


class Entrance:
    """The entrance of one run to the pool. `later` takes what may start at another time than in a turn."""

    def __init__(
        self, state: RunState, sharing: Sharing | None, later: Callable[[Sequence[Command]], None]
    ) -> None:
        self._state, self._sharing, self._later = state, sharing, later
        state.room = None if sharing is None else sharing.room
        if state.room is not None:
            state.room.patience = state.plan.patience
        #: Starts for which the share is to be enlarged.
        self.starts: list[Start] = []

    def holds_up(self, start: Start) -> bool:
        """Whether the attempt has to pass through here: then `admit` lets it begin."""
        if self._sharing is None or not needs_room(self._state.plan.steps[start.number]):
            return False
        self.starts.append(start)
        return True

    def admit(self) -> tuple[list[Start], list[Command]]:
        """The starts that have their room; and what else may start if others were faster and none of them has."""
        starts, self.starts = self.starts, []
        if self._sharing is None or self._sharing.grant():
            return [start for start in starts if self._state.step_status[start.number] is QUEUED], []
        for start in starts:
            put_back(self._state, start.number)
        return [], self._state.again()

    def look(self) -> None:
        """Start what has room by now, because others have left some or some of a rate has come back."""
        if (sharing := self._sharing) is None:
            return
        if sharing.look() and (commands := self._state.again()):
            self._later(commands)

    def pause(self, usual: float) -> float:
        """Seconds until the next look; looks now, if a step waits."""
        if self._sharing is None or not self._sharing.room.waits:
            return usual
        self.look()
        due = self._sharing.due()
        return min(usual, _LOOK if self._sharing.crowded else usual, usual if due is None else due)

    def share(self) -> Share | None:
        """The share to be stored with the next commit, and `kept` after it; None: it is as it was."""
        return None if self._sharing is None else self._sharing.lessened()

    def kept(self, share: Share | None) -> None:
        """The share is stored."""
        if self._sharing is not None:
            self._sharing.kept(share)
