"""What is said to a remote agent, and how its task is followed.

Imported with the first call of such an agent: it needs the extra `a2a`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from typing import Final

import httpx
from a2a.client import ClientConfig, ClientFactory
from a2a.client.card_resolver import parse_agent_card
from a2a.types import (
    AgentCard,
    CancelTaskRequest,
    GetTaskRequest,
    Message,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
)
from a2a.utils.errors import A2AError
from google.protobuf.json_format import ParseDict, ParseError

from mplp_cli.agents.adapters.a2a_task import Told
from mplp_cli.agents.adapters.a2a_wire import Carrier
from mplp_cli.agents.adapters.wire import Endpoint
from mplp_cli.agents.contract import AgentRequest, AgentResult, Resumed, Tell
from mplp_cli.errors import AgentError
from mplp_cli.workflow.agents import A2aAgent
from mplp_cli.workflow.values import Json

#: Seconds between looks at a task: the first wait, how much longer each next one is, and the longest.
_FIRST, _LONGER, _LONGEST = 0.05, 1.5, 2.0
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9_-]+")
#: What the SDK raises where an answer is none of the protocol.
_NOT_ONE: Final = (ParseError, ValueError, TypeError, AttributeError, KeyError)

# What goes wrong is told as an error; the SDK would write it on standard error beside that.
logging.getLogger("a2a").addHandler(logging.NullHandler())


async def find_remote(agent: A2aAgent, endpoint: Endpoint) -> Remote:
    """The agent as its card describes it. AgentError if there is no such card."""
    url = endpoint.url.copy_with(path=endpoint.url.path.rstrip("/") + agent.card_path)
    try:
        async with endpoint.asked("GET", url, headers={"accept": "application/json"}) as response:
            found = await endpoint.read(response)
    except AgentError as error:
        if error.details.get("status") != 404:
            raise
        what = f"there is no card at {url.path}: 404 Not Found"
        hint = "`endpoint` and `card-path` say where it is"
        raise endpoint.error("agent.http", what, hint=hint, status=404) from None
    try:
        card = parse_agent_card(found)
    except _NOT_ONE as error:
        what = f"what {url.path} answers is not the card of an agent: {error}"
        raise endpoint.error("agent.remote", what) from None
    return Remote(agent, endpoint, card)


class Remote:
    """A remote agent whose card is known."""

    def __init__(self, agent: A2aAgent, endpoint: Endpoint, card: AgentCard) -> None:
        self._agent = agent
        self._endpoint = endpoint
        self._card = card

    def capabilities(self) -> list[str]:
        """`a2a:NAME` for each skill, and for each tag of one. What no capability may hold becomes `-`."""
        said = [word for skill in self._card.skills for word in (skill.id, *skill.tags)]
        words = [_FOREIGN.sub("-", word).strip("-") for word in said]
        return list(dict.fromkeys(f"a2a:{word}" for word in words if word))

    def conversation(self, request: AgentRequest, tell: Tell) -> Conversation:
        """What is said about one request."""
        return Conversation(self._agent, self._endpoint, self._card, request, tell)


class Conversation:
    """One request and the task that comes of it. What it opens is closed by `close`."""

    def __init__(
        self, agent: A2aAgent, endpoint: Endpoint, card: AgentCard, request: AgentRequest, tell: Tell
    ) -> None:
        self._agent = agent
        self._endpoint = endpoint
        self._card = card
        self._request = request
        self._told = Told(lambda text: tell(endpoint.masker.text(text)))
        #: Set when the agent has said what becomes of a message; None: it was told nothing.
        self._began: asyncio.Event | None = None
        self._carrier = Carrier(endpoint, {} if request.trace is None else request.trace.headers())
        # The timeouts are those of the run; this client only knows how to hand requests on.
        http = httpx.AsyncClient(transport=self._carrier, timeout=None, trust_env=False)  # noqa: S113
        config = ClientConfig(
            httpx_client=http,
            streaming=agent.stream,
            supported_protocol_bindings=[agent.transport],
            accepted_output_modes=["application/json", "text/plain"],
        )
        try:
            self._client = ClientFactory(config).create(card)
        except ValueError:
            offered = sorted({one.protocol_binding for one in card.supported_interfaces})
            raise endpoint.error(
                "agent.remote",
                f"it is not spoken to by {agent.transport}; its card has {', '.join(offered) or 'nothing'}",
                hint="`transport` says how it is spoken to: JSONRPC or HTTP+JSON",
                sent=False,
            ) from None

    async def outcome(self) -> AgentResult | AgentError:
        """Ask, or go on with what was asked before, and wait for what it comes to."""
        try:
            return await self._answer()
        except AgentError as error:
            return error

    async def _answer(self) -> AgentResult:
        resumed = self._request.resumed
        mine = resumed is not None and resumed.asked.get("agent") in ("", self._request.agent)
        if resumed is None or not mine:
            await self._send(self._message())
        elif self._request.repair:  # its task has ended; what was said before is still its context
            await self._send(self._message(context=str(resumed.asked.get("contextId") or "")))
        else:
            await self._resume(resumed)
        await self._follow()
        result = self._told.result(self._error)
        masked = self._endpoint.masked({"output": result.output, "text": result.text})
        return AgentResult(output=masked["output"], text=masked["text"])

    async def cancel(self) -> None:
        """End the task, as soon as it is known. AgentError if that cannot be done."""
        if self._began is not None:
            await self._began.wait()
        if not self._told.is_open:
            return
        with self._spoken():
            await self._client.cancel_task(CancelTaskRequest(id=self._told.task_id))

    async def close(self) -> None:
        """Close every connection."""
        await self._carrier.aclose()

    # ---- what is said

    async def _send(self, message: Message) -> None:
        # Without a stream a new task is only begun, and looked at then: so it is known, and can be cancelled. One that
        # goes on is known; an answer at once could tell how it stood before.
        begun = not self._agent.stream and not message.task_id
        request = SendMessageRequest(
            message=message, configuration=SendMessageConfiguration(return_immediately=begun)
        )
        self._began = began = asyncio.Event()
        try:
            with self._spoken():
                async with aclosing(self._client.send_message(request)) as events:  # type: ignore[type-var]  # a generator
                    async for event in events:
                        self._told.add(event)
                        began.set()
                        if self._told.has_ended:
                            break
        except AgentError as error:
            # The task goes on where only the stream has broken off.
            if error.code != "agent.truncated" or not self._told.is_open:
                raise
        finally:
            began.set()

    async def _resume(self, resumed: Resumed) -> None:
        """Give the answer to the task that waits for it. One that asks no more has got it already."""
        task, question = str(resumed.asked.get("taskId") or ""), resumed.asked.get("question", "")
        self._told.task_id = task
        await self._look(task)
        if self._told.asks_for_input and self._told.question == question:
            context = str(resumed.asked.get("contextId") or "")
            await self._send(self._message(answer=resumed.answer, task=task, context=context))

    async def _follow(self) -> None:
        """Look at the task until it has ended, or asks."""
        pause = _FIRST
        while not self._told.is_over:
            if not self._told.task_id:
                raise self._error(
                    "agent.truncated", "the answer broke off before there was a task", again=True
                )
            await asyncio.sleep(pause)
            await self._look(self._told.task_id)
            pause = min(pause * _LONGER, _LONGEST)

    async def _look(self, task: str) -> None:
        with self._spoken():
            self._told.is_now(await self._client.get_task(GetTaskRequest(id=task)))

    def _message(self, *, answer: object = None, task: str = "", context: str = "") -> Message:
        asked, parts = self._request, list[Part]()
        if task:
            parts.append(_words(answer))
        else:
            parts += [_words(text) for text in (asked.prompt,) if text is not None]
            parts += [self._data(asked.input)] if asked.input is not None else []
            parts += [_words(asked.repair)] if asked.repair else []
        told = [asked.idempotency_key or f"{asked.run} {asked.step} {asked.attempt}", task, asked.repair]
        told += [json.dumps(answer)] if task else []
        made = hashlib.sha256("\0".join(told).encode("utf-8", "replace")).hexdigest()[:32]
        # The same for every attempt, so that an agent that looks at it does what it is asked once.
        return Message(message_id=made, role=Role.ROLE_USER, parts=parts, task_id=task, context_id=context)

    def _data(self, value: object) -> Part:
        """Data for who takes JSON, as its card says; for the others the same as text."""
        modes = self._card.default_input_modes
        if isinstance(value, str) or not any("json" in mode or mode in ("data", "*/*") for mode in modes):
            return _words(value)
        part = Part(media_type="application/json")
        ParseDict(value, part.data)
        return part

    # ---- what goes wrong

    def _error(
        self, code: str, what: str, *, again: bool = False, hint: str | None = None, **details: Json
    ) -> AgentError:
        said, endpoint = self._endpoint.masker.text(what), self._endpoint
        return endpoint.error(code, said, again=again, hint=hint, **endpoint.masked(details))

    @contextmanager
    def _spoken(self) -> Iterator[None]:
        """Errors of the SDK as errors of the agent; those of the connection are that already."""
        try:
            yield
        except A2AError as error:
            raise self._error("agent.remote", str(error), reason=type(error).__name__) from None
        except _NOT_ONE as error:
            raise self._error("agent.remote", f"its answer is not one of A2A: {error}") from None


def _words(value: object) -> Part:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return Part(text=text, media_type="text/plain")
