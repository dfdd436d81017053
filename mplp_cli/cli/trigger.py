"""`mplp triggers test | fire`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_cli.cli.options import HowToRun, NoColor, Output, RunOutput, SecretsFile, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.render.triggers import Tried
    from mplp_cli.runtime import Runtime
    from mplp_cli.serving.contract import Served
    from mplp_cli.workflow.events.triggers import Trigger
    from mplp_cli.workflow.published import Published

_File = Annotated[Path, typer.Argument(metavar="FILE", help="A workflow file.")]
_Event = Annotated[
    str | None,
    typer.Option(
        "--event",
        metavar="JSON",
        help="The event: a CloudEvent, or those of its attributes that matter; @FILE, @- for stdin.",
        show_default=False,
    ),
]


def try_(
    file: _File,
    trigger: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Which trigger [default: all].", show_default=False)
    ] = None,
    event: _Event = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="TIME", help="A moment, such as 2027-01-31T09:00:00Z.", show_default=False
        ),
    ] = None,
    output: Output = TextOrJson.text,
    no_color: NoColor = False,
) -> None:
    """Say what an event, or a moment, would start, with which inputs. Starts nothing, and stores nothing.

    What the event leaves out is as that trigger has it: without a type it is one of those that the trigger means.

    Exit codes: 0 at least one run would start, 1 none, 2 the file, the event or the time is not one.

    Examples:

      mplp triggers test nightly.yaml --at 2027-03-28T02:30:00+01:00

      mplp triggers test release.yaml --event '{"type": "git.tag.created", "data": {"name": "v1.2.0"}}'
    """
    from mplp_cli.cli.moments import moment_of
    from mplp_cli.cli.showing import show
    from mplp_cli.errors import Exit, UsageError
    from mplp_cli.render.machine import write_document
    from mplp_cli.render.triggers import tried_object, tried_table
    from mplp_cli.runtime import Runtime

    if (event is None) == (at is None):
        raise UsageError("say what happens", hint="with --event JSON or with --at TIME")
    runtime = Runtime()
    served = _served(runtime, file)
    chosen = _chosen(served, trigger)
    given = None if event is None else _given(event)
    time = 0 if at is None else moment_of(at)
    tried = [_tried(runtime, served, one, given, time) for one in chosen]
    if output is TextOrJson.json:
        write_document({"triggers": [tried_object(one) for one in tried]})
    else:
        show(lambda theme, width: tried_table(tried, theme, width), no_color=no_color)
    raise typer.Exit(Exit.OK if any(one.starts for one in tried) else Exit.NO)


def fire(
    file: _File,
    trigger: Annotated[str, typer.Argument(metavar="ID", help="Which trigger.")],
    event: _Event = None,
    output: HowToRun = RunOutput.auto,
    secrets_file: SecretsFile = None,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Publish an event as if what the trigger waits for had come. The server starts the run; if none runs, this does.

    Without --event it is one that the trigger means: a tick of now, a start of the server, changes of no files.

    Exit codes: 0 published, or the run completed; as `mplp run` for a run of this process. 2: there is no such
    trigger, or it does not mean the event.

    Examples:

      mplp triggers fire nightly.yaml every-night

      mplp triggers fire release.yaml tagged --event '{"data": {"name": "v1.2.0"}}'
    """
    from mplp_cli.cli.driving import go
    from mplp_cli.cli.showing import note
    from mplp_cli.cli.triggers import serves
    from mplp_cli.errors import UsageError
    from mplp_cli.loading import resolve_inputs
    from mplp_cli.runtime import Runtime
    from mplp_cli.sources import read_secrets
    from mplp_cli.workflow.events.arming import aim
    from mplp_cli.workflow.events.triggers import fired_run
    from mplp_cli.workflow.published import Cause, enriched

    runtime = Runtime(state_dir=state_dir)
    served = _served(runtime, file)
    [chosen] = _chosen(served, trigger)
    now = runtime.clock.now()
    made = enriched(_made(runtime, served, chosen, {} if event is None else _given(event), now), now)
    target = aim(served.id, chosen)
    try:
        if not target.means(made):
            raise UsageError(
                f"the trigger `{chosen.id}` does not mean this event",
                hint="`mplp triggers list` says what it means",
            )
        inputs = target.inputs(made)
    except ValueError as error:
        raise UsageError(str(error)) from None
    resolved = resolve_inputs(served.plan.workflow, inputs)
    if serves(runtime):
        runtime.store.board.publish(made)
        sys.stdout.write(f"{made.id}\n")
        note("the server starts the run; `mplp events list --type 'trigger.*'` says if it could not")
        return
    secrets = read_secrets(served.plan.secrets, runtime.environ, secrets_file)
    runtime.store.board.publish(made)
    begin = partial(
        runtime.start,
        served.source,
        served.plan,
        resolved,
        secrets,
        cause=Cause(by=f"trigger:{chosen.id}", event=made.id),
        run_id=fired_run(served.id, chosen.id, f"{made.source}#{made.id}"),
    )
    raise typer.Exit(go(runtime, begin, served.source, output, detach=False, junit=None, no_color=no_color))


def _served(runtime: Runtime, file: Path) -> Served:
    from mplp_cli.cli.triggers import workflows_of
    from mplp_cli.errors import UsageError

    if file.is_dir():
        raise UsageError(f"{file} is a directory", hint="name a file")
    [found] = workflows_of(runtime, [file])
    return found


def _chosen(served: Served, identifier: str | None) -> list[Trigger]:
    from mplp_cli.errors import UsageError
    from mplp_cli.workflow.suggest import did_you_mean

    found = [one for one in served.triggers if identifier in (None, one.id)]
    if not found:
        names = [one.id for one in served.triggers]
        near = did_you_mean(identifier, names) if identifier else None
        listed = f"its triggers are {', '.join(names)}" if names else "it has none"
        what = "triggers" if identifier is None else f"trigger `{identifier}`"
        raise UsageError(f"{served.file} has no {what}", hint=near or listed)
    return found


def _given(text: str) -> dict[str, Any]:
    """The attributes that `--event` says. InputError if it is not JSON, UsageError if it is no object."""
    from mplp_cli.cli.emit import carried_data
    from mplp_cli.errors import UsageError

    given = carried_data(text)
    if not isinstance(given, dict):
        raise UsageError("--event: an event is an object", hint='such as \'{"type": "t", "data": {"n": 1}}\'')
    return given


def _made(runtime: Runtime, served: Served, trigger: Trigger, given: dict[str, Any], now: int) -> Published:
    """An event for a trigger, with what is given. UsageError if that is no event."""
    from mplp_cli.errors import UsageError
    from mplp_cli.workflow.events.arming import source_of, usual_data
    from mplp_cli.workflow.published import from_cloud_event
    from mplp_cli.workflow.values import rfc3339

    type_, source = source_of(served.id, trigger)
    document: dict[str, Any] = {"specversion": "1.0", "id": runtime.ids.uuid(), "time": rfc3339(now)}
    document |= {} if "*" in type_ else {"type": type_}
    document |= {"source": "mplp/cli" if "*" in source else source}
    usual = usual_data(served.id, trigger, now)
    document |= {} if usual is None else {"data": usual}
    if isinstance(usual, dict) and isinstance(given.get("data"), dict):
        given = {**given, "data": {**usual, **given["data"]}}
    try:
        return from_cloud_event({**document, **given}, now)
    except ValueError as error:
        said, _, hint = str(error).partition("; ")
        raise UsageError(f"--event: {said}", hint=hint or None) from None


def _tried(
    runtime: Runtime, served: Served, trigger: Trigger, given: dict[str, Any] | None, at: int
) -> Tried:
    from mplp_cli.errors import MplpError
    from mplp_cli.loading import resolve_inputs
    from mplp_cli.render.triggers import Tried
    from mplp_cli.workflow.events.arming import aim

    def nothing(why: str) -> Tried:
        return Tried(workflow=served.id, trigger=trigger, starts=False, why=why)

    if given is None and (why := _no_tick(trigger, at)):
        return nothing(why)
    event = _made(runtime, served, trigger, given or {}, at if given is None else runtime.clock.now())
    target = aim(served.id, trigger)
    try:
        if not target.means(event):
            return nothing("it does not mean this event")
        inputs = resolve_inputs(served.plan.workflow, target.inputs(event))
    except (MplpError, ValueError) as error:
        return nothing(str(error))
    return Tried(workflow=served.id, trigger=trigger, starts=True, inputs=inputs)


def _no_tick(trigger: Trigger, at: int) -> str:
    """Why a trigger starts nothing at that moment; empty if it does."""
    from mplp_cli.workflow.events.schedules import next_times
    from mplp_cli.workflow.events.triggers import CronTrigger
    from mplp_cli.workflow.values import rfc3339

    if not isinstance(trigger, CronTrigger):
        return "it has no schedule"
    following = next_times(trigger.schedule, trigger.time_zone, at - 1, 1)
    if following == [at]:
        return ""
    return f"its next time is {rfc3339(following[0])}" if following else "its time never comes"
