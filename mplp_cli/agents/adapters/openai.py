"""Agents that are models behind an endpoint compatible with OpenAI's chat completions.

Tools that a model wants to be called are its answer, as data: `{toolCalls: [{id, name, arguments}]}`. Nothing calls
them here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import asdict

from mplp_cli.agents.adapters.completions import DONE, Completion, Part, added, events, part_of
from mplp_cli.agents.adapters.wire import Endpoint
from mplp_cli.agents.contract import AgentRequest, AgentResult, Tell, Usage
from mplp_cli.agents.ladder import (
    Level,
    Levels,
    first_level,
    go_down,
    goes_down,
    is_refused,
    read_answer,
    response_format,
    words_for,
)
from mplp_cli.errors import AgentError, MplpError
from mplp_cli.protocols import Clock, Connect
from mplp_cli.workflow.agents import OpenAIAgent
from mplp_cli.workflow.language.jsontext import parse_json
from mplp_cli.workflow.values import Json

if TYPE_CHECKING:
    import httpx2


class OpenAIAdapter:
    """One model. `levels` is shared by the agents of a run: what an endpoint does not know is asked of it once."""

    def __init__(
        self,
        agent: OpenAIAgent,
        connect: Connect,
        environ: Mapping[str, str],
        clock: Clock,
        levels: Levels,
    ) -> None:
        self._agent = agent
        self._endpoint = Endpoint(agent, connect, environ, clock)
        self._levels = levels
        #: The model's name, once it is known.
        self._model = agent.model
        #: Whether the endpoint takes the wish to be told the usage at the end of a stream.
        self._takes_options = True

    async def call(self, request: AgentRequest, tell: Tell) -> AgentResult:
        """What the model answers: text, or JSON where a schema or the definition's `output` asks for it.

        Going down the ladder takes further answers: `calls` counts them, `usage` is that of all of them. An error
        has in its details what was used (`usage`), where that is known, and `calls` if there was more than one.
        """
        agent, endpoint = self._agent, self._endpoint
        start = first_level(agent.output, request.schema)
        heard: list[Completion] = []

        async def ask(level: Level | None) -> AgentResult:
            if agent.stream and heard and heard[-1].text:
                tell("\n")
            completion = Completion()
            heard.append(completion)
            return await self._answer(request, level, completion, tell)

        self._model = endpoint.filled(agent.model)
        key = (str(endpoint.url), self._model)
        try:
            async with endpoint.within(request.timeout):
                if start is None or not goes_down(agent.output):
                    result = await ask(start)
                else:
                    result = await go_down(start, ask, key=key, levels=self._levels)
        except AgentError as error:
            error.details.update(_spent(heard))
            raise
        return msgspec.structs.replace(result, usage=_all_used(heard), calls=_answers(heard))

    async def probe(self) -> None:
        """Ask which models there are. An endpoint that does not say, but answers, is there."""
        await self._endpoint.probe("GET", self._url("/models"))

    async def aclose(self) -> None:
        """Nothing: connections belong to who has given them."""

    # ---- one answer ----------------------------------------------------------------------------

    async def _answer(
        self, request: AgentRequest, level: Level | None, completion: Completion, tell: Tell
    ) -> AgentResult:
        try:
            await self._ask(request, level, completion, tell)
        except AgentError as error:
            if not (self._takes_options and self._agent.stream and is_refused(error, ("stream_options",))):
                raise
            self._takes_options = False
            await self._ask(request, level, completion, tell)
        name = self._agent.id
        if completion.finish == "length":
            raise _failed(
                "agent.truncated", name, "the answer has come to its limit of tokens", "raise `max_tokens`"
            )
        if completion.refusal or completion.finish == "content_filter":
            why = completion.refusal or "the endpoint's filter has stopped the answer"
            raise _failed(
                "agent.remote", name, f"the model gives no answer: {self._endpoint.masker.text(why)}"
            )
        text = self._endpoint.masker.text(completion.text)
        output: Json = text
        if calls := completion.calls:
            output = {"toolCalls": self._endpoint.masked(calls)}
        elif level is not None:
            output = read_answer(text, name)
        return AgentResult(
            output=output, text=text, finish=completion.finish, model=completion.model or self._model
        )

    async def _ask(
        self, request: AgentRequest, level: Level | None, completion: Completion, tell: Tell
    ) -> None:
        endpoint, written = self._endpoint, self._written(self._body(request, level))
        headers = {"content-type": "application/json"}
        if request.trace is not None:
            headers |= request.trace.headers()
        async with endpoint.asked("POST", self._url("/chat/completions"), written, headers) as response:
            if "text/event-stream" in response.headers.get("content-type", "").lower():
                await self._listen(response, completion, tell)
                return
            said = completion.add(self._part(await endpoint.read(response)))
            if self._agent.stream and said:
                tell(endpoint.masker.text(said))

    async def _listen(self, response: httpx2.Response, completion: Completion, tell: Tell) -> None:
        """Take in the pieces of a stream, and look whether it has come to its end."""
        masker, done = self._endpoint.masker.stream(), False
        async with (
            aclosing(self._endpoint.pieces(response)) as pieces,
            aclosing(events(pieces)) as heard,
        ):
            async for data in heard:
                if data.strip() == DONE:
                    done = True
                    break
                try:
                    value = parse_json(data, "a piece of the answer")
                except MplpError as error:
                    raise self._endpoint.invalid(error.message) from None
                if said := masker.feed(completion.add(self._part(value))):
                    tell(said)
        if rest := masker.flush():
            tell(rest)
        if not (done and completion.finish):
            raise _failed(
                "agent.truncated",
                self._agent.id,
                f"the answer broke off after {len(completion.text)} characters",
                again=True,
            )

    def _part(self, value: Json) -> Part:
        endpoint, name = self._endpoint, self._agent.id
        try:
            part = part_of(value)
        except ValueError as error:
            raise endpoint.invalid(f"the answer is not a chat completion: {error}") from None
        if part.error:
            said = part.error.get("message") if isinstance(part.error, dict) else part.error
            said = endpoint.masker.text(str(said))[:200]
            raise _failed("agent.unavailable", name, f"the endpoint failed: {said}", again=True)
        if part.choices is None and part.usage is None:
            raise endpoint.invalid("the answer is not a chat completion: it has no `choices`")
        return part

    # ---- what is asked -------------------------------------------------------------------------

    def _body(self, request: AgentRequest, level: Level | None) -> dict[str, Json]:
        agent = self._agent
        told = [agent.instructions, words_for(level, request.schema) if level else ""]
        system = "\n\n".join(text for text in told if text)
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": _question(request)})
        body: dict[str, Any] = {**agent.params, "model": self._model, "messages": messages}
        if agent.stream:
            body["stream"] = True
            if self._takes_options:
                body["stream_options"] = {"include_usage": True}
        stated = response_format(level, request.schema) if level else None
        if stated is not None:
            body["response_format"] = stated
        return body

    def _url(self, path: str) -> httpx2.URL:
        base = self._endpoint.url
        return base.copy_with(path=base.path.rstrip("/") + path)

    def _written(self, body: dict[str, Json]) -> bytes:
        try:
            return msgspec.json.encode(body)
        except (ValueError, OverflowError, RecursionError, TypeError) as error:
            why = f"the input cannot be written as JSON: {error}"
            raise _failed("agent.http", self._agent.id, why) from None


def _question(request: AgentRequest) -> str:
    """The prompt, and the input below it, or what it is about if there is neither; and what has to be mended.

    One message: many models take no two of the same role in a row.
    """
    parts = [] if request.prompt is None else [request.prompt]
    if isinstance(request.input, str):
        parts.append(request.input)
    elif request.input is not None:
        try:
            parts.append(msgspec.json.encode(request.input).decode())
        except (ValueError, OverflowError, RecursionError, TypeError) as error:
            why = f"the input cannot be written as JSON: {error}"
            raise _failed("agent.http", request.agent, why) from None
    question = "\n\n".join(parts) or request.operation or request.capability
    return f"{question}\n\n{request.repair}" if request.repair else question


def _failed(code: str, agent: str, what: str, hint: str | None = None, *, again: bool = False) -> AgentError:
    return AgentError(code, f"`{agent}`: {what}", agent=agent, retryable=again, hint=hint)


def _answers(heard: list[Completion]) -> int:
    """How many answers there were; a refused request has none."""
    return max(1, sum(bool(one.finish or one.text or one.usage) for one in heard))


def _all_used(heard: list[Completion]) -> Usage | None:
    used: Usage | None = None
    for one in heard:
        used = added(used, one.usage)
    return used


def _spent(heard: list[Completion]) -> dict[str, Json]:
    used, calls = _all_used(heard), _answers(heard)
    return {
        **({"usage": asdict(used)} if used is not None else {}),
        **({"calls": calls} if calls > 1 else {}),
    }
