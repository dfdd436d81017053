"""`mplp runs prune`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.runtime import Runtime
    from mplp_cli.store.database import Database
    from mplp_cli.store.forgetting import Forgotten
    from mplp_cli.store.pruning import EndedRun


def main(
    keep_days: Annotated[
        int | None,
        typer.Option(
            "--keep-days",
            metavar="DAYS",
            min=0,
            help="Keep what ended in the last DAYS days.",
            show_default=False,
        ),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep", metavar="N", min=0, help="Keep the N runs that ended last.", show_default=False
        ),
    ] = None,
    workflow: Annotated[
        str | None,
        typer.Option("--workflow", "-w", metavar="WORKFLOW", help="Only runs of the workflow with this id."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be deleted.")] = False,
    forget: Annotated[
        list[str] | None,
        typer.Option(
            "--forget",
            metavar="READER",
            help="Keep no events for this route, rule or trigger, which is no more.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Delete ended runs, each with its history, its questions and the output of its steps.

    A run goes if it is older than --keep-days or beyond the last --keep runs; with neither, `retention` of
    mplp.yaml says what stays. A run that goes on, waits, was interrupted or is held by a process is never
    deleted. Of the objects that runs have written the newest version stays. Results in the cache go when they
    have expired, or are older than --keep-days.

    Published events go, with what became of them on routes, if they are older than --keep-days and nobody needs
    them: every route, rule and trigger has dealt with them, none is to be delivered again or is a dead letter, and
    no run that has not ended began before them. One that is no more holds up the others until --forget names it:
    route:ID, rule:ID or trigger:WORKFLOW/ID. With --workflow, or without days, all events stay.

    Exit codes: 0 done, 2 nothing says what to keep, or nobody can be asked (use --yes).

    Examples:

      mplp runs prune --keep 100 --dry-run

      mplp runs prune --keep-days 30 --workflow nightly --yes
    """
    from mplp_cli.cli.keeping import opened
    from mplp_cli.runtime import Runtime
    from mplp_cli.store.forgetting import forget_events

    runtime = Runtime(state_dir=state_dir)
    days, most = _limits(runtime, keep_days, keep)
    with opened(runtime) as found:
        runs, gone, held = _prune(runtime, found, (workflow, days, most), ask=not yes, dry_run=dry_run)
        stale = 0 if found is None else _stale(runtime, found[1], workflow, days, dry_run=dry_run)
        forgotten = None
        if found is not None and days is not None and workflow is None:
            now = runtime.clock.now()
            # A rule that begins anew reads back what its windows may hold.
            rules = runtime.settings.correlation_rules
            spare = 3 * max((rule.window + rule.lateness for rule in rules), default=0)
            forgotten = forget_events(
                found[1], now, days=days, but=forget or (), spare=spare, dry_run=dry_run
            )
        if found is not None and not dry_run:
            from mplp_cli.store.samples import SqliteSamples

            SqliteSamples(found[1]).compact(runtime.clock.now(), runtime.settings.metrics.retention)
    as_json = output is TextOrJson.json
    if dry_run and gone and not as_json:
        _list(gone, runtime.clock.now(), no_color=no_color)
    _tell(gone, held, (runs - len(gone), stale), forgotten, dry_run=dry_run, as_json=as_json)


def _stale(
    runtime: Runtime, database: Database, workflow: str | None, days: int | None, *, dry_run: bool
) -> int:
    """How many cached results are gone, or would be."""
    from mplp_cli.store.pruning import stale_results

    now = runtime.clock.now()
    return stale_results(database, now, days=days, workflow_id=workflow, dry_run=dry_run)


def _prune(
    runtime: Runtime,
    found: tuple[Path, Database] | None,
    what: tuple[str | None, int | None, int | None],
    *,
    ask: bool,
    dry_run: bool,
) -> tuple[int, list[EndedRun], list[EndedRun]]:
    """How many ended runs there were, those that are gone (or would be), and those that somebody holds."""
    from mplp_cli.store.pruning import ended_runs, surplus

    if found is None:
        return 0, [], []
    place, database = found
    workflow, days, keep = what
    runs = ended_runs(database, workflow)
    chosen = surplus(runs, runtime.clock.now(), days=days, keep=keep)
    if dry_run:
        return len(runs), chosen, []
    if chosen and ask:
        _ask(len(chosen), len(runs))
    return len(runs), *_delete(runtime, place, database, chosen)


def _limits(runtime: Runtime, days: int | None, keep: int | None) -> tuple[int | None, int | None]:
    """What stays; from the settings if the command says nothing."""
    from mplp_cli.errors import UsageError
    from mplp_cli.settings import load_settings

    if days is None and keep is None:
        retention = load_settings(runtime.cwd).retention
        days, keep = retention.days, retention.runs
    if days is None and keep is None:
        raise UsageError(
            "nothing says which runs to keep",
            hint="use --keep-days or --keep, or set `retention: {days: 90, runs: 1000}` in mplp.yaml",
        )
    return days, keep


def _ask(count: int, of: int) -> None:
    from mplp_cli.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError(
            f"{count} of {of} ended runs would be deleted, and there is nobody to ask",
            hint="say --yes, or look first with --dry-run",
        )
    sys.stderr.write(f"Delete {count} of {of} ended runs? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was deleted")


def _delete(
    runtime: Runtime, place: Path, database: Database, runs: list[EndedRun]
) -> tuple[list[EndedRun], list[EndedRun]]:
    """Those that are gone, and those that somebody holds or has taken up since."""
    from mplp_cli.store.pruning import remove_run

    gone: list[EndedRun] = []
    held: list[EndedRun] = []
    for run in reversed(runs):  # the oldest first: whatever stops it, the newest are still there
        removed = remove_run(database, place, run.id, runtime.clock.now())
        (gone if removed else held).append(run)
    return gone, held


def _list(runs: list[EndedRun], now: int, *, no_color: bool) -> None:
    from mplp_cli.cli.showing import show
    from mplp_cli.render.tables import ended_table

    show(lambda theme, width: ended_table(runs, now, theme, width), no_color=no_color)


def _tell(
    gone: list[EndedRun],
    held: list[EndedRun],
    counts: tuple[int, int],
    forgotten: Forgotten | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """`counts`: runs that stay, cached results that go."""
    from mplp_cli.cli.showing import note

    kept, stale = counts
    events = 0 if forgotten is None else forgotten.events
    if as_json:
        from mplp_cli.render.machine import write_document

        write_document(
            {
                "dryRun": dry_run,
                "deleted": [_object(r) for r in gone],
                "held": [_object(r) for r in held],
                "kept": kept,
                "cachedResults": stale,
                "events": events,
                "eventsKeptFor": forgotten.reader or None if forgotten is not None else None,
            }
        )
        return
    verb = "would be deleted" if dry_run else "deleted"
    tail = f", {len(held)} held by a process" if held else ""
    sys.stdout.write(f"{len(gone):,} run{'' if len(gone) == 1 else 's'} {verb}, {kept:,} kept{tail}\n")
    if stale:
        sys.stdout.write(f"{stale:,} cached result{'' if stale == 1 else 's'} {verb}\n")
    if events:
        sys.stdout.write(f"{events:,} event{'' if events == 1 else 's'} {verb}\n")
    if forgotten is not None and forgotten.reader:
        note(
            f"{forgotten.reader} has dealt with the events up to {forgotten.number:,} only; later ones are kept for it,"
            " until it is forgotten: --forget"
        )


def _object(run: EndedRun) -> dict[str, Any]:
    from mplp_cli.workflow.values import rfc3339

    return {
        "runId": run.id,
        "workflowId": run.workflow_id,
        "status": run.status,
        "endedAt": rfc3339(run.ended_at),
    }
