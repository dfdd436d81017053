"""Why an agent cannot be used here: what is missing on this machine. Nothing is started, imported or asked."""

from __future__ import annotations

import ast
import os
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping
from importlib.machinery import PathFinder
from pathlib import Path

from msgspec import Struct

from mplp_cli.agents.extras import missing_extra
from mplp_cli.protocols import AgentKinds
from mplp_cli.workflow.agents import (
    A2aAgent,
    AgentDefinition,
    CommandAgent,
    HttpAgent,
    McpAgent,
    MockAgent,
    OpenAIAgent,
    PluggedAgent,
    PythonAgent,
    filled,
    kind_of,
    variables_of,
)
from mplp_cli.workflow.suggest import did_you_mean


class Ailment(Struct, frozen=True, kw_only=True):
    """One reason why calls of an agent would fail. `code` is stable."""

    code: str
    message: str
    hint: str


def ailments(
    agent: AgentDefinition,
    directory: str,
    environ: Mapping[str, str],
    *,
    agents: Collection[str] = (),
    budgets: Collection[str] = (),
    kinds: AgentKinds | None = None,
) -> Iterator[Ailment]:
    """Every reason that can be found without asking anybody. `agents` and `budgets` are the names that there are,
    `kinds` those that packages bring along."""
    if missing := missing_extra(kind_of(agent)):
        yield _ailment("extra-missing", *missing)
    match agent:
        case PythonAgent():
            yield from _function(agent.entrypoint, directory)
        case CommandAgent():
            yield from _command(agent, directory, environ)
        case HttpAgent() | OpenAIAgent() | A2aAgent():
            yield from _endpoint(agent, environ)
        case McpAgent(command=[]):
            yield from _endpoint(agent, environ)
        case McpAgent():
            yield from _command(agent, directory, environ)
        case PluggedAgent():
            for _, said in kinds.misfits(agent.of, agent.options) if kinds is not None else ():
                yield _ailment(
                    "kind-unusable", said, "mend the package of that kind, or the agent's `options`"
                )
        case MockAgent():
            if not agent.script and not agent.has_default:
                yield _ailment("mock-silent", "it has no answer", "write `script` or `default`")
    for name in agent.fallback:
        if name not in agents:
            hint = did_you_mean(name, agents) or "`mplp agents list` shows them"
            yield _ailment("fallback-unknown", f"it falls back to `{name}`, which is not there", hint)
    if agent.budget and agent.budget not in budgets:
        hint = did_you_mean(agent.budget, budgets) or "define it under `budgets` of the project's agents file"
        yield _ailment("budget-unknown", f"there is no budget `{agent.budget}`", hint)


def is_program(program: str, cwd: str, directory: str, environ: Mapping[str, str]) -> bool:
    """Whether the first item of a command is a program; one with a `/` is looked for from its working directory."""
    if "/" in program:
        path = Path(directory, cwd, program)
        return path.is_file() and os.access(path, os.X_OK)
    return shutil.which(program, path=environ.get("PATH", os.defpath)) is not None


def _ailment(code: str, message: str, hint: str) -> Ailment:
    return Ailment(code=code, message=message, hint=hint)


def _command(agent: CommandAgent | McpAgent, directory: str, environ: Mapping[str, str]) -> Iterator[Ailment]:
    if agent.cwd and not Path(directory, agent.cwd).is_dir():
        hint = f"it is looked for from {directory}"
        yield _ailment("cwd-missing", f"there is no directory `{agent.cwd}`", hint)
    program = agent.command[0]
    if not is_program(program, agent.cwd, directory, environ):
        place = Path(directory, agent.cwd) if "/" in program else "the directories of PATH"
        hint = f"it is looked for in {place}; install it, or correct `command`"
        yield _ailment("command-missing", f"there is no program `{program}`", hint)


def _endpoint(
    agent: HttpAgent | OpenAIAgent | McpAgent | A2aAgent, environ: Mapping[str, str]
) -> Iterator[Ailment]:
    unset = [name for name in variables_of(agent) if not environ.get(name)]
    for name in unset:
        what = "its token" if name == agent.bearer_env else "a part of its definition"
        hint = f"it holds {what}: export {name}=..."
        yield _ailment("variable-unset", f"the variable `{name}` is not set", hint)
    try:
        endpoint = filled(agent.endpoint, environ)
    except KeyError:
        return
    if not unset and not endpoint.lower().startswith(("http://", "https://")):
        hint = "it begins with http:// or https://"
        yield _ailment("endpoint-invalid", f"`{endpoint}` is no address that can be asked", hint)


def _function(entrypoint: str, directory: str) -> Iterator[Ailment]:
    """A function that is not there; looked for in the text of its module, which is not run."""
    module, _, function = entrypoint.partition(":")
    origin: str | None = None
    path: list[str] | None = [directory, *sys.path]
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        spec = PathFinder.find_spec(name, path)
        if spec is None and (name in sys.builtin_module_names or name in sys.stdlib_module_names):
            return
        if spec is None:
            hint = f"it is looked for in {directory}, then where Python looks"
            yield _ailment("entrypoint-missing", f"there is no module `{name}`", hint)
            return
        origin, inner = spec.origin, spec.submodule_search_locations
        path = list(inner) if inner is not None else []
    names = _defined_in(origin)
    if names is not None and (first := function.partition(".")[0]) not in names:
        hint = did_you_mean(first, names) or f"define it in {origin}"
        yield _ailment("entrypoint-missing", f"`{module}` has no function `{function}`", hint)


def _defined_in(origin: str | None) -> set[str] | None:
    """The names that a module's text defines; None if that cannot be told from the text."""
    if origin is None or not origin.endswith(".py"):
        return None
    try:
        tree = ast.parse(Path(origin).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.alias(name="*"):
                return None
            case ast.alias(name=name, asname=alias):
                names.add(alias or name.partition(".")[0])
            case _:
                pass
    return None if "__getattr__" in names else names
