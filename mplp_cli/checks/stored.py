"""The checks of the store itself, and of the runs in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from mplp_cli.checks.scene import STILL, Scene, counted, process_status
from mplp_cli.observe.health import Finding, Wrong, found
from mplp_cli.protocols import RunRecord, Standing
from mplp_cli.store.probing import Probed, probe
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.fold.history import RunStarted
from mplp_cli.workflow.values import RunId

#: Bytes of the log that may wait for the store proper; it is merged every 4 MB unless somebody reads on and on.
MOST_WAITING: Final = 64 * 1024 * 1024
#: Milliseconds for which a run is left alone that was stored and that nobody drives yet.
YOUNG: Final = 10_000
#: Runs of one status that are looked at.
_MOST: Final = 1_000
#: Runs at work whose slots are added up.
_SLOTTED: Final = 50


def check_store(scene: Scene, *, whole: bool = True) -> Finding:
    """The store takes a commit, its log does not grow, and (`whole`) its pages are sound."""
    with scene.database() as database:
        if database is None:
            return Finding(healthy=True, details={"state": "none yet"})
        return judge_store(probe(database, scene.clock, scene.deadline / 2, whole=whole))


def judge_store(probed: Probed) -> Finding:
    """What a look at the store means."""
    wrong = []
    if probed.busy is not None:
        who = f"process {probed.busy}" if probed.busy else "another process"
        let = f"`kill -CONT {probed.busy}`" if probed.busy else "`kill -CONT PID`"
        wrong.append(
            Wrong(
                f"{who} writes all the time, and nobody else can",
                f"{let} lets it go on if it is stopped; or end it",
            )
        )
    if probed.waiting > MOST_WAITING:
        path = probed.details.get("path", "state.db")
        wrong.append(
            Wrong(
                f"{probed.waiting >> 20:,} MiB of the log wait for a process that reads on and on",
                f"`fuser -v {path}` names the processes; end the one that reads",
            )
        )
    return found(wrong, probed.details)


def check_engine(scene: Scene) -> Finding:
    """Nobody has left a run behind, and who drives one works."""
    with scene.store() as store:
        if store is None:
            return Finding(healthy=True, details={"state": "no runs yet"})
        active = [
            run
            for status in ("running", "pending")
            for run in store.runs(status=status, limit=_MOST, children=False)
        ]
        parked = {status: len(store.runs(status=status, limit=_MOST)) for status in ("waiting", "paused")}
        standings = store.turns.standings()
        wrong = [*_left(active, scene.clock.now()), *_still(active, process_status), *_blocked(standings)]
        owned = [run for run in active if run.owned]
        queued = sum(one.position > 0 for one in standings.values())
        details = {
            "running": len(owned),
            "interrupted": len(active) - len(owned),
            **parked,
            "queued": queued,
            "slots": _slots(store, owned),
        }
    return found(wrong, details)


def _left(runs: Sequence[RunRecord], now: int) -> Iterator[Wrong]:
    """Runs that should go on, and that nobody drives."""
    left = [run for run in runs if not run.owned and run.created_at <= now - YOUNG]
    if len(left) == 1:
        said = f"run {left[0].id[:8]} of {left[0].workflow_id} was interrupted"
        yield Wrong(
            said, f"`mplp resume {left[0].id[:8]}` goes on with it, `mplp cancel {left[0].id[:8]}` ends it"
        )
    elif left:
        first = f"such as {left[0].id[:8]} of {left[0].workflow_id}"
        yield Wrong(
            f"{len(left):,} runs were interrupted, {first}",
            "`mplp runs --status interrupted` lists them, `mplp resume RUN` goes on with one",
        )


def _still(runs: Sequence[RunRecord], look: Callable[[int], str]) -> Iterator[Wrong]:
    """Runs whose process has been stopped."""
    by_process: dict[int, list[RunRecord]] = {}
    for run in runs:
        pid, _, host = run.owner.partition("@")
        if run.owned and pid.isdecimal() and host == os.uname().nodename:
            by_process.setdefault(int(pid), []).append(run)
    for process, driven in by_process.items():
        if (status := look(process)) in STILL:
            short = driven[0].id[:8]
            more = f" and {len(driven) - 1} more" if len(driven) > 1 else ""
            yield Wrong(
                f"run {short} of {driven[0].workflow_id}{more} stands still: process {process} is {status}",
                f"`kill -CONT {process}` lets it go on, `mplp resume {short} --take-over` goes on without it",
            )


def _blocked(standings: Mapping[RunId, Standing]) -> Iterator[Wrong]:
    """Runs that wait for their turn behind one that is paused."""
    behind: dict[RunId, int] = {}
    for one in standings.values():
        if one.position and one.holders and all(holder.status == "paused" for holder in one.holders):
            behind[one.holders[0].run] = behind.get(one.holders[0].run, 0) + 1
    for held, number in behind.items():
        waits = f"{counted(number, 'run')} wait{'s' if number == 1 else ''} for the turn of run {held[:8]}"
        hint = f"`mplp resume {held[:8]}` goes on with it, `mplp cancel {held[:8]}` ends it"
        yield Wrong(f"{waits}, which is paused", hint)


def _slots(store: SqliteStore, runs: Collection[RunRecord]) -> int:
    """How many steps these runs may do at once, together."""
    firsts = (next(iter(store.history(run.id)), None) for run in islice(runs, _SLOTTED))
    return sum(first[1].slots for first in firsts if first is not None and isinstance(first[1], RunStarted))
