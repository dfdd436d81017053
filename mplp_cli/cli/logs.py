"""`mplp logs`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import NoColor, StateDir

if TYPE_CHECKING:
    from mplp_cli.cli.tailing import Told
    from mplp_cli.protocols import RunRecord
    from mplp_cli.runtime import Runtime

#: Seconds between looks at a run that goes on.
_PAUSE = 0.1


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id, a prefix of one, or a workflow id.")],
    step: Annotated[
        str | None,
        typer.Argument(metavar="[STEP]", help="Only this step [default: all].", show_default=False),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    attempt: Annotated[
        int | None,
        typer.Option(
            "--attempt", metavar="N", min=1, help="Only this attempt [default: all].", show_default=False
        ),
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Print the facts of the run, one JSON object a line.")
    ] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Print control characters as they are.")] = False,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Print what the steps of a run have written.

    Steps come in the order in which they started; lines of several steps begin with the step. Control
    characters are shown escaped unless --raw is given. With --follow a line is shown as far as it is written,
    and it stops when no process drives the run any more.

    Examples:

      mplp logs 3f2a

      mplp logs my-workflow build --follow

      mplp logs 3f2a --history
    """
    from mplp_cli.cli.tailing import History, Output
    from mplp_cli.render.theme import make_theme
    from mplp_cli.runtime import Runtime
    from mplp_cli.store.layout import log_dir

    runtime = Runtime(state_dir=state_dir)
    record = runtime.find_run(run)
    if step is not None:
        check_step(runtime, record, step)
    theme = None if raw else make_theme(sys.stdout, no_color=no_color)
    told = (
        History(record.id, step)
        if history
        else Output(log_dir(runtime.state_dir, record.id), step, attempt, theme, live=follow)
    )
    if not _read(runtime, record, told, follow=follow):
        _say_nothing(record, step, runtime)


def _read(runtime: Runtime, record: RunRecord, told: Told, *, follow: bool) -> bool:
    """Print what there is, then, with `follow`, what comes, until nobody drives the run."""
    from time import sleep

    after, seen = -1, False
    while True:
        [record] = runtime.store.find_runs(record.id)
        facts = list(runtime.store.history(record.id, after))
        if facts:
            after = facts[-1][0]
        # It is given up only after its last fact and its last line: what is read now is all there is.
        last = not follow or not record.owned
        seen = told(facts, last=last) or seen
        if last:
            return seen
        sleep(_PAUSE)


def check_step(runtime: Runtime, record: RunRecord, step: str) -> None:
    """UsageError if the run has no step of that name."""
    from mplp_cli.cli.complete import step_ids
    from mplp_cli.errors import UsageError
    from mplp_cli.render.view import short_id
    from mplp_cli.workflow.suggest import did_you_mean

    known = step_ids(runtime.store.definition(record.id).plan)
    if step.rpartition(".")[2] not in known:  # inside an item: outer[3].inner
        hint = did_you_mean(step, known) or f"`mplp status {short_id(record.id)}` lists them"
        raise UsageError(f"run {short_id(record.id)} has no step {step!r}", hint=hint)


def _say_nothing(record: RunRecord, step: str | None, runtime: Runtime) -> None:
    from mplp_cli.cli.showing import note
    from mplp_cli.render.view import short_id

    run = short_id(record.id)
    for child in runtime.store.runs(child_of=record.id):
        if child.relation is not None and step in (None, child.relation.step):
            note(f"{child.relation.step} runs a workflow: `mplp logs {short_id(child.id)}`")
            return
    what = f"{step} has written nothing" if step else "no step has written anything"
    note(f"{what} in run {run}; `mplp status {run}` shows what became of it")
