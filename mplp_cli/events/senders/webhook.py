"""A POST for each event, in the JSON format of CloudEvents, signed as Standard Webhooks says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec

from mplp_cli.errors import (
    Failure,
    HttpConnectionError,
    HttpRequestError,
    HttpStatusError,
    UsageError,
)
from mplp_cli.events.signing import ID, SIGNATURE, TIMESTAMP, is_identifier, keys_of, sign
from mplp_cli.protocols import Clock, Connect
from mplp_cli.workflow.events.routes import WebhookTarget
from mplp_cli.workflow.published import Published, cloud_event
from mplp_cli.workflow.retry import asked_wait
from mplp_cli.workflow.values import derived_uuid

if TYPE_CHECKING:
    import httpx2

MEDIA_TYPE: Final = "application/cloudevents+json"
#: Bytes of an answer that are read, characters of a refusal that are kept.
_READ, _KEPT = 65_536, 1_000
#: Seconds for what follows the head of an answer.
_SOON = 1.0
#: What 4xx say that a later try may be answered otherwise.
_AGAIN = frozenset({408, 409, 425, 429})
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
#: Headers that are ours, or the connection's.
_OURS = frozenset(
    {ID, TIMESTAMP, SIGNATURE, "content-type", "content-length", "transfer-encoding", "connection", "host"}
)


class WebhookSender:
    """Posts to one address. `secrets`: name -> value of all that the target refers to; `mask` takes them out of a text.

    UsageError if the address, a header or the secret cannot be used.
    """

    at_most = 1

    def __init__(
        self,
        target: WebhookTarget,
        connect: Connect,
        clock: Clock,
        secrets: Mapping[str, str],
        mask: Callable[[str], str],
    ) -> None:
        self._connect, self._clock, self._mask = connect, clock, mask
        self._url = target.url
        self._headers = {
            "content-type": MEDIA_TYPE,
            "accept-encoding": "identity",
            **_headers(target, secrets),
        }
        self._keys: Sequence[bytes] = ()
        if target.secret:
            try:
                self._keys = keys_of(secrets[target.secret])
            except ValueError as error:
                raise UsageError(f"the secret `{target.secret}` cannot sign: {error}") from None

    async def send(self, events: Sequence[tuple[int, Published]]) -> Sequence[Failure | None]:
        """Delivered is what is answered with 2xx."""
        return [await self._one(event) for _, event in events]

    async def _one(self, event: Published) -> Failure | None:
        body = msgspec.json.encode(cloud_event(event))
        client = await self._connect()
        import httpx2

        try:
            url = _address(self._url)
        except HttpRequestError as error:
            return error.failure()
        try:
            # A redirect would lead to an address that nobody has stated.
            async with client.stream(
                "POST", url, content=body, headers=self._signed(event, body), follow_redirects=False
            ) as response:
                said = await _beginning(response)
                return None if response.is_success else self._refused(url, response, said)
        except HttpRequestError as error:
            return error.failure()
        except httpx2.RequestError as error:
            return self._broken(_shown(url), error)

    def _signed(self, event: Published, body: bytes) -> dict[str, str]:
        """The headers of one try."""
        # The same however often it is sent. What cannot stand there has an id that follows from its own.
        named = event.id if is_identifier(event.id) else derived_uuid(event.source, event.id)
        at = self._clock.now() // 1000
        headers = {**self._headers, ID: named, TIMESTAMP: str(at)}
        return {**headers, SIGNATURE: sign(self._keys, named, at, body)} if self._keys else headers

    def _refused(self, url: httpx2.URL, response: httpx2.Response, head: str) -> Failure:
        from http import HTTPStatus

        status = response.status_code
        name = f" {HTTPStatus(status).phrase}" if status in set(HTTPStatus) else ""
        details: dict[str, Any] = {"url": _shown(url), "body": self._mask(head)[:_KEPT]}
        after = asked_wait(response.headers.get("retry-after", ""), self._clock.now())
        if after is not None:
            details["retryAfter"] = after
        said = f"{_shown(url)} answered with {status}{name}"
        if response.has_redirect_location:
            said += "; redirects are not followed: state the address they lead to"
        failure = HttpStatusError(said, status, details).failure()
        return msgspec.structs.replace(failure, retryable=status in _AGAIN or status >= 500)

    def _broken(self, where: str, error: httpx2.RequestError) -> Failure:
        import httpx2

        said = self._mask(str(error) or type(error).__name__)
        match error:
            case httpx2.UnsupportedProtocol() | httpx2.LocalProtocolError():
                return HttpRequestError(f"the event cannot be sent to {where}: {said}").failure()
            case httpx2.ConnectError() | httpx2.ConnectTimeout() | httpx2.ProxyError():
                return HttpConnectionError(f"cannot connect to {where}: {said}").failure()
        return HttpConnectionError(f"{where} gave no answer: {said}").failure()


def _headers(target: WebhookTarget, secrets: Mapping[str, str]) -> dict[str, str]:
    """The headers that a route states. UsageError names one that cannot be sent."""
    hidden = {name: secrets[secret] for name, secret in target.secret_headers.items()}
    stated = {**target.headers, **hidden}
    for name, value in stated.items():
        if not _NAME.fullmatch(name) or name.lower() in _OURS:
            raise UsageError(f"`{name[:100]}` cannot be set as a header of a webhook")
        if not _VALUE.fullmatch(value):
            raise UsageError(f"the header `{name}` holds a character that cannot be sent in a header")
    return {name.lower(): value.strip() for name, value in stated.items()}


def _address(text: str) -> httpx2.URL:
    """The address that is called. HttpRequestError does not tell it: it may hold what only senders should know."""
    import httpx2

    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        url = httpx2.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise HttpRequestError("the address of the webhook must begin with http:// or https:// and a host")
    if url.userinfo:
        raise HttpRequestError("the address of the webhook holds credentials; `secret-headers` is for them")
    return url


def _shown(url: httpx2.URL) -> str:
    """The address for people. Its path is often what only senders should know."""
    return f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}"


async def _beginning(response: httpx2.Response) -> str:
    """The beginning of an answer as text, as far as it comes soon: the status has said what counts. A short answer is
    read to its end, so that its connection can be used again."""
    import httpx2

    data = bytearray()
    with suppress(TimeoutError, httpx2.RequestError):
        async with asyncio.timeout(_SOON):
            async for piece in response.aiter_raw():
                data += piece[: _READ - len(data)]
                if len(data) >= _READ:
                    break
    return "" if "content-encoding" in response.headers else data.decode("utf-8", "replace")
