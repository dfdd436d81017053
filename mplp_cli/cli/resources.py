"""`mplp resources`, `mplp resources show` and `mplp resources utilization`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mplp_cli.protocols import Store
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.resources import Allocation, Share

#: Ms that may be looked back.
_LONGEST = 92 * 24 * 3_600_000


def main(
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Show the pool: what there is, who holds it, who waits for it.

    The runs of every process on one state share it. `mplp help resources` says how steps ask for their part.

    Examples:

      mplp resources

      mplp resources utilization --output json

      mplp resources allocate --cpu 1
    """
    from mplp_cli.cli.showing import show, stored
    from mplp_cli.render.resources import pool_screen
    from mplp_cli.resources.utilization import allocation_document, kinds_document, share_document
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.resources import in_use
    from mplp_cli.workflow.values import rfc3339

    runtime = Runtime(state_dir=state_dir)
    store, now = stored(runtime), runtime.clock.now()
    shares, allocations = held(store)
    used = in_use(shares, allocations, now)
    workflows = _workflows(store, [share.run for share in shares])
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        runs: list[dict[str, Any]] = [
            {"workflowId": workflows.get(share.run), **share_document(share)} for share in shares
        ]
        by_hand = [allocation_document(made, rfc3339(made.at)) for made in allocations]
        write_document({"kinds": kinds_document(runtime.pool, used), "runs": runs, "allocations": by_hand})
        return
    show(
        lambda theme, width: pool_screen(
            runtime.pool, shares, allocations, workflows, now, theme=theme, width=width
        ),
        no_color=no_color,
    )
    tell_adjusted(runtime)


def tell_adjusted(runtime: Runtime) -> None:
    """Say which kinds of the pool are not as the settings and the machine have them."""
    from mplp_cli.cli.showing import note
    from mplp_cli.render.capacities import adjusted_text
    from mplp_cli.runtime import adjustments_of

    for name, one in adjustments_of(runtime).in_force().items():
        note(f"{adjusted_text(name, one.before, one.after)}; `mplp doctor` says how to take it back")


def utilization(
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="DURATION", help="On average over that long: 12h, 7d.", show_default=False
        ),
    ] = None,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Print how much of each kind there is, is allocated and is free, and the utilization from 0 to 1.

    In cores, bytes, bits a second, and pieces of custom kinds; of a rate, what has not come back yet.

    With --since: how much of it runs have held on average and at most, and what they used of it as far as it was
    measured. From the histories of the last 2,000 runs; if these do not reach back so far, from where they begin.

    Examples:

      mplp resources utilization --output json

      mplp resources utilization --since 24h
    """
    from msgspec import to_builtins

    from mplp_cli.cli.showing import show, stored
    from mplp_cli.render.resources import utilization_table
    from mplp_cli.resources.utilization import utilization as utilization_of
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.resources import in_use

    runtime = Runtime(state_dir=state_dir)
    if since is not None:
        _over_time(runtime, since, output, no_color=no_color)
        return
    shares, allocations = held(stored(runtime))
    used = in_use(shares, allocations, runtime.clock.now())
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document(to_builtins(utilization_of(runtime.pool, used)))
        return
    show(lambda theme, width: utilization_table(runtime.pool, used, theme, width), no_color=no_color)


def _over_time(runtime: Runtime, since: str, output: TextOrJson, *, no_color: bool) -> None:
    """How well the pool was used up to now."""
    from mplp_cli.cli.history import read_runs
    from mplp_cli.cli.showing import note, show
    from mplp_cli.errors import UsageError
    from mplp_cli.render.busy import busy_document, busy_table
    from mplp_cli.resources.usage import busy_of
    from mplp_cli.workflow.values import duration_ms, rfc3339

    try:
        length = duration_ms(since)
    except ValueError:
        length = 0
    if not 0 < length <= _LONGEST:
        raise UsageError(
            f"--since {since}: this is no time back", hint="write it like 12h or 7d, at most 92d"
        )
    now = runtime.clock.now()
    runs, start = read_runs(runtime, now, now - length)
    found = busy_of(runs, runtime.pool.kinds, start, now)
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        span = {"from": rfc3339(start), "to": rfc3339(now), "runs": len(runs)}
        write_document({**span, "kinds": busy_document(runtime.pool, found)})
        return
    show(lambda theme, width: busy_table(runtime.pool, found, theme, width), no_color=no_color)
    note(f"{len(runs):,} run{'' if len(runs) == 1 else 's'} since {rfc3339(start)[:16]}Z")


def held(store: Store | None) -> tuple[Sequence[Share], Sequence[Allocation]]:
    """What runs and people hold; nothing where nothing was ever stored."""
    return ((), ()) if store is None else (store.shares.all(), store.shares.allocations())


def _workflows(store: Store | None, runs: Sequence[str]) -> dict[str, str]:
    """The workflows of runs."""
    return {one.id: one.workflow_id for run in runs if store is not None for one in store.find_runs(run)}
