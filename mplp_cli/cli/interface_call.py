"""`mplp interfaces call`."""

from __future__ import annotations

from typing import Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson


def call(
    interface: Annotated[
        str, typer.Argument(metavar="MODULE.INTERFACE", help="Such as plan.generatePlanSuggestions.")
    ],
    given: Annotated[
        str | None,
        typer.Option(
            "--input", "-i", metavar="JSON", help="Parameters: JSON or YAML, @FILE, or `-` for stdin."
        ),
    ] = None,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Call a reserved interface: where it is active the agent's answer is printed, else the inert one.

    Exit codes: 1 there is no answer that can be used, 2 there is no such interface or it does not take these
    parameters.

    Example:

      mplp interfaces call plan.generatePlanSuggestions --input '{goal: a release}'
    """
    from mplp_cli.cli.call import call as carry_out
    from mplp_cli.cli.call import find_target, given_for
    from mplp_cli.cli.showing import show
    from mplp_cli.errors import UsageError
    from mplp_cli.render.values import value_lines
    from mplp_cli.runtime import Runtime

    found = find_target(interface)
    if not found.reserved:
        raise UsageError(
            f"`{found.module}.{found.name}` is no reserved interface",
            hint=f"`mplp interfaces` lists them; `mplp call {found.module}.{found.name}` calls it",
        )
    parameters = given_for(found, (), given)
    with Runtime(state_dir=state_dir) as runtime:
        outcome = carry_out(runtime, found, parameters)
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document(outcome.result)
        return
    show(lambda _theme, _width: value_lines(outcome.result), no_color=no_color)
