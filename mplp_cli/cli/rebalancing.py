"""`mplp resources optimize`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mplp_cli.cli.optimize import DryRun
from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.workflow.resources import Share


def main(
    dry_run: DryRun = False,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Free what runs hold of the pool whose process is gone, after ending what they have left running.

    What an attempt or a person holds stays on the unit that it was given: it may be using that very one, so
    nothing is moved. Runs that wait for what is freed start by themselves. What is held by hand is released
    with `mplp resources release` only.

    Examples:

      mplp resources optimize --dry-run

      mplp resources optimize --output json
    """
    from msgspec import to_builtins

    from mplp_cli.cli.keeping import opened
    from mplp_cli.cli.optimize import reap
    from mplp_cli.cli.resources import held
    from mplp_cli.cli.showing import show, stored
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
        if output is TextOrJson.json:
            after = to_builtins(utilization_of(runtime.pool, used))
            made = [share_document(share) for share in released]
            write_document({"dryRun": dry_run, "released": made, "moved": [], "utilization": after})
            return
        verb = "would be freed" if dry_run else "freed"
        for share in released:
            sys.stdout.write(f"{verb}: what run {share.run} holds\n")
        if not released:
            sys.stdout.write("nothing is held by runs that nobody drives\n")
        show(lambda theme, width: utilization_table(runtime.pool, used, theme, width), no_color=no_color)
