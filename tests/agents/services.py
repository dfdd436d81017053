"""Services on a loopback port that answer what a test says, and the clients that ask them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Self

import httpx2

from mplp_cli.agents.contract import AgentRequest
from mplp_cli.errors import AgentError
from mplp_cli.protocols import Connect

#: Wall time of the tests: 2026-01-01T00:00:00Z.
NOW = 1_767_225_600_000
TOKEN = "tok-3c9f1e77aa"
ENVIRON = {"LLM_KEY": TOKEN}


class StoppedClock:
    def now(self) -> int:
        return NOW

    def monotonic(self) -> float:
        return 0.0


class Seen:
    """A request as it was on the wire."""

    def __init__(self, head: bytes, body: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = first.split(" ")
        self.headers = {
            line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines if line
        }
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def answer(body: Any = None, status: str = "200 OK", *headers: str, kind: str = "application/json") -> bytes:
    """A response; `body` is JSON unless it is bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", *headers, f"Content-Length: {len(data)}", "", ""]
    return "\r\n".join(lines).encode() + data


class Hang(Exception):  # noqa: N818 (no error: a service that says nothing)
    """Raised by a reply: nothing is answered."""


class Service:
    """Answers with `reply(seen)`; keeps what it was asked. A response without a length ends the connection."""

    def __init__(self, reply: Callable[[Seen], bytes | list[bytes]]) -> None:
        self.reply = reply
        self.seen: list[Seen] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._serving: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        if self._serving:
            await asyncio.wait(self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        serving = asyncio.current_task()
        assert serving is not None
        self._serving.append(serving)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                seen = Seen(head, b"")
                seen.body = await reader.readexactly(int(seen.headers.get("content-length", "0")))
                self.seen.append(seen)
                replied = self.reply(seen)
                pieces = [replied] if isinstance(replied, bytes) else replied
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                if not pieces or b"Content-Length" not in pieces[0]:
                    break
            writer.close()
        except Hang:
            await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def connecting(client: httpx2.AsyncClient) -> Connect:
    async def connect() -> httpx2.AsyncClient:
        return client

    return connect


def open_client() -> httpx2.AsyncClient:
    """As the engine opens them."""
    from mplp_cli.engine.network import open_client as opened

    return opened(deny_private=False)


def mocked(reply: Callable[[httpx2.Request], httpx2.Response]) -> Connect:
    """A client whose answers are given without a wire."""
    return connecting(httpx2.AsyncClient(transport=httpx2.MockTransport(reply), follow_redirects=False))


def request(**fields: Any) -> AgentRequest:
    return AgentRequest(**{"run": "r", "step": "s", "agent": "a", "timeout": 30.0, **fields})


def silent(_text: str) -> None:
    pass


async def refused(work: Awaitable[Any]) -> AgentError:
    """The error that `work` ends with."""
    try:
        got = await work
    except AgentError as error:
        return error
    raise AssertionError(f"no error, but {got!r}")
