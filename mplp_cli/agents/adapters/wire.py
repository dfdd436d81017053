"""Requests to services and their answers, within bounds: what the kinds that are called over HTTP share.

Tokens and headers go to the origin that the definition names, and to no other. What is secret in them is taken out
of answers and errors.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mplp_cli.errors import AgentError, HttpRequestError, MplpError, NetworkPolicyError
from mplp_cli.protocols import Clock, Connect
from mplp_cli.workflow.agents import A2aAgent, HttpAgent, McpAgent, OpenAIAgent, filled, variables_in
from mplp_cli.workflow.language.jsontext import parse_json
from mplp_cli.workflow.masking import Masker
from mplp_cli.workflow.values import Json

if TYPE_CHECKING:
    import httpx2

#: Bytes of an answer that are read, decompressed.
MAX_BODY = 10 << 20
MAX_REDIRECTS = 5
#: Seconds for a look whether a service is there.
PROBE = 10.0
#: Bytes of the answer to a refused request that are read; characters of it that are kept, and shown.
_HEAD, _KEPT, _SHOWN = 65_536, 4_000, 200
#: Redirects that keep the method and the body.
_SAME_AGAIN = frozenset({307, 308})
_REFUSED = frozenset({401, 403})
#: As HTTP steps: what a later attempt may be answered to.
_AGAIN = frozenset({408, 425})
_PORTS = {"http": 80, "https": 443}
#: Headers whose value is a secret even where the definition states it.
_SECRET = re.compile(r"auth|cookie|key|secret|token", re.IGNORECASE)
#: The shortest word of such a value that is a secret by itself (not `Bearer`).
_LONG = 8
_UNSENDABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Endpoint:
    """The service behind an agent, and what may be told of it. Nothing is looked up before the first request."""

    def __init__(
        self,
        agent: HttpAgent | OpenAIAgent | McpAgent | A2aAgent,
        connect: Connect,
        environ: Mapping[str, str],
        clock: Clock,
    ) -> None:
        self._agent = agent
        self._connect = connect
        self._environ = environ
        self._clock = clock

    @cached_property
    def url(self) -> httpx2.URL:
        """Where it is."""
        import httpx2

        try:
            url = httpx2.URL(self.filled(self._agent.endpoint))
        except httpx2.InvalidURL:
            url = httpx2.URL("")
        if url.scheme not in _PORTS or not url.host:
            raise self.error("agent.http", "the endpoint is not an http or https address")
        return url

    @cached_property
    def headers(self) -> dict[str, str]:
        """What it is sent with every request, the token included."""
        said = {name.lower(): self.filled(value).strip() for name, value in self._agent.headers.items()}
        if variable := self._agent.bearer_env:
            token = self._variable(variable, "that holds the token").strip()
            if token:
                said["authorization"] = f"Bearer {token}"
        for name, value in said.items():
            if _UNSENDABLE.search(value) or not value.isascii():
                raise self.error(
                    "agent.http", f"the header `{name}` holds a character that cannot be sent in a header"
                )
        return said

    @cached_property
    def masker(self) -> Masker:
        """Takes what is secret out of what is told, recorded and handed on."""
        stated = self._agent.headers.items()
        found = [self.filled(value) for name, value in stated if variables_in(value) or _SECRET.search(name)]
        found += [word for value in found for word in value.split() if len(word) >= _LONG]
        found += [self._environ.get(name, "") for _, value in stated for name in variables_in(value)]
        found += [self._environ.get(self._agent.bearer_env, ""), self.url.password]
        return Masker({str(number): value for number, value in enumerate(found) if value})

    # ---- requests ------------------------------------------------------------------------------

    @asynccontextmanager
    async def asked(
        self,
        method: str,
        url: httpx2.URL,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[httpx2.Response]:
        """The response to a request, if its status is one of success; its body is not read yet.

        Redirects that repeat the request are followed within the origin. AgentError for everything else.
        """
        sent = {**(headers or {}), **self.headers}
        client = await self._connect()
        import httpx2

        for _ in range(MAX_REDIRECTS + 1):
            began = False
            try:
                async with client.stream(method, url, headers=sent, content=content) as response:
                    began = True
                    if response.is_success:
                        yield response
                        return
                    if response.status_code not in _SAME_AGAIN:
                        raise self._refused(method, url, response, await self._head(response))
                    url = self._redirected(method, url, response)
            except (httpx2.RequestError, httpx2.InvalidURL, HttpRequestError) as error:
                raise self._broken(method, url, error, began=began) from None
        raise self.error("agent.http", f"{self._shown(method, url)} leads from one redirect to the next")

    async def pieces(self, response: httpx2.Response) -> AsyncGenerator[bytes, None]:
        """The body as it comes. agent.output_invalid if it is larger than MAX_BODY."""
        size = 0
        async for piece in response.aiter_bytes():
            size += len(piece)
            if size > MAX_BODY:
                raise self.invalid(f"answered with more than {MAX_BODY >> 20} MiB")
            yield piece

    async def read(self, response: httpx2.Response) -> Json:
        """The whole body as JSON; None if it is empty."""
        data = bytearray()
        async for piece in self.pieces(response):
            data += piece
        return self.parsed(bytes(data))

    def parsed(self, data: bytes) -> Json:
        """JSON that the service has sent, without what is secret; agent.output_invalid if it is none."""
        text = data.decode("utf-8-sig", "replace")
        if not text.strip():
            return None
        try:
            return self.masked(parse_json(text, "the answer"))
        except MplpError as error:
            raise self.invalid(error.message, body=self.masker.text(text[:_HEAD])[:_KEPT]) from None

    def masked(self, value: Json) -> Json:
        """A value without what is secret; agent.output_invalid if it is too deep to look through."""
        try:
            return self.masker.value(value)
        except RecursionError:
            raise self.invalid("the answer is too deeply nested") from None

    @asynccontextmanager
    async def within(self, seconds: float) -> AsyncIterator[None]:
        """What is done inside has so many seconds; agent.timeout if they are over. 0: no limit."""
        try:
            async with asyncio.timeout(seconds if seconds > 0 else None):
                yield
        except TimeoutError:
            raise self.error(
                "agent.timeout",
                f"no whole answer within {seconds:g} s",
                again=True,
                timeout=round(seconds * 1000),
            ) from None

    async def probe(self, method: str, url: httpx2.URL) -> None:
        """Look whether it is there and lets us in; any answer but 401, 403 and those from 500 on says so."""
        try:
            async with self.within(PROBE), self.asked(method, url):
                return
        except AgentError as error:
            status = error.details.get("status")
            if status is None or status in _REFUSED or status >= 500:
                raise

    # ---- errors --------------------------------------------------------------------------------

    def invalid(self, what: str, **details: Json) -> AgentError:
        """The answer is not what was asked for."""
        return self.error("agent.output_invalid", what, **details)

    def error(
        self,
        code: str,
        what: str,
        *,
        again: bool = False,
        after: float | None = None,
        hint: str | None = None,
        **details: Json,
    ) -> AgentError:
        return AgentError(
            code,
            f"`{self._agent.id}`: {what}",
            agent=self._agent.id,
            retryable=again,
            retry_after=after,
            hint=hint,
            details=details,
        )

    def _refused(self, method: str, url: httpx2.URL, response: httpx2.Response, head: str) -> AgentError:
        from http import HTTPStatus

        status = response.status_code
        name = f" {HTTPStatus(status).phrase}" if status in set(HTTPStatus) else ""
        what = f"{self._shown(method, url)} was answered with {status}{name}"
        if said := reason_given(head):
            what += f": {said[:_SHOWN]}"
        after = seconds_until(response.headers.get("retry-after", ""), self._clock.now())
        code, again, hint = "agent.http", status in _AGAIN, None
        if status == 429:
            code, again = "agent.rate_limited", True
        elif status >= 500:
            code, again = "agent.unavailable", True
        elif status in _REFUSED:
            variable = self._agent.bearer_env
            hint = (
                f"`{variable}` has to hold a valid token"
                if variable
                else "`bearer-env` names the variable that holds a token"
            )
        elif response.has_redirect_location:
            hint = "redirects that would change the request are not followed: state the address they lead to"
        return self.error(code, what, again=again, after=after, hint=hint, status=status, body=head[:_KEPT])

    async def _head(self, response: httpx2.Response) -> str:
        """The beginning of a body, without what is secret."""
        data = b""
        async for piece in response.aiter_bytes():
            data += piece[: _HEAD - len(data)]
            if len(data) >= _HEAD:
                break
        return self.masker.text(data.decode("utf-8", "replace"))

    def _redirected(self, method: str, url: httpx2.URL, response: httpx2.Response) -> httpx2.URL:
        there = url.join(response.headers.get("location", ""))
        if origin(there) == origin(url):
            return there
        raise self.error(
            "agent.http",
            f"{self._shown(method, url)} leads to {there.scheme}://{there.netloc.decode('ascii', 'replace')}",
            hint="nothing is sent to another origin than the endpoint's: state the one that answers",
            status=response.status_code,
        )

    def _broken(self, method: str, url: httpx2.URL, error: Exception, *, began: bool) -> AgentError:
        import httpx2

        where, said = self._shown(method, url), self.masker.text(reason_for(error))
        match error:
            case NetworkPolicyError():
                return self.error("guard.denied", error.message, sent=False, **error.details)
            case httpx2.ConnectTimeout():
                return self.error(
                    "agent.unavailable", f"{where}: no connection in time", again=True, sent=False
                )
            case httpx2.ConnectError() | httpx2.ProxyError():
                return self.error("agent.unavailable", f"{where}: {said}", again=True, sent=False)
            case httpx2.LocalProtocolError() | httpx2.UnsupportedProtocol() | httpx2.InvalidURL():
                return self.error("agent.http", f"{where} cannot be sent: {said}", sent=False)
            case httpx2.DecodingError():
                return self.invalid(f"the answer to {where} cannot be decompressed: {said}")
        if began:
            return self.error("agent.truncated", f"the answer to {where} broke off: {said}", again=True)
        return self.error("agent.unavailable", f"{where} was not answered: {said}", again=True)

    def _shown(self, method: str, url: httpx2.URL) -> str:
        """A request for people; what stands in a query is nobody's business."""
        return self.masker.text(f"{method} {url.scheme}://{url.netloc.decode('ascii', 'replace')}{url.path}")

    # ---- variables -----------------------------------------------------------------------------

    def filled(self, text: str) -> str:
        """A text of the definition with the variables that it names."""
        try:
            return filled(text, self._environ)
        except KeyError as error:
            return self._variable(str(error.args[0]), "that the definition names")

    def _variable(self, name: str, which: str) -> str:
        value = self._environ.get(name)
        if value is None:
            raise self.error(
                "agent.unavailable",
                f"the variable `{name}` {which} is not set",
                hint=f"export {name}=...; set to nothing where none is needed",
                sent=False,
            )
        return value


def origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port."""
    return url.scheme, url.host, url.port or _PORTS.get(url.scheme)


def seconds_until(text: str, now: int) -> float | None:
    """`Retry-After`, in seconds or as a date, as seconds from `now` (milliseconds since the epoch)."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    if not text:
        return None
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now / 1000)
    except (ValueError, OverflowError):
        return None


def reason_given(body: str) -> str:
    """What the body of an error says, on one line: its message if it is JSON that has one."""
    said: Any = body
    with suppress(MplpError):
        said = parse_json(body, "")
    for key in ("error", "message", "detail", "title"):
        if isinstance(said, dict) and said.get(key):
            said = said[key]
    return " ".join(said.split()) if isinstance(said, str) else ""


def reason_for(error: BaseException) -> str:
    """What the system said, as deep down as it is known."""
    import os

    deepest: BaseException = error
    while True:
        inner = deepest.__cause__ or deepest.__context__
        if isinstance(deepest, BaseExceptionGroup):
            inner = deepest.exceptions[0]
        if inner is None:
            break
        deepest = inner
    if isinstance(deepest, OSError) and deepest.strerror:
        # A lookup's numbers are its own; for the rest asyncio replaces the system's words.
        known = type(deepest).__module__ == "builtins" and (deepest.errno or 0) > 0
        return os.strerror(deepest.errno or 0) if known else str(deepest.strerror)
    return str(error) or type(error).__name__
