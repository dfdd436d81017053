"""Where attempts wait until the run has the share of the pool that they need."""

from __future__ import annotations

from mplp_cli.engine.sharing import Sharing
from mplp_cli.workflow.fold.commands import Command, Start
from mplp_cli.workflow.fold.slots import needs_room, put_back
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.fold.statuses import QUEUED
from mplp_cli.workflow.resources import Share

#: How much more often than usual a run looks at what others hold, while a step waits.
_OFTEN = 5


class Entrance:
    """The entrance of one run to the pool."""

    def __init__(self, state: RunState, sharing: Sharing | None) -> None:
        self._state, self._sharing = state, sharing
        state.room = None if sharing is None else sharing.room
        if state.room is not None:
            state.room.patience = state.plan.patience
        if sharing is not None:
            state.shortage = sharing.shortage
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
        state = self._state
        starts, self.starts = self.starts, []
        if self._sharing is None or self._sharing.grant():
            return [start for start in starts if state.step_status[start.number] is QUEUED], []
        for start in starts:
            put_back(state, start.number)
        return [], state.again()

    def look(self, usual: float) -> tuple[list[Command], float]:
        """What has room by now, because others have left some or some of a rate has come back; and the seconds until
        the next look. A run in which nothing waits looks, too: others may wait for what it has, and go first."""
        sharing = self._sharing
        if sharing is None:
            return [], usual
        sharing.rests = self._state.pausing is not None
        commands = self._state.again() if sharing.look() else []
        if not sharing.room.waits:
            return commands, usual
        due = sharing.due()
        return commands, min(usual / _OFTEN if sharing.alert else usual, usual if due is None else due)

    def share(self) -> Share | None:
        """The share to be stored with the next commit, and `kept` after it; None: it is as it was."""
        if self._sharing is None:
            return None
        self._sharing.rests = self._state.pausing is not None
        return self._sharing.lessened()

    def kept(self, share: Share | None) -> None:
        """The share is stored."""
        if self._sharing is not None:
            self._sharing.kept(share)
