"""One operation of the API: how it is called, and what is checked of a call before anything is done."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

from mplp_cli.serving.answers import Answer
from mplp_cli.serving.guard import MOST_BYTES, too_large
from mplp_cli.serving.parts import Parts
from mplp_cli.serving.refusals import RequestError
from mplp_cli.serving.shapes import Nothing

JSON: Final = "application/json"
#: Seconds in which a body must have come: of those who have the token, and of all others.
PATIENCE: Final = 30.0
OPEN_PATIENCE: Final = 5.0
_NUMBER: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call whose parameters and body have been judged, and are of the types that its operation says."""

    parts: Parts
    names: Any
    query: Any
    headers: Any
    body: Any
    #: The body as it came, what it says it is, and all headers by lower-case name.
    raw: bytes
    content_type: str
    sent: Mapping[str, str]


#: Sends a stream: an ASGI application without its scope.
Stream: TypeAlias = Callable[[Any, Any], Awaitable[None]]


class Operation(Struct, frozen=True, kw_only=True):
    """What can be called. `answers`: status -> type of the document of a success; `fails`: the statuses of refusals
    that not every operation has."""

    id: str
    method: Literal["GET", "POST"]
    path: str
    about: str
    act: Callable[[Call], Awaitable[Answer | Stream]]
    answers: Mapping[int, Any]
    names: type[Struct] = Nothing
    query: type[Struct] = Nothing
    headers: type[Struct] = Nothing
    #: Content type -> type of the body. None is read of an operation that takes none.
    takes: Mapping[str, Any] = {}
    #: Whether a body may be missing; then it is `{}`.
    optional: bool = False
    #: Whether the body is handed on as it came, and judged by the operation itself.
    raw: bool = False
    #: What is judged of all headers (lower-case names) before a body is waited for. RequestError.
    expects: Callable[[Mapping[str, str]], None] | None = None
    fails: tuple[int, ...] = ()
    #: Whether it needs no token.
    open: bool = False
    #: Whether the answer is a stream of server-sent events.
    streams: bool = False
    #: The content type of a success that is no stream.
    gives: str = JSON


async def called(
    operation: Operation, parts: Parts, scope: Any, receive: Any, names: Mapping[str, str]
) -> Call:
    """The call that a request makes of an operation. RequestError."""
    sent = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    content_type = _content_type(operation, sent)
    # All that is known without the body is judged first: who is refused for it keeps no place.
    named = _read(names, operation.names, "the path")
    query = _read(_query(scope["query_string"]), operation.query, "the query")
    headers = _read(_wanted(sent, operation.headers), operation.headers, "the headers")
    if operation.expects is not None:
        operation.expects(sent)
    raw = await _body(receive, OPEN_PATIENCE if operation.open else PATIENCE)
    if raw and not operation.takes:
        raise RequestError(400, "this takes no body")
    return Call(
        parts=parts,
        names=named,
        query=query,
        headers=headers,
        body=None if operation.raw else _decoded(operation, raw, content_type),
        raw=raw,
        content_type=content_type,
        sent=sent,
    )


def _content_type(operation: Operation, sent: Mapping[str, str]) -> str:
    said, _, parameters = sent.get("content-type", "").partition(";")
    said = said.strip().lower()
    if not operation.takes:
        return said
    if sent.get("content-encoding", "identity").lower() != "identity":
        raise RequestError(415, "the body is compressed", hint="send it as it is")
    if (
        not said
        and operation.optional
        and "transfer-encoding" not in sent
        and sent.get("content-length", "0") == "0"
    ):
        return JSON
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if said not in operation.takes or charset not in ("", "utf-8"):
        raise RequestError(
            415, "the body is of another type", hint=f"send {' or '.join(operation.takes)}, in UTF-8"
        )
    return said


async def _body(receive: Any, patience: float) -> bytes:
    import asyncio

    pieces, size = [], 0
    try:
        async with asyncio.timeout(patience):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RequestError(400, "the body ended too early")
                pieces.append(message.get("body", b""))
                size += len(pieces[-1])
                if size > MOST_BYTES:
                    raise too_large()
                if not message.get("more_body", False):
                    return b"".join(pieces)
    except TimeoutError:
        raise RequestError(408, f"the body did not come within {patience:.0f} seconds") from None


def _query(text: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            text.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(text),
            errors="strict",
            max_num_fields=20,
        )
    except ValueError:  # UnicodeError is one
        raise RequestError(400, "the query cannot be read", hint="write NAME=VALUE&NAME=VALUE") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RequestError(400, "a key of the query comes twice")
    return found


def _wanted(sent: Mapping[str, str], headers: type[Struct]) -> dict[str, str]:
    names = [one.encode_name for one in msgspec.structs.fields(headers)]
    return {name: sent[name.lower()] for name in names if name.lower() in sent}


def _read(given: Mapping[str, str], kind: type[Struct], place: str) -> Any:
    counted = {
        name: int(text) if name in _numbers(kind) and _NUMBER.fullmatch(text) else text
        for name, text in given.items()
    }
    try:
        return msgspec.convert(counted, kind)
    except msgspec.ValidationError as error:
        raise RequestError(400, f"{place}: {error}") from None


@lru_cache(64)
def _numbers(kind: type[Struct]) -> frozenset[str]:
    """The names of a shape that stand for whole numbers."""
    from msgspec import inspect

    shape = inspect.type_info(kind)
    assert isinstance(shape, inspect.StructType)
    found = [
        (one.encode_name, one.type.types if isinstance(one.type, inspect.UnionType) else (one.type,))
        for one in shape.fields
    ]
    return frozenset(name for name, types in found if any(isinstance(one, inspect.IntType) for one in types))


def _decoded(operation: Operation, raw: bytes, content_type: str) -> Any:
    if not operation.takes:
        return None
    if not raw and operation.optional:
        raw = b"{}"
    return decoded(raw, operation.takes[content_type])


def decoded(raw: bytes, kind: Any) -> Any:
    """A body as a value of that type. RequestError: 400 if it is no JSON, 422 if it does not fit."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        # To JSON Schema 5.0 is an integer.
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return msgspec.convert(_whole(msgspec.json.decode(raw)), kind)
        raise RequestError(422, f"the body does not fit: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(400, f"the body is not JSON: {error}") from None


def _whole(value: Any) -> Any:
    """JSON with its whole numbers as such, as far as a float is exact."""
    if isinstance(value, dict):
        return {name: _whole(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_whole(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value
