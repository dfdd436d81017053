"""`mplp agents discover` and `mplp agents capabilities`."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson


class Reach(StrEnum):
    """How agents can stand."""

    active = "active"
    degraded = "degraded"
    unreachable = "unreachable"


def discover(
    capability: Annotated[
        list[str] | None,
        typer.Option(
            "--capability",
            "-c",
            metavar="NAME",
            help="It offers this; a glob such as plan.*; all of several.",
        ),
    ] = None,
    any_of: Annotated[
        list[str] | None,
        typer.Option("--any-of", metavar="NAME", help="It offers one of these."),
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="It has this tag.")] = None,
    kind: Annotated[
        str, typer.Option("--kind", metavar="KIND", help="It is of this kind.", show_default=False)
    ] = "",
    status: Annotated[Reach | None, typer.Option("--status", help="It stands like this.")] = None,
    text: Annotated[
        str,
        typer.Option(
            "--text", metavar="TEXT", help="Part of its id, name or description.", show_default=False
        ),
    ] = "",
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Find agents by what they can do. Everything that is asked for must hold.

    Exit code 1: there is none.

    Examples:

      mplp agents discover --capability 'plan.*' --output json

      mplp agents discover --any-of text.lint --any-of plan.review --status active
    """
    from msgspec import to_builtins

    from mplp_cli.agents.registry import Criteria
    from mplp_cli.cli.agents import registry_of, summary_of
    from mplp_cli.cli.showing import note, show
    from mplp_cli.render.agents import agents_table
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    registry = registry_of(runtime, output, no_color=no_color)
    criteria = Criteria(
        all_of=capability or (),
        any_of=any_of or (),
        tags=tag or (),
        kind=_kind(kind),
        status=status or "",
        text=text,
    )
    found = registry.matching(criteria)
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document({"agents": [to_builtins(registry.info(entry)) for entry in found]})
    elif found:
        listed, now = [summary_of(registry, entry) for entry in found], runtime.clock.now()
        show(lambda theme, width: agents_table(listed, now, theme, width), no_color=no_color)
    else:
        note("no agent fits; `mplp agents` lists them all")
    raise typer.Exit(0 if found else 1)


def _kind(name: str) -> str:
    """A kind of agents that there is. UsageError."""
    if not name:
        return name
    from mplp_cli.errors import UsageError
    from mplp_cli.loading.agent_kinds import kinds
    from mplp_cli.roster import agent_kinds
    from mplp_cli.workflow.suggest import did_you_mean

    known = kinds(agent_kinds())
    if name not in known:
        listing = f"kinds: {', '.join(known)}"
        raise UsageError(f"there is no kind of agent {name!r}", hint=did_you_mean(name, known) or listing)
    return name


def capabilities(
    name: Annotated[str, typer.Argument(metavar="AGENT", help="The id of an agent.", show_default=False)],
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
) -> None:
    """Print what an agent can do, one capability a line.

    One that says it itself is asked if it was not asked before; `mplp agents ping` asks it again.

    Example:

      mplp agents capabilities planner
    """
    from mplp_cli.cli.agents import registry_of
    from mplp_cli.runtime import Runtime

    with Runtime(state_dir=state_dir) as runtime:
        registry = registry_of(runtime, output)
        if registry.find(name).agent.discovers and not registry.capabilities(name):
            from mplp_cli.cli.asking import with_agents

            with_agents(runtime, lambda agents: agents.probe(name), runtime.ids.uuid())
        offered = registry.capabilities(name)
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document({"id": name, "capabilities": offered})
    else:
        sys.stdout.write("".join(f"{capability}\n" for capability in offered))
