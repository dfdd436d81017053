"""Connections on which nothing is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from mplp_cli.serving import lines


async def says_ok(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def listening() -> AsyncIterator[int]:
    """The port of a server."""
    config, state = uvicorn.Config(says_ok, http=lines.Line, lifespan="off", log_config=None), ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: lines.Line(config, state, {}), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


HALF, REST = b"GET / HTTP/1.1\r\nhost", b": x\r\n\r\n"


def test_a_connection_ends_on_which_no_whole_request_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "PATIENCE", 0.2)

    async def use() -> None:
        async with listening() as port, asyncio.timeout(20):
            for before, said in ((b"", b""), (b"", HALF), (HALF + REST, HALF)):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(before)
                if before:
                    await reader.readuntil(b"ok")
                writer.write(said)
                assert await reader.read() == b""
                writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for part in (HALF, REST, HALF, REST):
                writer.write(part)
                if part == REST:
                    assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 ")
            writer.close()

    asyncio.run(use())


def test_a_connection_too_many_is_closed_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_OPEN", 2)

    async def use() -> None:
        async with listening() as port, asyncio.timeout(20):
            pairs = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            assert await pairs[2][0].read() == b""
            for reader, writer in pairs[:2]:
                writer.write(HALF + REST)
                assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 ")
            for _, writer in pairs:
                writer.close()

    asyncio.run(use())
