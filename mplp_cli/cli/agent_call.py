"""`mplp agents call` and `mplp agents ping`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_cli.cli.asking import with_agents
from mplp_cli.cli.options import NoColor, Output, StateDir, TextOrJson

if TYPE_CHECKING:
    from mplp_cli.agents.boundary import Agents
    from mplp_cli.agents.contract import AgentResult
    from mplp_cli.errors import AgentError


def call(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="The id of the agent.")],
    given: Annotated[
        str | None,
        typer.Option("--input", "-i", metavar="JSON", help="Data: JSON or YAML, @FILE, or `-` for stdin."),
    ] = None,
    prompt: Annotated[str | None, typer.Option("--prompt", metavar="TEXT", help="Text.")] = None,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Ask an agent once, without a workflow. Its answer is printed.

    Its schemas, limits, repairs and fallbacks count as in a step. What it prints as errors goes to stderr, and so does
    who answered, with which model, and what it has used.

    Exit codes: 1 there is no answer that can be used, 2 there is no such agent or nothing is asked.

    Examples:

      mplp agents call linter --input '{path: README.md}'

      mplp agents call writer --prompt 'Name a colour.' --output json
    """
    from mplp_cli.agents.asking import remark
    from mplp_cli.agents.contract import AgentRequest
    from mplp_cli.cli.agents import registry_of
    from mplp_cli.cli.showing import note, show
    from mplp_cli.errors import InputError
    from mplp_cli.render.values import value_lines
    from mplp_cli.runtime import Runtime

    if given is None and prompt is None:
        raise InputError("nothing is asked", hint="give --input, --prompt or both")
    with Runtime(state_dir=state_dir) as runtime:
        registry_of(runtime, output, no_color=no_color).find(agent)
        request = AgentRequest(
            run=runtime.ids.uuid(),
            step="call",
            agent=agent,
            input=None if given is None else _data(given),
            prompt=prompt,
            idempotency_key=runtime.ids.uuid().replace("-", ""),
        )

        async def ask(agents: Agents) -> AgentResult:
            return await agents.ask(request, lambda text: None)

        result = with_agents(runtime, ask, request.run)
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document(_document(result))
        return
    show(lambda _theme, _width: value_lines(result.output), no_color=no_color)
    note(remark(result))


def ping(
    agents: Annotated[
        list[str] | None, typer.Argument(metavar="[AGENT...]", help="Their ids; all of them without one.")
    ] = None,
    output: Output = TextOrJson.text,
    state_dir: StateDir = None,
    no_color: NoColor = False,
) -> None:
    """Look whether agents could answer, without asking them anything.

    Of a program it is looked whether it is there, of a function whether its module is, of a service whether it
    answers. A server of tools is started, or called, and asked for its tools, which are remembered.

    Exit code 1 if one could not answer.

    Examples:

      mplp agents ping

      mplp agents ping linter writer --output json
    """
    from mplp_cli.cli.agents import registry_of
    from mplp_cli.cli.showing import note
    from mplp_cli.errors import AgentError, Exit
    from mplp_cli.runtime import Runtime

    with Runtime(state_dir=state_dir) as runtime:
        registry = registry_of(runtime, output, no_color=no_color)
        names = [registry.find(name).id for name in agents or ()] or [one.id for one in registry.entries()]

        async def look(asked: Agents) -> dict[str, AgentError | None]:
            found: dict[str, AgentError | None] = {}
            for name in names:
                try:
                    await asked.probe(name)
                    found[name] = None
                except AgentError as error:
                    found[name] = error
            return found

        found = with_agents(runtime, look, runtime.ids.uuid())
        for name, error in found.items():
            if error is None:
                registry.heartbeat(name)
    if output is TextOrJson.json:
        from mplp_cli.render.machine import write_document

        write_document({"agents": [_found(name, error) for name, error in found.items()]})
    else:
        for name, error in found.items():
            note(f"{name}: {'it is there' if error is None else error.message}")
        if not found:
            note("there are no agents here; `mplp help agents` says how to define one")
    if any(found.values()):
        raise typer.Exit(Exit.NO)


def _found(name: str, error: AgentError | None) -> dict[str, Any]:
    if error is None:
        return {"agentId": name, "reachable": True}
    return {"agentId": name, "reachable": False, "code": error.code, "message": error.message}


def _data(text: str) -> Any:
    """The value of `--input`. InputError if it cannot be read."""
    from msgspec import UNSET

    from mplp_cli.errors import InputError
    from mplp_cli.loading.load import read_document
    from mplp_cli.sources import read_source

    source, name = text.encode("utf-8", "surrogateescape"), "--input"
    if text == "-" or text.startswith("@"):
        file = read_source(text.removeprefix("@"), sys.stdin.buffer)
        source, name = file.text, file.name
    reading, _ = read_document(source, name)
    wrong = [problem for problem in reading.problems if problem.severity == "error"]
    if wrong or reading.value is UNSET:
        first = wrong[0]
        raise InputError(f"{name}:{first.line}:{first.column}: {first.message}", hint=first.hint)
    return reading.value


def _document(result: AgentResult) -> dict[str, Any]:
    from msgspec import to_builtins

    usage = None if result.usage is None else to_builtins(result.usage)
    named = {"agentId": result.agent, "model": result.model or None, "finish": result.finish or None}
    return {"output": result.output, **named, "usage": usage}
