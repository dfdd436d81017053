"""A server's application in this process, with a store in memory, and somebody who asks it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mplp_cli.events.bus import Bus
from mplp_cli.runtime import Runtime
from mplp_cli.serving.app import make_app
from mplp_cli.serving.catalogue import Files
from mplp_cli.serving.fleet import LocalFleet
from mplp_cli.serving.parts import Parts
from mplp_cli.serving.table import OPERATIONS
from mplp_cli.serving.triggering import Triggers

TOKEN = "the-token-of-the-test"
PORT = 7420

GREETS = """\
workflow:
  id: greets
  name: Greets
  version: 1.0.0
  inputs: {who: {type: string, default: world}}
  steps: [{id: greet, type: set, values: {said: "hello ${inputs.who}"}}]
  outputs: {said: "${greet.result.said}"}
"""
ASKS = """\
workflow:
  id: asks
  name: Asks
  version: 1.0.0
  steps:
    - {id: sure, type: approval, message: Are you sure?, inputs: {tag: {type: string}}}
    - {id: after, type: set, dependencies: [sure], values: {tag: "${sure.result.inputs.tag}"}}
"""


@dataclass
class Answered:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.document["error"]["type"])


@dataclass
class Inside:
    """An application and its parts."""

    app: Any
    parts: Parts

    async def ask(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        token: str | None = TOKEN,
    ) -> Answered:
        """One request; a `body` that is no bytes is sent as JSON."""
        sent = {"host": f"127.0.0.1:{PORT}"}
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if raw:
            sent |= {"content-type": "application/json", "content-length": str(len(raw))}
        sent |= headers or {}
        answer = Answered(0, {}, b"")

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                answer.body += message["body"]

        await self.app(scope_of(method, target, sent), _coming(raw), send)
        return answer

    async def until_ended(self, run_id: str) -> Any:
        """The document of a run, once it has ended."""
        return await self.until(
            f"/api/v1/runs/{run_id}", lambda told: told["status"] in ("completed", "failed", "cancelled")
        )

    async def until(self, target: str, fits: Callable[[Any], bool]) -> Any:
        """The document there, once it is as it should be."""
        async with asyncio.timeout(20):
            while not fits(found := (await self.ask("GET", target)).document):  # noqa: ASYNC110 - it asks each time
                await asyncio.sleep(0.005)
        return found


def scope_of(method: str, target: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """A request as a server hands it on."""
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
    }


def _coming(body: bytes) -> Any:
    pieces = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        if pieces:
            return pieces.pop()
        await asyncio.get_running_loop().create_future()
        return None

    return receive


@asynccontextmanager
async def inside(directory: Path, *, triggers: bool = False, **environ: str) -> AsyncIterator[Inside]:
    """A server that drives runs, without its socket."""
    runtime = Runtime(start=directory, ephemeral=True, environ={"PATH": "/usr/bin:/bin", **environ})
    bus = Bus(runtime.store.board, 0)
    fleet = LocalFleet(runtime=runtime)
    parts = Parts(
        runtime=runtime, bus=bus, catalogue=Files([directory], runtime.load, runtime.clock), fleet=fleet
    )
    app = make_app(parts, OPERATIONS, token=TOKEN, hosts=(), port=PORT)
    with runtime:
        async with asyncio.TaskGroup() as tasks:
            works = [fleet.work(), bus.listen()]
            if triggers:
                works.append(Triggers(runtime, bus, parts.catalogue, fleet).work())
            work = [tasks.create_task(one) for one in works]
            yield Inside(app, parts)
            for task in work:
                task.cancel()
