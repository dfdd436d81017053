"""`mplp interfaces`, and `mplp interfaces list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.modules.activation import Activator
    from mplp_cli.runtime import Runtime


def main(
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """List the reserved interfaces, inert or taken over by agents.

    Examples:

      mplp interfaces

      mplp interfaces activate plan

      mplp interfaces call plan.generatePlanSuggestions --input '{goal: a release}'
    """
    from mplp_cli.cli.showing import show
    from mplp_cli.render.interfaces import interfaces_table
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    listed = activator_of(runtime, output, no_color=no_color).interfaces()
    if output is TextOrJson.json:
        from msgspec import to_builtins

        from mplp_cli.render.machine import write_document

        write_document({"interfaces": to_builtins(listed)})
        return
    show(lambda theme, width: interfaces_table(listed, theme, width), no_color=no_color)


def activator_of(runtime: Runtime, output: TextOrJson, *, no_color: bool = False) -> Activator:
    """What activates interfaces here, with the agents of the project; findings about their files are shown. A
    question makes no store."""
    from mplp_cli.cli.agents import registry_of, show_findings
    from mplp_cli.cli.showing import stored
    from mplp_cli.modules.activation import Activator
    from mplp_cli.protocols import Candidate
    from mplp_cli.requesting import user_name
    from mplp_cli.store.switchboard import MemorySwitchboard

    registry = registry_of(runtime, output, no_color=no_color)
    if output is TextOrJson.text:
        show_findings(runtime.roster.problems, runtime.roster.texts, no_color=no_color)
    store = stored(runtime)
    return Activator(
        modules=runtime.modules,
        switchboard=MemorySwitchboard() if store is None else store.switchboard,
        clock=runtime.clock,
        activation=runtime.roster.activation,
        candidates=[
            Candidate(
                id=entry.id,
                capabilities=entry.agent.capabilities,
                tags=entry.agent.tags,
                status=registry.status(entry),
            )
            for entry in registry.entries()
        ],
        by=user_name(),
    )
