"""Requests of HTTP steps: rendered, looked at again, and led on by redirects.

Values of other steps stand in a request, so nothing is sent that was not looked at after rendering. What is
personal or secret goes to the origin that the step names and to no other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import httpx2
import msgspec
from msgspec import Struct

from mplp_cli.errors import HttpRequestError
from mplp_cli.protocols import Attempt
from mplp_cli.workflow.language.references import text_of
from mplp_cli.workflow.masking import Masker
from mplp_cli.workflow.values import Json

_KEYED = frozenset({"POST", "PUT", "PATCH"})
#: Never sent to another origin, whatever is in them.
_PERSONAL = frozenset({b"authorization", b"cookie", b"proxy-authorization", b"host"})
#: What the connection itself says.
_OWN = frozenset({"content-length", "transfer-encoding", "connection", "upgrade"})
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
#: Names, IPv4 and IPv6 addresses.
_HOST = re.compile(rb"[\w-]+(\.[\w-]+)*\.?|[0-9a-fA-F.]*:[0-9a-fA-F:.]+(%[\w%]+)?")
_PORTS = {"http": 80, "https": 443}


class Request(Struct, frozen=True):
    """What is about to be sent; `url` has been looked at."""

    method: str
    url: httpx2.URL
    headers: tuple[tuple[bytes, bytes], ...]
    content: bytes | None

    @property
    def shown(self) -> str:
        """The request for people; what stands in a query is nobody's business."""
        url = self.url
        return f"{self.method} {url.scheme}://{url.netloc.decode('ascii', 'replace')}{url.path}"


def first_request(attempt: Attempt) -> Request:
    """The request that the step asks for. HttpRequestError says why it cannot be sent."""
    body = attempt.body
    content, kind = _content(body)
    headers = {name: _header(name, value) for name, value in (body.get("headers") or {}).items()}
    stated = {name.lower() for name, value in headers.items() if value is not None}
    method = body.get("method") or ("GET" if content is None else "POST")
    if kind and "content-type" not in stated:
        headers["Content-Type"] = kind.encode()
    if method in _KEYED and "idempotency-key" not in stated:
        headers["Idempotency-Key"] = attempt.idempotency_key.encode()
    if attempt.trace is not None and "traceparent" not in stated:
        told = attempt.trace.headers().items()
        headers |= {name: value.encode() for name, value in told if name not in stated}
    return Request(
        method,
        _url(body["url"], body.get("query")),
        tuple((name.encode(), value) for name, value in headers.items() if value is not None),
        content,
    )


def _content(body: Mapping[str, Any]) -> tuple[bytes | None, str]:
    try:
        if "json" in body:
            return msgspec.json.encode(body["json"]), "application/json"
        if body.get("body") is not None:
            return body["body"].encode(), "text/plain; charset=utf-8"
    except (ValueError, OverflowError, RecursionError) as error:
        raise HttpRequestError(f"the body of the request cannot be written: {error}") from None
    return None, ""


def _header(name: str, value: Json) -> bytes | None:
    """A header's value as it is sent; None for null, which leaves the header out."""
    if not _NAME.fullmatch(name) or name.lower() in _OWN:
        raise HttpRequestError(f"`{name[:100]}` cannot be set as a header")
    if value is None:
        return None
    if isinstance(value, dict | list):
        raise HttpRequestError(f"the header `{name}` must be text, not a list or a map")
    text = text_of(value).strip(" \t")
    if _CONTROL.search(text):
        raise HttpRequestError(
            f"the header `{name}` holds a line break or another control character",
            hint="`| trim` removes what stands at the end of a value",
        )
    try:
        return text.encode()
    except UnicodeError:
        raise HttpRequestError(f"the header `{name}` is not valid Unicode") from None


def _url(text: str, query: Mapping[str, Json] | None = None) -> httpx2.URL:
    """A URL that may be called. HttpRequestError says what is wrong with it."""
    if _CONTROL.search(text) or "\t" in text or "\\" in text:
        raise HttpRequestError("the URL holds a line break, another control character or a backslash")
    pairs = []
    for name, value in (query or {}).items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict | list):
                raise HttpRequestError(f"`{name}` in the query must be text or a list of texts")
            if one is not None:
                pairs.append((name, text_of(one)))
    try:
        if pairs:
            base, mark, fragment = text.partition("#")
            text = f"{base}{'&' if '?' in base else '?'}{urlencode(pairs)}{mark}{fragment}"
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError) as error:
        raise HttpRequestError(f"the URL cannot be called: {error}") from None
    if url.scheme not in _PORTS or not _HOST.fullmatch(url.raw_host) or not 0 < (url.port or 80) < 65_536:
        raise HttpRequestError(
            f"the URL must begin with http:// or https:// and the name of a host, not with {_shown(text)!r}"
        )
    if url.userinfo:
        raise HttpRequestError(
            "the URL holds credentials", hint="hand them over in the header `Authorization`"
        )
    return url


def next_request(request: Request, response: httpx2.Response, masker: Masker) -> Request:
    """The request that a redirect asks for."""
    try:
        url = _url(str(request.url.join(response.headers["location"])))
    except (httpx2.InvalidURL, ValueError) as error:
        raise HttpRequestError(f"{request.shown} leads to no URL that can be called: {error}") from None
    except HttpRequestError as error:
        raise HttpRequestError(f"{request.shown} leads where a step may not go: {error.message}") from None
    method, content, headers = request.method, request.content, request.headers
    status = response.status_code
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        method, content = "GET", None
        headers = tuple(pair for pair in headers if not pair[0].lower().startswith(b"content-"))
    if not _same_origin(request.url, url):
        headers = tuple(pair for pair in headers if not _personal(*pair, masker))
    return Request(method, url, headers, content)


def _shown(text: str) -> str:
    """The beginning of a URL that cannot be called; no credentials, no query."""
    return text.partition("?")[0].rpartition("@")[2][:60]


def _same_origin(here: httpx2.URL, there: httpx2.URL) -> bool:
    """Whether what is meant for `here` may go `there`: the same server, or the same made safer."""
    old, new = ((url.host, url.scheme, url.port or _PORTS[url.scheme]) for url in (here, there))
    return old == new or (old[1:], new) == (("http", 80), (here.host, "https", 443))


def _personal(name: bytes, value: bytes, masker: Masker) -> bool:
    text = value.decode()
    return name.lower() in _PERSONAL or masker.text(text) != text
