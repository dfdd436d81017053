"""From the declaration of a route to what brings events to its target."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, assert_never

from mplp_cli.errors import InputError, StoreError, UsageError
from mplp_cli.events.contract import Sender
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
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.suggest import did_you_mean

if TYPE_CHECKING:
    from mplp_cli.events.senders.agent import Ask
    from mplp_cli.events.senders.command import RunCommand
    from mplp_cli.events.senders.workflow import Start

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
    #: Waits until the disk has the event of a number. StoreError if that is not certain.
    sure: Callable[[int], Awaitable[None]]
    #: The ids of those that can be asked.
    agents: Collection[str] = ()
    #: The variables that every program gets.
    environ: Mapping[str, str] = field(default_factory=dict)
    #: The values of the secrets that routes name, by name, and what takes them out of a text.
    secrets: Mapping[str, str] = field(default_factory=dict)
    mask: Callable[[str], str] = lambda text: text
    #: The device that holds the store.
    near: int | None = None
    #: Stands before the names of routes that are not the project's: `run:ID/`.
    scope: str = ""
    #: How many runs, each started by an event, have led to this one.
    depth: Callable[[Published], int] = lambda event: 0


#: Those that need not wait until the disk has the event: a run is in the journal behind it, and a file is on this
#: machine; of functions it is said in the manual.
_NEAR: Final = (FileTarget, HandlerTarget, WorkflowTarget)
#: Seconds until a disk that has failed is asked again.
_AGAIN: Final = 1.0


class _Far:
    """A sender that is used once the disk has the event: a `FarSender`."""

    at_most = 1

    def __init__(self, inner: Sender, sure: Callable[[int], Awaitable[None]]) -> None:
        assert inner.at_most == self.at_most
        self.send, self._sure = inner.send, sure

    async def until_sure(self, number: int) -> None:
        while True:
            with suppress(StoreError):
                await self._sure(number)
                return
            await asyncio.sleep(_AGAIN)


def sender_of(route: Route, tools: Tools) -> Sender:
    """The sender of a route. UsageError if its target cannot be used at all."""
    check_secrets([route], tools.secrets)
    try:
        sender = _sender(route, tools)
        return sender if isinstance(route.target, _NEAR) else _Far(sender, tools.sure)
    except UsageError as error:
        raise UsageError(f"route `{route.id}`: {error.message}", hint=error.hint) from error
    except DeclarationError as error:
        raise UsageError(f"route `{route.id}`: {error.message}", hint=error.hint or None) from error


def _sender(route: Route, tools: Tools) -> Sender:
    # Each is loaded when a route needs it: `mplp run` should not wait for any of them.
    match route.target:
        case FileTarget() as target:
            from mplp_cli.events.senders.file import FileSender

            return FileSender(target, tools.near)
        case CommandTarget() as target:
            from mplp_cli.events.senders.command import CommandSender

            return CommandSender(route.id, target, tools.run_command, tools.environ, tools.secrets)
        case WebhookTarget() as target:
            from mplp_cli.events.senders.webhook import WebhookSender

            return WebhookSender(target, tools.connect, tools.clock, tools.secrets, tools.mask)
        case WorkflowTarget() as target:
            from mplp_cli.events.senders.workflow import WorkflowSender

            return WorkflowSender(tools.scope + route.id, target, tools.start, tools.depth)
        case AgentTarget() as target:
            from mplp_cli.events.senders.agent import AgentSender

            if target.agent not in tools.agents:
                hint = did_you_mean(target.agent, tools.agents) or "`mplp agents` lists those that there are"
                raise UsageError(f"there is no agent `{target.agent}`", hint=hint)
            return AgentSender(tools.scope + route.id, target, tools.ask, route.timeout)
        case HandlerTarget() as target:
            from mplp_cli.events.senders.handler import HandlerSender, find_handler

            return HandlerSender(target, find_handler(target.handler))
        case other:
            assert_never(other)


# ---- secrets -----------------------------------------------------------------------------------


def secrets_named_by(route: Route) -> list[str]:
    """The variables that a route takes secrets from, each once."""
    match route.target:
        case WebhookTarget(secret=secret, secret_headers=others):
            names = [*([secret] if secret else []), *others.values()]
        case CommandTarget(env=env):
            names = [name for text in env.values() for name in variables_in(text)]
        case _:
            names = []
    return list(dict.fromkeys(names))


def check_secrets(routes: Iterable[Route], values: Mapping[str, str]) -> None:
    """InputError says which secrets have no value, or one too short, and which route names them."""
    wanted: dict[str, list[str]] = {}
    for route in routes:
        for name in secrets_named_by(route):
            wanted.setdefault(name, []).append(f"`{route.id}`")
    listed = {name: f"{name} (route {', '.join(wanted[name])})" for name in wanted}
    if missing := [name for name in wanted if not values.get(name)]:
        raise InputError(
            f"missing secrets of event routes: {', '.join(listed[name] for name in missing)}",
            hint="set them in the environment",
            details={"missing": missing},
        )
    if short := [name for name in wanted if len(values[name]) < _SHORTEST]:
        raise InputError(
            f"secrets shorter than {_SHORTEST} characters cannot be masked:"
            f" {', '.join(listed[name] for name in short)}",
            details={"short": short},
        )
