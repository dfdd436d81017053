"""A server: its parts put together, begun, and ended in order.

First it stops to accept, and answers what it was asked; then runs finish the steps that are at work, and what was
published is delivered, as long as the grace lasts. A second signal ends it at once: what is stored then is as after a
crash, and the next server goes on with it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from mplp_cli.errors import ServerRunningError, UsageError
from mplp_cli.events.bus import Bus
from mplp_cli.observe.alerting import watch_alerts
from mplp_cli.render.theme import safe
from mplp_cli.running import collect_less
from mplp_cli.sampling import sampling
from mplp_cli.serving.app import make_app
from mplp_cli.serving.binding import address_of, listen, token_of, url_of
from mplp_cli.serving.catalogue import Files, default_places
from mplp_cli.serving.delivery import Delivery
from mplp_cli.serving.fleet import GRACE, LONGEST_QUEUE, MOST_AT_ONCE, Limits, LocalFleet
from mplp_cli.serving.parts import QUEUE, Parts
from mplp_cli.serving.table import OPERATIONS
from mplp_cli.serving.triggering import Triggers
from mplp_cli.sources import read_dotenv

if TYPE_CHECKING:
    from mplp_cli.runtime import Runtime

PORT: Final = 7420
#: Seconds that answers may take once the server stops.
_ANSWERS: Final = 10
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Wanted(Struct, frozen=True, kw_only=True):
    """How a server is to be. `places`: files and directories of workflows; `grace` in seconds."""

    host: str = "127.0.0.1"
    port: int = PORT
    hosts: Sequence[str] = ()
    places: Sequence[Path] = ()
    at_once: int = MOST_AT_ONCE
    queue: int = LONGEST_QUEUE
    events: int = QUEUE
    grace: float = GRACE
    secrets_file: str | None = None


class Begun(Struct, frozen=True, kw_only=True, rename="camel"):
    """A server that listens. `token_file`: where its token stands, null if the environment had it."""

    url: str
    pid: int
    token_file: str | None
    state_dir: str
    workflows: list[str]


def serve(runtime: Runtime, wanted: Wanted, tell: Callable[[Begun], None]) -> None:
    """Serve until a signal comes. `tell` is called when it listens. UsageError, ServerRunningError, StoreError."""
    places = [*wanted.places] or default_places(runtime.cwd)
    catalogue = Files(places, runtime.load, runtime.clock)
    if not catalogue.all():
        listed = ", ".join(map(str, places))
        raise UsageError(
            f"there is no workflow in {listed}", hint="name files or directories with --workflows"
        )
    with listening(wanted.host, wanted.port) as door:
        host, port = address_of(door)
        token, file = token_of(
            runtime.state_dir,
            runtime.environ,
            host,
            lambda: (runtime.ids.uuid() + runtime.ids.uuid()).replace("-", ""),
        )
        url = url_of(host, port)
        with _alone(runtime, url), runtime:
            begun = Begun(
                url=url,
                pid=os.getpid(),
                token_file=None if file is None else str(file),
                state_dir=str(runtime.state_dir),
                workflows=[one.id for one in catalogue.all()],
            )
            names = [*wanted.hosts, url.partition("://")[2].rpartition(":")[0]]
            try:
                asyncio.run(
                    _serve(runtime, wanted, catalogue, _Door(door, token, names, port), lambda: tell(begun))
                )
            finally:
                for text in runtime.traces.close() if runtime.traces is not None else ():
                    _say(text)


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens, until it is left."""
    door = listen(host, port)
    try:
        yield door
    finally:
        door.close()


@contextmanager
def _alone(runtime: Runtime, url: str) -> Iterator[None]:
    """The right to serve this state. ServerRunningError names who has it."""
    from mplp_cli.store.layout import server_path
    from mplp_cli.store.locks import holder_of, try_to_take

    path = server_path(runtime.state_dir)
    lock = try_to_take(path, url, runtime.clock.now())
    if lock is None:
        holder = holder_of(path)
        where = "" if holder is None else f": process {holder.pid} on {holder.by}"
        raise ServerRunningError(
            f"a server serves {runtime.state_dir} already{where}",
            hint="ask that one, or stop it first",
            details={} if holder is None else {"pid": holder.pid, "url": holder.by},
        )
    try:
        yield
    finally:
        lock.release()


class _Door(Struct, frozen=True):
    """What a server listens on, and what opens it."""

    socket: Any
    token: str
    hosts: list[str]
    port: int


async def _serve(
    runtime: Runtime, wanted: Wanted, catalogue: Files, door: _Door, tell: Callable[[], None]
) -> None:
    bus = Bus(runtime.store.board, runtime.store.board.last())
    limits = Limits(at_once=wanted.at_once, queue=wanted.queue, grace=wanted.grace)
    fleet = LocalFleet(runtime=runtime, secrets_file=wanted.secrets_file, limits=limits, tell=_complain)
    parts = Parts(
        runtime=runtime,
        bus=bus,
        catalogue=catalogue,
        fleet=fleet,
        queue=wanted.events,
        secrets=read_dotenv(wanted.secrets_file) if wanted.secrets_file else {},
    )
    http = _uvicorn(make_app(parts, OPERATIONS, token=door.token, hosts=door.hosts, port=door.port))
    try:
        async with (
            _signals(parts.stopping),
            sampling(runtime, f"serve:{os.getpid()}") as watch,
            asyncio.TaskGroup() as tasks,
        ):
            delivery = Delivery(parts, watch)
            bus.subscribe(runtime.tally.heard)
            listens = tasks.create_task(bus.listen())
            delivers = tasks.create_task(delivery.work())
            await delivery.opened.wait()
            works = tasks.create_task(fleet.work())
            fires = tasks.create_task(Triggers(runtime, bus, catalogue, fleet, _say).work())
            watches = tasks.create_task(
                watch_alerts(runtime.settings.alerts, runtime.store, runtime.clock, _say)
            )
            looks = tasks.create_task(parts.vitals.work())
            answers = tasks.create_task(http.serve(sockets=[door.socket]))
            collect_less()
            tell()
            await parts.stopping.wait()
            http.should_exit = True
            await asyncio.wait([answers])
            for task in (looks, watches, fires, works):
                task.cancel()
                await asyncio.wait([task])
            delivery.over.set()
            await asyncio.wait([delivers])
            listens.cancel()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None


def _say(text: str) -> None:
    sys.stderr.write(f"mplp serve: {safe(text)}\n")


def _complain(run: str, error: Exception) -> None:
    _say(f"run {run}: {type(error).__name__}: {error}")


@asynccontextmanager
async def _signals(stopping: asyncio.Event) -> AsyncIterator[None]:
    """The first signal asks for the end, the second one is the end."""
    loop = asyncio.get_running_loop()

    def hear(number: int) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, hear, number)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def _uvicorn(app: Any) -> Any:
    import uvicorn

    from mplp_cli.serving.lines import Line

    class Server(uvicorn.Server):
        """One that leaves signals alone."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    config = uvicorn.Config(
        app,
        http=Line,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_ANSWERS,
    )
    return Server(config)
