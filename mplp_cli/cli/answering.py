"""A person's answer to what a run asks: what `approve` and `reject` share."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mplp_cli.answering import Answer, Fill


def answer(
    run: str, step: str | None, said: Answer, fill: Fill, *, state_dir: str | None, as_json: bool
) -> None:
    """Record the answer and say how the run goes on.

    RunStateError if nothing is asked, or no longer, or of somebody else; InputError if the inputs do not fit.
    Both come before anything is stored.
    """
    from mplp_cli import answering
    from mplp_cli.cli.showing import note
    from mplp_cli.render.theme import safe
    from mplp_cli.render.view import short_id
    from mplp_cli.running import root_of
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    record, given = answering.answer(runtime, run, step, said, fill)
    if as_json:
        from mplp_cli.render.machine import write_document
        from mplp_cli.render.stored import approval_object

        write_document(approval_object(given))
    else:
        sys.stdout.write(safe(f"{said.decision} {given.step} of run {short_id(record.id)}") + "\n")
    root = root_of(runtime.store, record)
    [after] = runtime.store.find_runs(root.id)
    # A run that waits or is paused was left before the answer was stored, even if its process is still there.
    if not after.owned or (root.id == record.id and after.status in ("waiting", "paused")):
        note(f"next: mplp resume {short_id(root.id)}")
