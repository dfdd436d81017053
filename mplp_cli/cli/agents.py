"""`mplp agents`, and `mplp agents list`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.agents.registry import Entry, Registry
    from mplp_cli.errors import Problem
    from mplp_cli.runtime import Runtime


def main(
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """List the agents of the project: those that its files define, and those that were registered.

    Examples:

      mplp agents

      mplp agents discover --capability 'plan.*'

      mplp agents doctor
    """
    from mplp_cli.cli.showing import note, show
    from mplp_cli.render.agents import agents_table
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    registry = registry_of(runtime, output, no_color=no_color)
    listed = [summary_of(registry, entry) for entry in registry.entries()]
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document({"agents": listed})
        return
    show_findings(runtime.roster.problems, runtime.roster.texts, no_color=no_color)
    if not listed:
        note("there are no agents here; `mplp help agents` says how to define one")
        return
    now = runtime.clock.now()
    show(lambda theme, width: agents_table(listed, now, theme, width), no_color=no_color)


def registry_of(runtime: Runtime, output: TextOrJson, *, no_color: bool = False) -> Registry:
    """The agents of the project. Where its files are not valid, what is wrong with them is shown, and it ends."""
    from mplp_cli.roster import InvalidAgentsError

    try:
        return runtime.registry
    except InvalidAgentsError as error:
        if output is TextOrJson.json:
            raise
        show_findings(error.problems, error.texts, no_color=no_color)
        raise typer.Exit(2) from None


def show_findings(problems: Sequence[Problem], texts: Mapping[str, bytes], *, no_color: bool) -> None:
    """Findings about files of agents as text on stderr."""
    if problems:
        from mplp_cli.cli.checking import show_texts

        lines = {name: text.decode("utf-8", "replace") for name, text in texts.items()}
        show_texts(problems, lines, no_color=no_color)


def summary_of(registry: Registry, entry: Entry) -> dict[str, Any]:
    """An agent as lists have it."""
    from msgspec import to_builtins

    from mplp_cli.workflow.agents import kind_of

    return {
        **to_builtins(registry.info(entry)),
        "kind": kind_of(entry.agent),
        "name": entry.agent.name,
        "description": entry.agent.description,
        "tags": list(entry.agent.tags),
        "source": entry.source or None,
    }
