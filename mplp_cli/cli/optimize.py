"""`mplp optimize`."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.protocols.scaling import Adjustment
    from mplp_cli.resources.advice import Found, Moved, Safe
    from mplp_cli.resources.measuring import Measured
    from mplp_cli.runtime import Runtime
    from mplp_cli.store.database import Database

#: What adjusts by it is taken back by it.
BY = "mplp optimize"
_LIKE = (
    'metrics are {"cpu": {"utilization": 0.81}, "memory": {"utilization": 0.5}, "network": {"latency": 20}}'
)


class Language(StrEnum):
    """What `--lang` takes."""

    en = "en"
    zh = "zh"


DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")]


def main(
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", metavar="FILE", help="Metrics, instead of measuring.", show_default=False),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take back what was adjusted last.")] = False,
    dry_run: DryRun = False,
    lang: Annotated[Language, typer.Option("--lang", help="How bottlenecks are told.")] = Language.en,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Find bottlenecks, do what is safe, and say what else helps.

    Measured for half a second: the cores, the memory, the disk, and how long it takes to reach `probes` of
    mplp.yaml (without any: a listener of our own). More than 0.8 of the cores, 0.9 of the memory or 100 ms are
    a bottleneck. Done is what loses nothing and makes no workflow fail: what dead runs hold is freed, the log of
    the store is written back, and runs to come get fewer slots on a crowded machine, which --undo takes back.

    FILE: {"cpu": {"utilization": 0.81}, "memory": {"utilization": 0.5}, "network": {"latency": 20}}

    Exit codes: 0 done, 1 there is nothing to take back, 2 FILE cannot be read.

    Examples:

      mplp optimize --dry-run

      mplp optimize --metrics metrics.json --output json
    """
    from mplp_cli.cli.capacity import undo_last
    from mplp_cli.cli.showing import show
    from mplp_cli.errors import UsageError
    from mplp_cli.render.advised import advised_document, advised_screen
    from mplp_cli.render.machine import write_document
    from mplp_cli.resources.advice import safe_ones
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.bottlenecks import bottlenecks_of

    if undo and (dry_run or metrics is not None):
        raise UsageError("--undo takes back, and nothing else", hint="leave --metrics and --dry-run out")
    with Runtime(state_dir=state_dir) as runtime:
        if undo:
            undo_last(runtime, BY, output)
            return
        measured = _metrics(runtime, metrics)
        bottlenecks = bottlenecks_of(measured.metrics, lang.value)
        with _database(runtime) as opened:
            database = None if opened is None else opened[1]
            safe = safe_ones(bottlenecks, _found(runtime, database))
            moved = [] if dry_run else _apply(runtime, database, safe)
    told = (measured, bottlenecks, safe, moved)
    if output is TextOrJson.json:
        write_document(advised_document(*told, dry_run=dry_run))
    else:
        show(lambda theme, width: advised_screen(*told, theme, width, dry_run=dry_run), no_color=no_color)


def _metrics(runtime: Runtime, file: str | None) -> Measured:
    """What the machine does, or what a file says of one."""
    from mplp_cli.resources.measuring import Measured, measure

    if file is None:
        place = runtime.existing_state_dir() or runtime.cwd
        return measure(place, runtime.settings.probes, runtime.clock)
    from mplp_cli.loading.documents import read_as
    from mplp_cli.sources import read_source
    from mplp_cli.workflow.bottlenecks import Metrics, misfits

    source = read_source(file, sys.stdin.buffer)
    return Measured(metrics=read_as(source.text, source.name, Metrics, misfits, like=_LIKE))


def _database(runtime: Runtime) -> AbstractContextManager[Any]:
    from mplp_cli.cli.keeping import opened

    return opened(runtime)


def _found(runtime: Runtime, database: Database | None) -> Found:
    """What is to be tidied up, and how many slots and cores there are."""
    from mplp_cli.resources.adjustments import slots
    from mplp_cli.resources.advice import Found
    from mplp_cli.resources.machine import detect
    from mplp_cli.runtime import adjustments_of
    from mplp_cli.store.upkeep import dead_shares, log_size, lost_places

    cores, now = max((detect("cpu", runtime.cwd) or 0) // 1_000, 1), slots(adjustments_of(runtime))
    if database is None:
        return Found(cores=cores, slots=now)
    return Found(
        cores=cores,
        slots=now,
        log=log_size(database),
        dead_shares=len(dead_shares(database, runtime.clock.now())),
        lost_places=lost_places(database),
    )


def _apply(runtime: Runtime, database: Database | None, safe: list[Safe]) -> list[Moved]:
    """Do it all; what could be measured before and after."""
    from mplp_cli.resources.advice import Moved
    from mplp_cli.store.upkeep import dead_shares, free_places, log_size, lost_places, write_back

    moved = []
    for one in safe:
        match one.action:
            case "adjust":
                assert one.adjustment is not None
                _adjust(runtime, one.adjustment)
            case "write-back":
                assert database is not None
                before, after = log_size(database), write_back(database)
                moved.append(Moved(metric="storage.log", unit="bytes", before=before, after=after))
            case "free-places":
                assert database is not None
                before, _, after = lost_places(database), free_places(database), lost_places(database)
                moved.append(Moved(metric="places.lost", unit="runs", before=before, after=after))
            case "reap-shares":
                assert database is not None
                now = runtime.clock.now()
                before = len(dead_shares(database, now))
                reap(runtime)
                after = len(dead_shares(database, now))
                moved.append(Moved(metric="shares.dead", unit="runs", before=before, after=after))
    return moved


def _adjust(runtime: Runtime, adjustment: Adjustment) -> None:
    from mplp_cli.resources.adjustments import with_change
    from mplp_cli.store.adjusting import change_adjustments

    now = runtime.clock.now()
    change_adjustments(runtime.state_dir, lambda kept: with_change(kept, now, BY, (adjustment,)))


def reap(runtime: Runtime) -> list[str]:
    """Free what runs hold whose process is gone, after ending what they have left running; which these were."""
    from mplp_cli.assembly import end_lost

    freed: list[str] = []

    def end(run: str) -> None:
        end_lost(runtime, run)
        freed.append(run)

    runtime.store.shares.reap(end)
    return freed
