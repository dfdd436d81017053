"""`mplp call`."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mplp_cli.modules.contract import Operation
    from mplp_cli.protocols import Caller, Outcome
    from mplp_cli.runtime import Runtime


def main(
    operation: Annotated[
        str, typer.Argument(metavar="MODULE.OPERATION", help="What to call, such as context.create-context.")
    ],
    pairs: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="NAME=VALUE", help="A parameter (repeatable)."),
    ] = None,
    params: Annotated[
        str | None,
        typer.Option(
            "--params", metavar="JSON", help="Parameters as JSON or YAML: text, @FILE, or `-` for stdin."
        ),
    ] = None,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Call one operation of a module, without a workflow.

    Values are read as the operation declares them: text is taken as it is, anything else as YAML. The objects
    that the operation writes are stored like those of a run, all or none. The result is printed.

    `mplp modules describe MODULE.OPERATION` says what an operation takes.

    Exit codes: 1 the operation refused, 2 there is no such operation or it does not take these parameters,
    75 somebody else changed the same objects at the same time.

    Examples:

      mplp call context.create-context --param name=Release --param 'tags=[v1, demo]'

      mplp call context.list-contexts --output json

      mplp call plan.create-plan --params @plan.json
    """
    from mplp_cli.cli.showing import note, show
    from mplp_cli.render.values import value_lines
    from mplp_cli.render.view import short_id
    from mplp_cli.runtime import Runtime

    found = find_target(operation)
    given = given_for(found, pairs or (), params)
    with Runtime(state_dir=state_dir) as runtime:
        outcome = call(runtime, found, given)
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document(outcome.result)
        return
    show(lambda _theme, _width: value_lines(outcome.result), no_color=no_color)
    for item in outcome.writes:
        done = f"version {item.version} stored" if item.body else "deleted"
        note(f"{item.kind} {short_id(item.id)}: {done}")


def call(runtime: Runtime, operation: Operation, given: Mapping[str, Any]) -> Outcome:
    """Call and store, durably; what was read meanwhile is read anew once. StoreError `conflict` if that is not enough.

    OperationError if the operation refuses.
    """
    from mplp_cli.errors import Exit, StoreError
    from mplp_cli.protocols import Caller

    caller = Caller(run=runtime.ids.uuid(), workflow="mplp", step="call")
    try:
        return _call(runtime, operation, given, caller)
    except StoreError as error:
        if error.details.get("cause") != "conflict":
            raise
    del runtime.hub  # what it knows is not so any more
    try:
        return _call(runtime, operation, given, caller)
    except StoreError as error:
        if error.details.get("cause") == "conflict":
            error.exit_code = Exit.BUSY
            error.hint = "try again"
        raise


def _call(runtime: Runtime, operation: Operation, given: Mapping[str, Any], caller: Caller) -> Outcome:
    from mplp_cli.cli.asking import consulted
    from mplp_cli.errors import StepError
    from mplp_cli.modules.parameters import asks_agents

    hub = runtime.hub
    try:
        if asks_agents(operation, given):
            given = consulted(runtime, operation, given, caller)
        outcome: Outcome = hub.call(operation.module, operation.name, given, caller)
    except StepError:
        runtime.store.record([], hub.said())  # the log has refused calls, too
        raise
    runtime.store.record(outcome.writes, hub.said())
    return outcome


def find_target(text: str) -> Operation:
    """The operation that `MODULE.OPERATION` or `MODULE/OPERATION` names; exit code 2 if there is none."""
    from mplp_cli.errors import Exit, OperationError, UsageError
    from mplp_cli.modules.catalogue import all_modules
    from mplp_cli.modules.lookup import find_operation

    module, *rest = re.split("[./]", text, maxsplit=1)
    if not rest:
        raise UsageError(f"{text!r} is no operation: write MODULE.OPERATION", hint=_nearby(text))
    try:
        return find_operation(all_modules(), module, rest[0])
    except OperationError as error:
        error.exit_code = Exit.USAGE
        raise


def _nearby(text: str) -> str:
    """What somebody may have meant who named no operation, or no module."""
    from mplp_cli.modules.catalogue import all_modules
    from mplp_cli.workflow.suggest import did_you_mean

    modules = all_modules()
    if text in modules:
        return f"`mplp modules describe {text}` lists its operations"
    names = {name: f"{module}.{name}" for module, one in modules.items() for name in one.operations}
    if text in names:
        return f"did you mean `{names[text]}`?"
    return did_you_mean(text, modules) or "`mplp modules` lists the modules"


def given_for(operation: Operation, pairs: Sequence[str], params: str | None) -> dict[str, Any]:
    """What `--params` and `--param` say; exit code 2 if the operation does not take it."""
    from mplp_cli.errors import Exit, InputError, OperationError
    from mplp_cli.loading.inputs import parse_value
    from mplp_cli.modules.describing import spellings
    from mplp_cli.modules.parameters import convert_parameters

    declared = spellings(operation)
    given = {} if params is None else _document(params)
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise InputError(f"--param {pair}: write NAME=VALUE")
        given[name] = parse_value(declared, name, text, "parameter")
    try:
        convert_parameters(operation, given)
    except OperationError as error:
        error.exit_code = Exit.USAGE
        error.hint = error.hint or f"`mplp modules describe {operation.module}.{operation.name}` says more"
        raise
    return given


def _document(text: str) -> dict[str, Any]:
    """The parameters of `--params`. InputError if they cannot be read."""
    from mplp_cli.loading.given import read_inputs
    from mplp_cli.sources import read_source

    if text == "-" or text.startswith("@"):
        file = read_source(text.removeprefix("@"), sys.stdin.buffer)
        return read_inputs(file.text, file.name)
    return read_inputs(text.encode("utf-8", "surrogateescape"), "--params")
