"""How a server answers: JSON documents, and errors as such."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from mplp_cli.errors import MplpError
from mplp_cli.render.machine import document_bytes, error_document
from mplp_cli.serving.refusals import headers_of, status_of


class Answer(Struct, frozen=True):
    """A status, a JSON document and further headers. With a `content_type` the document is text of that type."""

    status: int
    document: Any
    headers: Mapping[str, str] = {}
    content_type: str = ""


async def send_answer(send: Any, answer: Answer, *, close: bool = False) -> None:
    """Send an answer. `close`: the connection ends with it."""
    content = answer.document.encode() if answer.content_type else document_bytes(answer.document)
    headers = {
        "content-type": answer.content_type or "application/json",
        "content-length": str(len(content)),
        **{name.lower(): value for name, value in answer.headers.items()},
    }
    if close:
        headers["connection"] = "close"
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
    await send({"type": "http.response.body", "body": content})


async def send_error(send: Any, error: MplpError, *, close: bool = False) -> None:
    """Send `{error: {type, code, message, details}}`."""
    await send_answer(send, Answer(status_of(error), error_document(error), headers_of(error)), close=close)
