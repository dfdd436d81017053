"""`mplp attach`."""

from __future__ import annotations

import signal
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import HowToRun, JUnit, NoColor, RunOutput, StateDir

if TYPE_CHECKING:
    from mplp_cli.cli.driving import Watch
    from mplp_cli.cli.following import Followed
    from mplp_cli.runtime import Runtime


class _Detached(BaseException):
    """A signal ended the watching. `number` says which."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, a prefix of one, or a workflow id.")],
    output: HowToRun = RunOutput.auto,
    junit: JUnit = None,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Follow a run that another process drives, as if this one did.

    It only reads: Ctrl-C leaves the run alone. What happened before is in the live view, in
    the summary and in `--output jsonl`; lines begin with what comes. Of a run that has ended, the end is
    shown at once.

    Exit codes: those of the run (0 completed, 1 failed, 3 waits or is paused, 4 cancelled), 75 no process
    drives it any more, 130 Ctrl-C.

    Examples:

      mplp attach 3f2a

      mplp attach my-workflow --output jsonl
    """
    from mplp_cli.cli.driving import EXITS, Watch
    from mplp_cli.cli.following import Followed, going_on, interrupted, remember_failures
    from mplp_cli.cli.places import failed_places
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    followed = Followed(runtime, runtime.find_run(run, fits=going_on))
    watch = Watch(output, no_color=no_color, junit=junit)
    with runtime:
        if not _watched(runtime, followed, watch):
            return
        state = followed.state
        if state.status not in EXITS:
            raise interrupted(followed.record)
        remember_failures(runtime, followed, watch)
        places = failed_places(runtime.stored_source(state.run_id), state)
    with suppress(BrokenPipeError):
        watch.finish(followed.plan, state, runtime.clock.now(), places)
    raise typer.Exit(EXITS[state.status])


def _watched(runtime: Runtime, followed: Followed, watch: Watch) -> bool:
    """Follow it to its end; False if nobody reads what is printed."""
    from mplp_cli.cli.following import follow
    from mplp_cli.cli.showing import note
    from mplp_cli.render.view import short_id

    def detach(number: int, _: object) -> None:
        raise _Detached(number)

    before = {number: signal.signal(number, detach) for number in (signal.SIGINT, signal.SIGTERM)}
    run = short_id(followed.record.id)
    try:
        with ExitStack() as stack:
            if watch.how is not RunOutput.jsonl:
                followed.look()
            if watch.how is RunOutput.auto and followed.record.owned:
                note(f"attached to run {run}; Ctrl-C leaves it alone")
            watch.open(followed, stack)
            return follow(runtime, followed, watch)
    except _Detached as detached:
        if watch.how in (RunOutput.auto, RunOutput.quiet):
            note(f"detached; run {run} goes on: mplp attach {run}")
        raise typer.Exit(128 + detached.number) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
