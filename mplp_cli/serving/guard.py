"""What stands before everything else of a server: who may ask at all, and in which form.

It decides on the line and the headers of a request, before any address is looked up: a page in somebody's browser, or
whoever guesses at names, learns nothing, not even what there is. The token keeps others out; `Host` and `Origin` keep
out those who make a browser ask that is inside.
"""

from __future__ import annotations

import hmac
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import unquote_to_bytes

from mplp_cli.serving.answers import send_error
from mplp_cli.serving.refusals import RequestError

Scope: TypeAlias = Any
Receive: TypeAlias = Callable[[], Any]
Send: TypeAlias = Callable[[Any], Any]

#: Bytes that a request may carry.
MOST_BYTES: Final = 1 << 20
#: Characters of a path, of a query, and of one header.
LONGEST_PATH: Final = 1_000
LONGEST_QUERY: Final = 4_000
#: Requests at the same time: of those who have the token, and of all others.
MOST_AT_ONCE: Final = 500
MOST_OPEN: Final = 50
#: What is answered without a token: the one says only whether it works, the other is signed.
HEALTH: Final = "/health"
OPEN: Final = re.compile(rf"{HEALTH}|/hooks/[^/]*", re.ASCII)
_PATH: Final = re.compile(rb"(?:/[A-Za-z0-9_.~:@-]+)+|/", re.ASCII)
_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
_HOST: Final = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
#: Headers that say something different if they come twice.
_ONCE: Final = (
    b"host", b"origin", b"authorization", b"content-type", b"content-length", b"transfer-encoding", b"sec-fetch-site",
    b"idempotency-key", b"last-event-id", b"webhook-id", b"webhook-timestamp", b"webhook-signature",
    b"content-encoding",
)  # fmt: skip
#: What every answer says: nothing of it is a page, and nothing is to be kept.
SECURITY: Final = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


@dataclass
class _Room:
    """So many requests may be answered at the same time."""

    places: float
    taken: int = 0


class Guard:
    """An ASGI application around another one. `hosts`: the names, lower case, that it answers to, on `port`. `open`:
    paths that need no token, besides those that never do."""

    def __init__(
        self, inner: Any, *, token: str, hosts: Iterable[str], port: int, open: Collection[str] = ()
    ) -> None:
        self._open = frozenset(open)
        self._inner = inner
        self._token = token.encode()
        self._hosts = frozenset((*_LOOPBACK, *(host.lower() for host in hosts)))
        self._port = port
        # Who has no token takes no place from those who have it, and nobody keeps others from asking how it goes.
        self._inner_room, self._open_room, self._health = (
            _Room(MOST_AT_ONCE),
            _Room(MOST_OPEN),
            _Room(math.inf),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            return  # nothing else is spoken here
        safe = _with_headers(send)
        try:
            room = self._check(scope)
        except RequestError as error:
            await send_error(safe, error, close=True)
            return
        room.taken += 1
        try:
            await self._inner(scope, receive, safe)
        finally:
            room.taken -= 1

    def _check(self, scope: Scope) -> _Room:
        headers = _once(scope["headers"])
        if b"transfer-encoding" in headers and b"content-length" in headers:
            raise RequestError(400, "the request says twice, and differently, where it ends")
        self._check_host(headers)
        scope["path"] = path_of(scope["raw_path"])
        scope["root_path"] = ""
        if len(scope["query_string"]) > LONGEST_QUERY:
            raise RequestError(400, f"the query is longer than {LONGEST_QUERY:,} characters")
        is_open = scope["path"] in self._open or OPEN.fullmatch(scope["path"])
        if not is_open:
            self._check_token(headers.get(b"authorization", b""))
        if int(headers.get(b"content-length", b"0")) > MOST_BYTES:
            raise too_large()
        room = self._inner_room
        if is_open:
            room = self._health if scope["path"] == HEALTH else self._open_room
        if room.taken >= room.places:
            raise RequestError(503, f"{room.places} requests are being answered; come back")
        return room

    def _check_host(self, headers: Mapping[bytes, bytes]) -> None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if not self._is_ours(host):
            raise RequestError(
                403,
                "the `Host` of the request is not one of this server",
                hint="ask it by the address that it printed, or start it with --allow-host",
            )
        origin = headers.get(b"origin")
        if origin is not None and not self._is_own_origin(origin.decode("latin-1").lower(), host):
            raise RequestError(403, "the request comes from a page of another origin")
        if headers.get(b"sec-fetch-site", b"none").lower() not in (b"none", b"same-origin"):
            raise RequestError(403, "the request comes from a page of another site")

    def _is_ours(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None or found["name"] not in self._hosts:
            return False
        # Behind a name that was allowed there may be another port, of a proxy.
        return found["name"] not in _LOOPBACK or int(found["port"] or 80) == self._port

    def _is_own_origin(self, origin: str, host: str) -> bool:
        scheme, _, rest = origin.partition("://")
        return rest == host and (
            scheme == "http" or (scheme == "https" and host.partition(":")[0] not in _LOOPBACK)
        )

    def _check_token(self, given: bytes) -> None:
        scheme, _, token = given.partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(token, self._token):
            raise RequestError(
                401,
                "the token is missing" if not given else "the token is not the one of this server",
                hint="send `Authorization: Bearer TOKEN`; the server printed where the token is",
                headers={"WWW-Authenticate": "Bearer"},
            )


def path_of(raw: bytes) -> str:
    """The path of a request, decoded once. RequestError if it has anything that no address here has."""
    if len(raw) > LONGEST_PATH:
        raise RequestError(400, f"the path is longer than {LONGEST_PATH:,} characters")
    decoded = unquote_to_bytes(raw)
    # A `/` that was written as %2F is one that somebody wants to be taken for part of a name.
    if raw.count(b"/") != decoded.count(b"/") or not _PATH.fullmatch(decoded):
        raise RequestError(400, "the path has characters that no address here has")
    if any(part in (b".", b"..") for part in decoded.split(b"/")):
        raise RequestError(400, "the path has `.` or `..` as a part")
    return decoded.decode()


def too_large() -> RequestError:
    """The refusal of a body that is larger than is read."""
    return RequestError(413, f"the body is larger than {MOST_BYTES:,} bytes")


def _once(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers that matter, by lower-case name. RequestError if one comes twice, or is no plain text."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name not in _ONCE:
            continue
        if name in found:
            raise RequestError(400, f"the header `{name.decode()}` comes twice")
        found[name] = value
    if not re.fullmatch(rb"[0-9]{1,18}", found.get(b"content-length", b"0"), re.ASCII):
        raise RequestError(400, "the header `content-length` is no number")
    return found


def _with_headers(send: Send) -> Send:
    async def safe(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *SECURITY]}
        await send(message)

    return safe
