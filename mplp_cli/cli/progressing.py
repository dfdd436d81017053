"""How far runs are that other processes drive, read off their histories from time to time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mplp_cli.cli.following import Followed
from mplp_cli.errors import MplpError
from mplp_cli.observe.seen import Doing
from mplp_cli.render.tracker import Tracker
from mplp_cli.render.view import approve_command, awaited_text, failure_text, pause_text, short_id

if TYPE_CHECKING:
    from mplp_cli.protocols import RunRecord, Store
    from mplp_cli.runtime import Runtime


class Progressing:
    """Call it with the runs that are shown; it reads what is new of each, and forgets the others."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._followed: dict[str, tuple[Followed, Tracker]] = {}
        #: Runs that are over, or cannot be read.
        self._over: dict[str, Doing] = {}

    def __call__(self, runs: Sequence[RunRecord]) -> Mapping[str, Doing]:
        """How far each is; nothing of one that cannot be read."""
        now = {run.id for run in runs}
        self._followed = {run: kept for run, kept in self._followed.items() if run in now}
        self._over = {run: kept for run, kept in self._over.items() if run in now}
        return {run.id: self._doing(run) for run in runs}

    def _doing(self, run: RunRecord) -> Doing:
        if run.id in self._over and run.status == "failed":
            return self._over[run.id]
        try:
            doing = self._look(run)
        except MplpError:  # planned by another version, or just being deleted: it is listed without its steps
            self._followed.pop(run.id, None)
            return Doing()
        if run.status == "failed":
            self._over[run.id] = doing
            del self._followed[run.id]
        return doing

    def _look(self, run: RunRecord) -> Doing:
        if run.id not in self._followed:
            followed = Followed(self._runtime, run)
            followed.look()
            self._followed[run.id] = followed, Tracker(followed.plan, followed.state)
        followed, tracker = self._followed[run.id]
        tracker(followed.look())
        # What no fact tells: a step that queues.
        tracker.look(len(followed.plan.steps))
        return _doing(followed, tracker)


def _doing(followed: Followed, tracker: Tracker) -> Doing:
    state, steps = followed.state, followed.plan.steps
    leaves = [i for i in tracker.active if not steps[i].children]
    waits = [state.awaited[i] for i in leaves if i in state.awaited]
    said = ""
    if state.error is not None:
        said = failure_text(state.error)
    elif state.pausing is not None:
        said = f"paused{pause_text(state.pausing)}"
    elif waits and len(waits) == len(leaves):
        said = f"waits for {awaited_text(waits[0])}"
    return Doing(
        ended=tracker.ended,
        total=tracker.total,
        working=tuple(steps[i].id for i in leaves if state.step_status[i] != "waiting"),
        queued=tracker.leaves["queued"],
        said=said,
    )


def asked(store: Store) -> dict[str, str]:
    """The command that answers the question of a run, or of a sub-workflow of it, by the id of the run."""
    found: dict[str, str] = {}
    for one in store.approvals(state="pending"):
        run = one.run
        while (records := store.find_runs(run)) and (parent := records[0].parent) is not None:
            run = parent.run
        found.setdefault(run, approve_command(short_id(one.run), one.step, one))
    return found
