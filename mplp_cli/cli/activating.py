"""`mplp interfaces activate` and `mplp interfaces deactivate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.agents.boundary import Agents
    from mplp_cli.modules.activation import ActivationResult, Activator
    from mplp_cli.runtime import Runtime

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[MODULE...]", help="Such as plan; all of them without one.", show_default=False),
]


def activate(
    modules: Names = None,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Let agents take over the reserved interfaces of modules, for every later run of this state directory.

    Who takes over which is said under `activation` in agents.yaml; for the others it is whoever offers the capability
    that belongs to an interface. It is looked whether the agents could answer; none of them is asked anything. Where
    one cannot be reached, its module stays as it was, and the others go on.

    Exit codes: 1 a module failed, 2 there is no such module or a file of agents is not valid.

    Examples:

      mplp interfaces activate

      mplp interfaces activate plan confirm --output json
    """
    from mplp_cli.cli.interfaces import activator_of
    from mplp_cli.runtime import Runtime

    with Runtime(state_dir=state_dir) as runtime:
        assert runtime.store is not None  # a change makes the state, if there is none
        activator = activator_of(runtime, output, no_color=no_color)
        result = activate_now(runtime, activator, modules or [])
    _tell(result, output, no_color=no_color)


def deactivate(
    modules: Names = None,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Put the inert interfaces of modules back.

    Example:

      mplp interfaces deactivate plan
    """
    from mplp_cli.cli.interfaces import activator_of
    from mplp_cli.runtime import Runtime

    with Runtime(state_dir=state_dir) as runtime:
        result = activator_of(runtime, output, no_color=no_color).deactivate(modules or [])
    _tell(result, output, no_color=no_color)


def activate_now(runtime: Runtime, activator: Activator, modules: list[str]) -> ActivationResult:
    """Activate the interfaces of these modules, of all if none is named, with the agents that can be reached."""
    from mplp_cli.cli.asking import with_agents
    from mplp_cli.errors import AgentError

    registry = runtime.registry

    async def work(agents: Agents) -> ActivationResult:
        async def probe(name: str) -> None:
            known = {entry.id: entry for entry in registry.entries()}
            if name in known and registry.status(known[name]) == "unreachable":
                raise AgentError("agent.unavailable", f"agent `{name}` has missed its heartbeats", agent=name)
            await agents.probe(name)
            registry.heartbeat(name)

        return await activator.activate(modules, probe)

    return with_agents(runtime, work, runtime.ids.uuid())


def _tell(result: ActivationResult, output: TextOrJson, *, no_color: bool) -> None:
    from mplp_cli.cli.showing import note, show
    from mplp_cli.errors import Exit
    from mplp_cli.render.interfaces import activation_table

    if output is TextOrJson.json:
        from msgspec import to_builtins

        from mplp_cli.render.machine import write_document

        write_document(to_builtins(result))
    elif result.module_results is None:
        note(
            f"skipped ({result.reason}): there are no agents, or none can be reached; `mplp agents` lists them"
        )
    else:
        show(lambda theme, width: activation_table(result, theme, width), no_color=no_color)
    if any(one.status == "failed" for one in result.module_results or ()):
        raise typer.Exit(Exit.NO)
