"""`mplp agents register`, `unregister` and `heartbeat`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.runtime import Runtime
    from mplp_cli.workflow.agents import AgentDefinition

Name = Annotated[str, typer.Argument(metavar="AGENT", help="The id of an agent.", show_default=False)]


def register(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The definition of one agent, YAML or JSON; `-` for stdin.")
    ],
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Register an agent for all workflows of this state directory. One with the same id is replaced.

    The definition is copied, with the files that it names; relative paths in it start from the file's directory.

    Exit code 2: the file is not valid, or a file of the project defines an agent with that id.

    Example:

      mplp agents register linter.yaml
    """
    from msgspec import to_builtins

    from mplp_cli.cli.agents import registry_of
    from mplp_cli.runtime import Runtime
    from mplp_cli.sources import read_source

    runtime = Runtime(state_dir=state_dir)
    registry = registry_of(runtime, output, no_color=no_color)
    source = read_source(file, sys.stdin.buffer)
    directory = str(source.directory)
    agent = _definition(runtime, source.text, source.name, directory, output, no_color=no_color)
    made = registry.register(agent, directory)
    _publish(runtime, "agent.registered", to_builtins(made))
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document(to_builtins(made))
    else:
        sys.stdout.write(f"{made.agent_id} is registered ({made.id})\n")


def _publish(runtime: Runtime, kind: str, data: dict[str, Any]) -> None:
    """Tell whoever waits for it, and `mplp events`, that the list has changed."""
    from mplp_cli.workflow.published import Published

    event = Published(
        id=runtime.ids.uuid(), type=kind, source="mplp/agents", at=runtime.clock.now(), data=data
    )
    runtime.store.board.publish(event)


def _definition(
    runtime: Runtime, text: bytes, name: str, directory: str, output: TextOrJson, *, no_color: bool
) -> AgentDefinition:
    """The agent that a file defines; what is wrong with it is shown, and the command ends if that is an error."""
    from mplp_cli.cli.agents import show_findings
    from mplp_cli.loading.agents import load_agents
    from mplp_cli.loading.including import on_disk
    from mplp_cli.roster import InvalidAgentsError, beside

    texts = {name: text}
    found, problems = load_agents(
        text, name, directory=directory, read=on_disk, beside=beside(runtime, directory), alone=True
    )
    if found is None and output is TextOrJson.json:
        raise InvalidAgentsError(problems, texts)
    if output is TextOrJson.text:
        show_findings(problems, texts, no_color=no_color)
    if found is None:
        raise typer.Exit(2)
    return found.agents[0]


def unregister(name: Name, output: Output = TextOrJson.text, state_dir: StateDir = None) -> None:
    """Take a registered agent off the list.

    Exit code 2: there is no such agent, or a file of the project defines it.

    Example:

      mplp agents unregister linter
    """
    from mplp_cli.cli.agents import registry_of
    from mplp_cli.runtime import Runtime

    runtime = Runtime(state_dir=state_dir)
    registry_of(runtime, output).unregister(name)
    _publish(runtime, "agent.unregistered", {"agentId": name})
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document({"agentId": name, "status": "unregistered"})
    else:
        sys.stdout.write(f"{name} is not registered any more\n")


def heartbeat(name: Name, output: Output = TextOrJson.text, state_dir: StateDir = None) -> None:
    """Tell that an agent is there. One whose definition has `heartbeat` is not asked when it has missed several.

    Example:

      mplp agents heartbeat crm
    """
    from msgspec import to_builtins

    from mplp_cli.cli.agents import registry_of
    from mplp_cli.runtime import Runtime

    info = registry_of(Runtime(state_dir=state_dir), output).heartbeat(name)
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document(to_builtins(info))
    else:
        sys.stdout.write(f"{name} is {info.status}\n")
