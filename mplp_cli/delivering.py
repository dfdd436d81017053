"""Delivering what is published: the bus, the dispatcher and what its senders need, put together for one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mplp_cli.errors import WorkflowValidationError
from mplp_cli.events.bus import Bus
from mplp_cli.events.causes import depth_of
from mplp_cli.events.correlating import Correlating
from mplp_cli.events.dispatch import PROJECT, Dispatcher, Scope
from mplp_cli.events.sending import Tools, check_secrets, secrets_named_by, sender_of
from mplp_cli.events.signing import PREFIX
from mplp_cli.protocols import Ended
from mplp_cli.workflow.events.routes import AgentTarget, Route, Routing
from mplp_cli.workflow.events.rules import CorrelationRule
from mplp_cli.workflow.masking import Masker
from mplp_cli.workflow.published import Cause
from mplp_cli.workflow.values import Json, RunId

if TYPE_CHECKING:
    from mplp_cli.agents.boundary import Agents
    from mplp_cli.engine.workplace import Workplace
    from mplp_cli.events.senders.command import RunCommand
    from mplp_cli.events.senders.workflow import Start
    from mplp_cli.runtime import Run, Runtime

#: Seconds for which what was published is still delivered when the work is done that it was opened for.
PATIENCE: Final = 5.0
#: Seconds between SIGTERM and SIGKILL for programs.
_GRACE: Final = 5.0
#: What the marks of programs begin with, in place of the id of a run.
_MARK: Final = "events"


@dataclass(frozen=True, kw_only=True)
class Delivering:
    """What delivers, while it is open."""

    bus: Bus
    dispatcher: Dispatcher
    correlating: Correlating


@asynccontextmanager
async def delivering(  # noqa: PLR0913 - all that may differ from one process to another
    runtime: Runtime,
    routing: Routing,
    *,
    start: Start | None = None,
    patience: float = PATIENCE,
    strict: bool = True,
    secrets: Mapping[str, str] | None = None,
    scope: Scope = PROJECT,
    rules: Sequence[CorrelationRule] = (),
    bus: Bus | None = None,
) -> AsyncIterator[Delivering | None]:
    """Deliver in this process and loop what is published from now on, and what is left of before; `rules` find what of
    it belongs together.

    None, and nothing is opened, if there are no routes and rules or another process of this state delivers. At the end
    it waits `patience` seconds at most until all is delivered; what is left, the next process delivers. `start` starts
    the runs that routes and rules ask for; without it each gets a process of its own. Another `scope` than the
    project's needs no right. `bus`: one that somebody else has, and lets listen.

    `strict`: UsageError if the secret, the agent or another target of a route cannot be used, before anything is
    delivered; else such a route stands still, and says why (`Dispatcher.progress`). `secrets`: values that are not, or
    are other than, in the environment. StoreError.
    """
    wanted = bool(routing.routes or rules)
    right = runtime.store.deliveries.own() if wanted and not scope.name else None
    if not wanted or (right is None and not scope.name):
        yield None
        return
    async with AsyncExitStack() as stack:
        if right is not None:
            stack.enter_context(right)
        store, listens = runtime.store, bus is None
        bus = Bus(store.board, store.board.last()) if bus is None else bus
        tools = await stack.enter_async_context(
            open_tools(runtime, routing.routes, bus.sure, start=start, secrets=secrets, scope=scope.name)
        )
        send = partial(sender_of, tools=tools)
        if strict:
            check_secrets(routing.routes, tools.secrets)
            _ = [send(route) for route in routing.routes]
        dispatcher = Dispatcher(routing, store, send, runtime.clock, runtime.ids.fraction, bus.heard, scope)
        stack.callback(bus.subscribe(dispatcher.hear, dispatcher.hand_over))
        correlating = Correlating(rules, store, bus, runtime.clock, tools.start, scope.begin)
        try:
            async with asyncio.TaskGroup() as tasks:
                works = [dispatcher.work(), *([bus.listen()] if listens else ())]
                works += [correlating.work()] if rules else []
                working = [tasks.create_task(work) for work in works]
                yield Delivering(bus=bus, dispatcher=dispatcher, correlating=correlating)
                while bus.look():
                    pass
                if rules:
                    await correlating.drain(patience)
                await dispatcher.drain(patience)
                for task in working:
                    task.cancel()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None


@asynccontextmanager
async def open_tools(
    runtime: Runtime,
    routes: Sequence[Route],
    sure: Callable[[int], Awaitable[None]],
    *,
    start: Start | None = None,
    secrets: Mapping[str, str] | None = None,
    scope: str = "",
) -> AsyncIterator[Tools]:
    """What the senders of these routes need, as `delivering` is given it; what they have started ends with it. `sure`
    waits until the disk has the event of a number."""
    from mplp_cli.agents.adapters.command import ALWAYS
    from mplp_cli.asking import project_agents
    from mplp_cli.engine.guardian import Guardian
    from mplp_cli.engine.steps.http import Connections
    from mplp_cli.engine.workplace import Workplace, attempt_mark

    named = {name for route in routes for name in secrets_named_by(route)}
    known = {**runtime.environ, **(secrets or {})}
    values = {name: known[name] for name in sorted(named & known.keys())}
    masker = Masker(_hidden(values))
    owner = runtime.ids.uuid()[:8]
    guardian = Guardian(attempt_mark(_MARK, owner))
    workplace = Workplace(log_dir=Path(), grace=_GRACE, owner=owner, guardian=guardian)
    connections = Connections(deny_private=runtime.settings.deny_private)
    async with AsyncExitStack() as stack:
        stack.callback(guardian.close)
        stack.push_async_callback(connections.aclose)
        agents, run = None, runtime.ids.uuid()
        if any(isinstance(route.target, AgentTarget) for route in routes):
            agents = await stack.enter_async_context(project_agents(runtime, run, _drop))
        yield Tools(
            clock=runtime.clock,
            connect=connections.client,
            run_command=_run_command(runtime, workplace, masker),
            start=start or partial(start_apart, runtime),
            ask=partial(_ask, agents, run),
            sure=sure,
            agents=() if agents is None else agents[0].definitions,
            environ={name: runtime.environ[name] for name in ALWAYS if name in runtime.environ},
            secrets=values,
            mask=masker.text,
            near=_device(runtime.state_dir),
            scope=scope,
            depth=partial(depth_of, runtime.store),
        )


def _device(directory: Path) -> int | None:
    """The device of a directory, None if there is no such directory."""
    try:
        return directory.stat().st_dev
    except FileNotFoundError:
        return None


def _hidden(secrets: Mapping[str, str]) -> dict[str, str]:
    """What is masked: each of several keys in one secret, too, also without what it begins with."""
    words = {word for value in secrets.values() for word in value.split()}
    return {word: word for word in {*secrets.values(), *words, *(one.removeprefix(PREFIX) for one in words)}}


def _run_command(runtime: Runtime, workplace: Workplace, masker: Masker) -> RunCommand:
    from mplp_cli.engine.programs import run_aside
    from mplp_cli.engine.workplace import attempt_mark

    async def run(argv: list[str], stdin: str, *, env: Mapping[str, str], cwd: str) -> Ended:
        # Each has a mark of its own: who is stopped takes nobody else along.
        mark = attempt_mark(_MARK, workplace.owner, "route", runtime.ids.uuid())
        return await run_aside(argv, stdin, env=env, cwd=cwd, mark=mark, masker=masker, workplace=workplace)

    return run


# ---- runs --------------------------------------------------------------------------------------


async def start_apart(
    runtime: Runtime, file: str, inputs: Mapping[str, Json], run_id: RunId, cause: Cause
) -> None:
    """Store a run and leave it to a process of its own: a `Start`."""
    from mplp_cli.loading import resolve_inputs
    from mplp_cli.running import Screen
    from mplp_cli.sources import read_secrets, read_source

    known = next((one for one in runtime.store.find_runs(run_id) if one.id == run_id), None)
    if known is not None:
        if known.owned or known.status not in ("pending", "running"):
            return
        # It was stored, and then this process, or the one that it was left to, was lost.
        run = runtime.take_up(run_id, Screen())
        await _leave(runtime, run)
        return
    source = read_source(file)
    loaded = runtime.load(source)
    if loaded.workflow is None or loaded.plan is None:
        raise WorkflowValidationError(loaded.problems)
    resolved = resolve_inputs(loaded.workflow, inputs)
    secrets = read_secrets(loaded.plan.secrets, runtime.environ, None)
    run = runtime.start(source, loaded.plan, resolved, secrets, Screen(), cause=cause, run_id=run_id)
    await _leave(runtime, run)


async def _leave(runtime: Runtime, run: Run) -> None:
    from mplp_cli.leaving import hand_over

    try:
        await hand_over(runtime, run.state.run_id, dict(run.drive.world.secrets))
    finally:
        run.leave()


# ---- agents ------------------------------------------------------------------------------------


async def _ask(
    opened: tuple[Agents, Path] | None, run: RunId, agent: str, given: Json, *, key: str, seconds: float
) -> None:
    """Ask an agent of the project: an `Ask`, but for what was opened for it."""
    from mplp_cli.agents.contract import AgentRequest

    assert opened is not None  # nobody has a sender who names an agent that is not there
    agents, folder = opened
    request = AgentRequest(run=run, step=key, agent=agent, input=given, timeout=seconds, idempotency_key=key)
    try:
        await agents.ask(request, lambda text: None)
    finally:
        _clear(folder, key)


def _clear(folder: Path, key: str) -> None:
    """What the process of a call has left is kept by nobody; the next call has a name of its own."""
    for file in folder.glob(f"{key}.*"):
        file.unlink(missing_ok=True)


def _drop(step: str, stream: str, text: str) -> None:
    """What programs of agents say beside the answer is kept by nobody."""
