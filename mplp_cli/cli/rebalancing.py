"""`mplp resources optimize`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mplp_cli.cli.optimize import DryRun
from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.protocols import RunRecord
    from mplp_cli.resources.declaring import Declaration
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.resources import Share

#: Runs that are looked at, the newest, and workflows of which they may be.
_MOST_RUNS = 500
_MOST_WORKFLOWS = 50


def main(
    dry_run: DryRun = False,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Free what runs hold of the pool whose process is gone, and say which steps declare far from what they use.

    What such runs have left running is ended first. What an attempt or a person holds stays on the unit that it
    was given: it may be using that very one, so nothing is moved. Runs that wait for what is
    freed start by themselves. What is held by hand is released with `mplp resources release` only.

    Recommended is another `cpu` or `memory` of steps of the 50 workflows that ran last, from what they used in
    their last runs (3 at least). Files are yours: none is changed.

    Examples:

      mplp resources optimize --dry-run

      mplp resources optimize --output json
    """
    from msgspec import to_builtins

    from mplp_cli.cli.keeping import opened
    from mplp_cli.cli.optimize import reap
    from mplp_cli.cli.resources import held
    from mplp_cli.cli.showing import show, stored
    from mplp_cli.render.declared import declaration_object, declaration_text
    from mplp_cli.render.grid import wrapped
    from mplp_cli.render.ink import Line
    from mplp_cli.render.machine import write_document
    from mplp_cli.render.resources import utilization_table
    from mplp_cli.resources.utilization import share_document
    from mplp_cli.resources.utilization import utilization as utilization_of
    from mplp_cli.runtime import Runtime
    from mplp_cli.store.upkeep import dead_shares
    from mplp_cli.workflow.resources import in_use

    with Runtime(state_dir=state_dir) as runtime:
        now = runtime.clock.now()
        with opened(runtime) as found:
            dead: list[Share] = [] if found is None else dead_shares(found[1], now)
        freed = {share.run for share in dead} if dry_run or not dead else set(reap(runtime))
        used = in_use(*held(stored(runtime)), now)
        released = [share for share in dead if share.run in freed]
        advised = _misdeclared(runtime)
        if output is TextOrJson.json:
            after = to_builtins(utilization_of(runtime.pool, used))
            made = [share_document(share) for share in released]
            write_document(
                {"dryRun": dry_run, "released": made, "moved": [], "utilization": after}
                | {"recommendations": [declaration_object(one) for one in advised]}
            )
            return
        verb = "would be freed" if dry_run else "freed"
        for share in released:
            sys.stdout.write(f"{verb}: what run {share.run} holds\n")
        if not released:
            sys.stdout.write("nothing is held by runs that nobody drives\n")
        show(lambda theme, width: utilization_table(runtime.pool, used, theme, width), no_color=no_color)
        if advised:
            lines = [Line(declaration_text(one)) for one in advised]
            show(
                lambda _, width: [Line(), *(part for one in lines for part in wrapped(one, width))],
                no_color=no_color,
            )


def _misdeclared(runtime: Runtime) -> list[Declaration]:
    """What steps of the workflows that ran last should declare instead, as they were when they did."""
    from mplp_cli.cli.history import Plans
    from mplp_cli.cli.showing import stored
    from mplp_cli.resources.declaring import misdeclared
    from mplp_cli.resources.learned import estimates_of, working_steps

    store = stored(runtime)
    if store is None:
        return []
    found: list[Declaration] = []
    newest: dict[str, RunRecord] = {}
    for run in store.runs(limit=_MOST_RUNS):
        newest.setdefault(run.workflow_id, run)
    plans = Plans(runtime)
    for run in list(newest.values())[:_MOST_WORKFLOWS]:
        if (plan := plans.of(run.id)) is not None:
            known = estimates_of(store, run.workflow_id, working_steps(plan))
            found += misdeclared(plan, store.definition(run.id).source_name, known)
    return found
