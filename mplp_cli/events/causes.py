"""What has led to an event: the run that published it, the event that started that run, and so on."""

from __future__ import annotations

import re
from typing import Protocol

from mplp_cli.protocols import Board, RunRecord
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.values import RunId

#: Runs that may lead to each other by triggers, one after the other.
LIMIT = 16
#: The attribute of an event that says how many runs have led to it, where no run of its own tells.
DEPTH = "mplpdepth"
_RUN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Keeps(Protocol):
    """What has runs and events."""

    board: Board

    def find_runs(self, name: str) -> list[RunRecord]: ...


def depth_of(store: Keeps, event: Published) -> int:
    """How many runs that events have started have led to this event; not counted beyond the limit."""
    depth, seen = 0, event
    while depth < LIMIT:
        if isinstance(said := seen.more.get(DEPTH), int):
            return depth + said
        cause = _cause(store, run_of(seen))
        if cause is None:
            return depth
        depth += 1
        found = store.board.find(cause)
        if not found:
            return depth
        seen = found[0][1]
    return depth


def run_of(event: Published) -> RunId:
    """The run that has published an event, or that it tells of; empty if it is not of a run."""
    if not event.source.startswith("mplp/"):
        return ""
    named = event.data.get("runId") if isinstance(event.data, dict) else None
    for part in (*event.source.split("/"), named):
        if isinstance(part, str) and _RUN.fullmatch(part):
            return part
    return ""


def _cause(store: Keeps, run: RunId) -> str | None:
    """The event that started a run, or the one that it is a sub-workflow of; None if no event did."""
    while run:
        record = next((one for one in store.find_runs(run) if one.id == run), None)
        if record is None:
            return None
        if record.parent is None:
            return record.cause.event or None if record.cause is not None else None
        run = record.parent.run
    return None
