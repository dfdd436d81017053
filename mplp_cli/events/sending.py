"""From the declaration of a route to what brings events to its target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from mplp_cli.errors import InputError, UsageError
from mplp_cli.events.contract import Sender
from mplp_cli.events.senders.agent import Ask
from mplp_cli.events.senders.command import RunCommand
from mplp_cli.events.senders.workflow import Start
from mplp_cli.protocols import Clock, Connect
from mplp_cli.workflow.agents import variables_in
from mplp_cli.workflow.events.judging import DeclarationError
from mplp_cli.workflow.events.routes import (
    AgentTarget,
    CommandTarget,
    FileTarget,
    HandlerTarget,
    Route,
    WebhookTarget,
    WorkflowTarget,
)

#: Characters of the shortest text that signs, or lets somebody in.
_SHORTEST = 4


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What senders need of the rest."""

    clock: Clock
    #: The client for requests, which keeps to the policy of the machine.
    connect: Connect
    run_command: RunCommand
    start: Start
    ask: Ask
    #: The variables that every program gets.
    environ: Mapping[str, str] = field(default_factory=dict)
    #: The values of the secrets that routes name, by name, and what takes them out of a text.
    secrets: Mapping[str, str] = field(default_factory=dict)
    mask: Callable[[str], str] = lambda text: text
    #: Stands before the names of routes that are not the project's: `run:ID/`.
    scope: str = ""


def sender_of(route: Route, tools: Tools) -> Sender:
    """The sender of a route. UsageError if its target cannot be used at all."""
    try:
        return _sender(route, tools)
    except UsageError as error:
        raise UsageError(f"route `{route.id}`: {error.message}", hint=error.hint) from error
    except DeclarationError as error:
        raise UsageError(f"route `{route.id}`: {error.message}", hint=error.hint or None) from error


def _sender(route: Route, tools: Tools) -> Sender:
    # Each is loaded when a route needs it: `mplp run` should not wait for any of them.
    match route.target:
        case FileTarget() as target:
            from mplp_cli.events.senders.file import FileSender

            return FileSender(target)
        case CommandTarget() as target:
            from mplp_cli.events.senders.command import CommandSender

            return CommandSender(route.id, target, tools.run_command, tools.environ, tools.secrets)
        case WebhookTarget() as target:
            from mplp_cli.events.senders.webhook import WebhookSender

            return WebhookSender(target, tools.connect, tools.clock, tools.secrets, tools.mask)
        case WorkflowTarget() as target:
            from mplp_cli.events.senders.workflow import WorkflowSender

            return WorkflowSender(tools.scope + route.id, target, tools.start)
        case AgentTarget() as target:
            from mplp_cli.events.senders.agent import AgentSender

            return AgentSender(tools.scope + route.id, target, tools.ask, route.timeout)
        case HandlerTarget() as target:
            from mplp_cli.events.senders.handler import HandlerSender, find_handler

            return HandlerSender(target, find_handler(target.handler))
        case other:
            assert_never(other)


# ---- secrets -----------------------------------------------------------------------------------


def secrets_named_by(route: Route) -> list[str]:
    """The names of the variables that a route takes secrets from, or whose values it puts into texts, each once."""
    names: list[str] = []
    match route.target:
        case WebhookTarget(url=url, secret=secret, headers=headers, secret_headers=others):
            names = [secret] if secret else []
            names += [name for text in (url, *headers.values()) for name in variables_in(text)]
            names += others.values()
        case CommandTarget(env=env):
            names = [name for text in env.values() for name in variables_in(text)]
        case _:
            pass
    return list(dict.fromkeys(names))


def read_secrets_of(routes: Iterable[Route], environ: Mapping[str, str]) -> dict[str, str]:
    """Name -> value of all that the routes name. InputError says what is missing, and which route names it."""
    wanted: dict[str, list[str]] = {}
    for route in routes:
        for name in secrets_named_by(route):
            wanted.setdefault(name, []).append(f"`{route.id}`")
    if missing := [name for name in wanted if not environ.get(name)]:
        listed = ", ".join(f"{name} (route {', '.join(wanted[name])})" for name in missing)
        raise InputError(
            f"missing secrets of event routes: {listed}",
            hint="set them in the environment; nothing is delivered before they are there",
            details={"missing": missing},
        )
    found = {name: environ[name] for name in wanted}
    if short := [name for name, value in found.items() if len(value) < _SHORTEST]:
        raise InputError(
            f"secrets shorter than {_SHORTEST} characters cannot be masked: {', '.join(short)}",
            details={"short": short},
        )
    return found
