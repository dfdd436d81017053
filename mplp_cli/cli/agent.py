"""`mplp agents show` and `mplp agents doctor`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

Name = Annotated[str, typer.Argument(metavar="AGENT", help="The id of an agent.", show_default=False)]
PerhapsName = Annotated[
    str | None,
    typer.Argument(metavar="[AGENT]", help="The id of an agent [default: all].", show_default=False),
]


def show(
    name: Name, output: Output = TextOrJson.text, state_dir: StateDir = None, no_color: NoColor = False
) -> None:
    """Show one agent: how it stands, where it comes from, and its definition.

    Example:

      mplp agents show planner
    """
    from msgspec import to_builtins

    from mplp_cli.agents.registry import registration_of
    from mplp_cli.cli.agents import registry_of, summary_of
    from mplp_cli.cli.showing import show
    from mplp_cli.render.agents import agent_screen
    from mplp_cli.runtime import Runtime

    registry = registry_of(Runtime(state_dir=state_dir), output, no_color=no_color)
    entry = registry.find(name)
    registered = entry.registered
    document = {
        **summary_of(registry, entry),
        "directory": entry.directory,
        "registration": to_builtins(registration_of(registered)) if registered is not None else None,
        "definition": to_builtins(entry.agent),
    }
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document(document)
    else:
        show(lambda _theme, width: agent_screen(document, width), no_color=no_color)


def doctor(
    name: PerhapsName = None,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Say why an agent, or any of them, cannot be used here: what is missing on this machine.

    A package, a program, a function, a variable, a fallback. Nothing is started, imported or asked over the network.

    Exit codes: 0 all can be used, 1 one cannot, 2 there is no such agent or a file is not valid.

    Examples:

      mplp agents doctor

      mplp agents doctor planner --output json
    """
    from msgspec import to_builtins

    from mplp_cli.agents.ailments import ailments
    from mplp_cli.cli.agents import registry_of
    from mplp_cli.cli.showing import note, show
    from mplp_cli.render.agents import doctor_screen
    from mplp_cli.roster import agent_kinds
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.agents import kind_of

    runtime = Runtime(state_dir=state_dir)
    registry = registry_of(runtime, output, no_color=no_color)
    entries = registry.entries()
    known: dict[str, Any] = {
        "agents": [entry.id for entry in entries],
        "budgets": list(runtime.roster.budgets),
        "kinds": agent_kinds(),
    }
    found = []
    for entry in entries if name is None else [registry.find(name)]:
        ill = list(ailments(entry.agent, entry.directory, runtime.environ, **known))
        status = registry.status(entry)
        usable = not ill and status != "unreachable"
        found.append(
            {
                "id": entry.id,
                "kind": kind_of(entry.agent),
                "status": status,
                "usable": usable,
                "ailments": to_builtins(ill),
            }
        )
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document({"agents": found})
    elif found:
        show(lambda theme, width: doctor_screen(found, theme, width), no_color=no_color)
    else:
        note("there are no agents here; `mplp help agents` says how to define one")
    raise typer.Exit(0 if all(one["usable"] for one in found) else 1)
