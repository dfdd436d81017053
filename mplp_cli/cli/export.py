"""`mplp export`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.exchange.moments import Recorded
    from mplp_cli.protocols import RunRecord
    from mplp_cli.runtime import Runtime


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, a prefix of one, or a workflow id.")],
    out: Annotated[
        str, typer.Option("--out", metavar="DIR", help="The directory to write; it must not hold anything.")
    ],
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace the files of an earlier export.")
    ] = False,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
) -> None:
    """Write a run as documents of the protocol.

    Each object that the run made, as it is now, and those it refers to; its event stream, `events.ndjson`;
    `manifest.json` with checksums. The same run gives the same bytes. The directory is there whole or not at all.

    `mplp verify DIR` checks it; `mplp help protocol` says what is in it.

    Exit codes: 0 written, 2 no such run, or the directory cannot be written.

    Examples:

      mplp export release --out release-export

      mplp export 3f2a --out exports/3f2a --force
    """
    from mplp_cli.exchange.bundle import MANIFEST, bundle
    from mplp_cli.exchange.writing import write_directory
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    record = runtime.find_run(run)
    files = bundle(told(runtime, record))
    write_directory(Path(out), files, force=force)
    objects = len(files) - 2
    if output is TextOrJson.json:
        from msgspec.json import decode

        from mplp_cli.render.machine import write_document

        write_document({"directory": str(Path(out).absolute()), **decode(files[MANIFEST])})
    else:
        from mplp_cli.render.theme import safe

        noun = "object" if objects == 1 else "objects"
        sys.stdout.write(safe(f"{out}: {objects:,} {noun} and the event stream") + "\n")


def told(runtime: Runtime, record: RunRecord) -> Recorded:
    """A run as the store has it, for the stream."""
    from mplp_cli.again import past
    from mplp_cli.exchange.bundle import referred
    from mplp_cli.exchange.moments import Recorded, StepShape

    store = runtime.store
    facts = [fact for _, fact in store.history(record.id)]
    versions = list(store.versions(record.id))
    state, _ = past(runtime, record.id, facts)
    steps = {
        step.id: StepShape(step.number, step.kind, step.name, blueprint=step.loop >= 0)
        for step in state.plan.steps
    }
    return Recorded(
        run=record.id,
        workflow=record.workflow_id,
        status=state.status,
        facts=facts,
        versions=versions,
        steps=steps,
        others=referred(versions, store.objects()) if versions else [],
    )
