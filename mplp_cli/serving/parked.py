"""Runs that only a person can take on: nobody drives them, and they go on when something is new for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mplp_cli.protocols import RunRecord, Store
from mplp_cli.running import recorded
from mplp_cli.workflow.values import RunId

if TYPE_CHECKING:
    from mplp_cli.runtime import Runtime

#: Runs that one look looks at.
_LOOKS = 100
ENDED = ("completed", "failed", "cancelled")


@dataclass(frozen=True, kw_only=True)
class Parked:
    """A run that waits for a person. `family`: it and its sub-workflows. `due`: its deadline (ms), 0 if none."""

    workflow: str
    family: tuple[RunId, ...]
    due: int = 0


class Lot:
    """Those of a server."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.runs: dict[RunId, Parked] = {}
        self._looked_at = 0

    def park(self, run_id: RunId, workflow: str) -> None:
        """Watch a run that nobody drives. MplpError if what it is stored as cannot be read: its deadline, and its
        sub-workflows, are not watched then."""
        self.runs[run_id] = Parked(workflow=workflow, family=(run_id,))
        store, family = self._runtime.store, [run_id]
        for one in family:
            family += [child.id for child in store.runs(child_of=one) if child.status not in ENDED]
        due = [at for one in family for at in recorded(self._runtime, one).due.values()]
        self.runs[run_id] = Parked(workflow=workflow, family=tuple(family), due=min(due, default=0))

    def woken(self) -> Iterator[RunId]:
        """Those that something is new for: a hundred are looked at, the next hundred at the next look."""
        names = list(self.runs)
        if self._looked_at >= len(names):
            self._looked_at = 0
        now, store = self._runtime.clock.now(), self._runtime.store
        for run_id in names[self._looked_at : self._looked_at + _LOOKS]:
            one, record = self.runs[run_id], known(store, run_id)
            if record is None or record.status in ENDED:
                del self.runs[run_id]
            elif not record.owned and record.status == "waiting":
                asked = any(found.last_request for name in one.family if (found := known(store, name)))
                if asked or 0 < one.due <= now:
                    yield run_id
            elif not record.owned and record.status == "paused" and record.last_request:
                yield run_id
        self._looked_at += _LOOKS


def known(store: Store, run_id: RunId) -> RunRecord | None:
    """The run of that id, if there is one."""
    return next((one for one in store.find_runs(run_id) if one.id == run_id), None)
