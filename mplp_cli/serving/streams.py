"""Server-sent events: published events, or the facts of a run, as they come.

A stream reads what it sends from the store, as far as its reader keeps up; nothing is queued in memory for a slow one.
Who takes nothing for a while is cut off, and goes on with `Last-Event-ID` where it was.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Final

from msgspec import UNSET

from mplp_cli.render.machine import document_bytes, event_object
from mplp_cli.serving.operations import Call, Stream
from mplp_cli.serving.parts import MOST_STREAMS, Parts
from mplp_cli.serving.refusals import RequestError
from mplp_cli.serving.running import run_of
from mplp_cli.workflow.published import cloud_event

#: Seconds between two signs of life, after which nobody reads any more, and between two looks at a run.
HEARTBEAT: Final = 15.0
STALLED: Final = 30.0
LOOK: Final = 0.1
#: Events that are sent together, at most.
_AT_ONCE: Final = 1_000
#: What a reader waits before it asks again, ms.
_AGAIN: Final = 1_000


async def stream_events(call: Call) -> Stream:
    """Published events, each a CloudEvent, with its number as the id."""
    after = _from(call, call.parts.store.board.last())
    wanted = "*" if call.query.type is UNSET else call.query.type
    return _Open(call.parts, lambda: _events(call.parts, after, wanted))


async def stream_facts(call: Call) -> Stream:
    """The facts of a run; the stream ends when nobody drives the run any more."""
    run_id = run_of(call.parts, call.names.run_id).id
    after = _from(call, -1)
    return _Open(call.parts, lambda: _facts(call.parts, run_id, after))


def _from(call: Call, otherwise: int) -> int:
    last, after = call.headers.last, call.query.after
    # A reader that comes back says where it was, at the same address as before.
    return int(last) if last is not UNSET else otherwise if after is UNSET else after


def _message(name: str, number: int | None, document: Any) -> bytes:
    identified = b"" if number is None else b"id: %d\n" % number
    return b"%sevent: %s\ndata: %s\n\n" % (identified, name.encode(), document_bytes(document))


async def _events(parts: Parts, after: int, wanted: str) -> AsyncGenerator[bytes, None]:
    news, board, seen = asyncio.Event(), parts.store.board, after
    leave = parts.bus.subscribe(lambda found: news.set())
    try:
        while True:
            news.clear()
            found, end = board.sift(wanted, seen, _AT_ONCE)
            told = [_message("event", number, cloud_event(event)) for number, event in found]
            if end > seen:
                seen = end
                # Its reader comes back with a number that no power cut may give to another event.
                await parts.bus.sure(seen)
                yield b"".join(told)
                await asyncio.sleep(0)
                continue
            try:
                async with asyncio.timeout(HEARTBEAT):
                    await news.wait()
            except TimeoutError:
                await parts.bus.sure(seen)
                # Also says how far it is: what was passed over need not be looked at again.
                yield b": still here\nid: %d\n\n" % seen
    finally:
        leave()


async def _facts(parts: Parts, run_id: str, after: int) -> AsyncGenerator[bytes, None]:
    quiet = 0.0
    while True:
        # Who drives it comes first: when nobody did, nothing follows what is read now.
        record = run_of(parts, run_id)
        told = []
        for seq, fact in parts.store.history(run_id, after):
            told.append(_message("fact", seq, event_object(seq, run_id, fact)))
            after = seq
            if len(told) == 500:
                break
        if told:
            quiet = 0.0
            yield b"".join(told)
        elif not record.owned and not any(one.run == run_id for one in parts.fleet.runs()):
            yield _message("end", None, {"runId": run_id, "status": record.status})
            return
        else:
            quiet += LOOK
            if quiet >= HEARTBEAT:
                quiet = 0.0
                yield b": still here\n\n"
            await asyncio.sleep(LOOK)


class _Open:
    """One stream: what it sends, until its reader or the server leaves."""

    def __init__(self, parts: Parts, pieces: Callable[[], AsyncGenerator[bytes, None]]) -> None:
        self._parts = parts
        self._pieces = pieces
        if parts.streams >= MOST_STREAMS:
            raise RequestError(429, f"{MOST_STREAMS} streams are open", headers={"Retry-After": "5"})

    async def __call__(self, receive: Any, send: Any) -> None:
        """Send it."""
        self._parts.streams += 1
        try:
            headers = [(b"content-type", b"text/event-stream"), (b"x-accel-buffering", b"no")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(self._send(send))
                leaving = [tasks.create_task(_left(receive)), tasks.create_task(self._parts.stopping.wait())]
                await asyncio.wait([sending, *leaving], return_when=asyncio.FIRST_COMPLETED)
                over = sending.done()
                for task in (sending, *leaving):
                    task.cancel()
            if not over and self._parts.stopping.is_set():
                await _send_in_time(send, _message("stop", None, {"reason": "the server stops"}))
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._parts.streams -= 1

    async def _send(self, send: Any) -> None:
        await send({"type": "http.response.body", "body": b"retry: %d\n\n" % _AGAIN, "more_body": True})
        async with aclosing(self._pieces()) as pieces:
            async for piece in pieces:
                if piece and not await _send_in_time(send, piece):
                    sys.stderr.write(
                        f"mplp serve: a stream is cut off: nothing was read for {STALLED:.0f} seconds\n"
                    )
                    raise ConnectionAbortedError


async def _send_in_time(send: Any, piece: bytes) -> bool:
    try:
        async with asyncio.timeout(STALLED):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    except TimeoutError:
        return False
    return True


async def _left(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
