"""Runs that are recorded or replayed: the options, and what is said of the cassette afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.errors import Exit

if TYPE_CHECKING:
    from mplp_cli.agents.recording.opening import Wanted
    from mplp_cli.runtime import Runtime

Record = Annotated[
    str | None,
    typer.Option("--record", metavar="CASSETTE", help="Write down what agents are asked and answer."),
]
Replay = Annotated[
    str | None,
    typer.Option("--replay", metavar="CASSETTE", help="Ask no agent: what was recorded answers."),
]
RecordMissing = Annotated[
    str | None,
    typer.Option("--record-missing", metavar="CASSETTE", help="Replay what is there, ask and add the rest."),
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="With --replay: every answer is given once, and all have to be."),
]


def taped(
    runtime: Runtime,
    wanted: Wanted,
    workflow: str,
    go: Callable[[], int],
    *,
    detach: bool,
    goes_on: bool = False,
) -> int:
    """The exit code of `go`, with what is wanted around the calls of agents."""
    from mplp_cli.agents.recording.opening import check, open_tape
    from mplp_cli.cli.showing import note
    from mplp_cli.errors import UsageError

    check(wanted, runtime.environ)
    if not wanted and runtime.seeded is None:
        return go()
    if detach:
        raise UsageError(
            "a run that is recorded, replayed or seeded stays in this process",
            hint="leave --detach out",
        )
    tape = open_tape(wanted, workflow, runtime.clock, runtime.environ, goes_on=goes_on)
    if tape is None:
        return go()
    if getattr(tape, "dropped", False):
        note("a recording that had not come to its end was dropped")
    runtime.tape, runtime.uses_cache = tape, False
    over = False
    try:
        code = go()
        over = code in (Exit.OK, Exit.NO)
    finally:
        if not over and (said := tape.end(over=False)):
            note(said)
    if over and (said := tape.end(over=True)):
        note(said)
    return code
