"""What an endpoint for chat completions answers, whole or in pieces, and what is made of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import msgspec
from msgspec import Struct

from mplp_cli.agents.contract import Usage
from mplp_cli.errors import OutputFormatError
from mplp_cli.workflow.language.jsontext import parse_json
from mplp_cli.workflow.values import Json

#: What ends a stream of pieces.
DONE = "[DONE]"


class _Details(Struct, frozen=True):
    cached_tokens: int | None = None


class _Used(Struct, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None


class _Function(Struct, frozen=True):
    name: str | None = None
    #: JSON as text; some endpoints give the value.
    arguments: Json = None


class _ToolCall(Struct, frozen=True):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Message(Struct, frozen=True):
    #: Text; some endpoints give a list of `{type: text, text}`.
    content: Json = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(Struct, frozen=True):
    index: int = 0
    message: _Message | None = None
    delta: _Message | None = None
    finish_reason: str | None = None


class Part(Struct, frozen=True):
    """A completion, or a piece of one."""

    choices: list[_Choice] | None = None
    usage: _Used | None = None
    model: str | None = None
    error: Json = None


def part_of(value: Json) -> Part:
    """A completion as it was sent. ValueError says what is wrong with it."""
    return msgspec.convert(value, Part, strict=False)


class Completion:
    """One answer, put together from its parts. Only the first choice counts."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.finish = ""
        self.model = ""
        self.refusal = ""
        self._text: list[str] = []
        #: [id, name, arguments] by their place in the answer.
        self._calls: dict[int, list[Any]] = {}

    @property
    def text(self) -> str:
        """What was written so far."""
        return "".join(self._text)

    @property
    def calls(self) -> list[Json]:
        """The tools that the model wants to be called: `{id, name, arguments}`."""
        found = [self._calls[place] for place in sorted(self._calls)]
        return [{"id": key, "name": name, "arguments": _arguments(given)} for key, name, given in found]

    def add(self, part: Part) -> str:
        """Take a part in; its text."""
        if part.model:
            self.model = part.model
        if part.usage is not None:
            self.usage = _usage(part.usage)
        said = ""
        for choice in part.choices or ():
            message = choice.message or choice.delta
            if choice.index != 0:
                continue
            if choice.finish_reason:
                self.finish = choice.finish_reason
            if message is not None:
                said += _text(message.content)
                self.refusal += message.refusal or ""
                for number, call in enumerate(message.tool_calls or ()):
                    self._add_call(number if call.index is None else call.index, call)
        self._text.append(said)
        return said

    def _add_call(self, place: int, call: _ToolCall) -> None:
        known = self._calls.setdefault(place, ["", "", ""])
        function = call.function or _Function()
        known[0] = call.id or known[0]
        known[1] = function.name or known[1]
        if isinstance(function.arguments, str):
            known[2] += function.arguments
        elif function.arguments is not None:
            known[2] = function.arguments


def added(first: Usage | None, second: Usage | None) -> Usage | None:
    """What two answers have used together."""
    if first is None or second is None:
        return first or second
    return Usage(
        input_tokens=first.input_tokens + second.input_tokens,
        output_tokens=first.output_tokens + second.output_tokens,
        cache_read=first.cache_read + second.cache_read,
        cache_write=first.cache_write + second.cache_write,
    )


async def events(pieces: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    """The data of server-sent events. Lines end where the bytes say so: JSON may hold other line breaks."""
    held, data = b"", list[str]()
    async for piece in pieces:
        *lines, held = (held + piece).split(b"\n") if b"\n" in piece else (held + piece,)
        for line in lines:
            name, _, value = line.rstrip(b"\r").partition(b":")
            if name == b"data":
                data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
            elif not line.rstrip(b"\r") and data:
                yield "\n".join(data)
                data = []
    # What has no end was cut off; but some leave out the line breaks after the last word.
    if held.strip() == b"data: " + DONE.encode() and not data:
        data.append(DONE)
    if data == [DONE]:
        yield DONE


def _usage(used: _Used) -> Usage:
    """The tokens of a prompt include those that were read from a cache."""
    details = used.prompt_tokens_details or _Details()
    cached = max(0, details.cached_tokens or 0)
    return Usage(
        input_tokens=max(0, (used.prompt_tokens or 0) - cached),
        output_tokens=max(0, used.completion_tokens or 0),
        cache_read=cached,
    )


def _text(content: Json) -> str:
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(text for text in parts if isinstance(text, str))
    return content if isinstance(content, str) else ""


def _arguments(given: Json) -> Json:
    """As a value where they are JSON; else as the model wrote them."""
    if not isinstance(given, str):
        return given
    try:
        return parse_json(given, "") if given.strip() else {}
    except OutputFormatError:
        return given
