"""The lines of a cassette: a header, then one entry for every call of an agent, repairs and retries too.

{"mplpCassette": 1, "mplp": "1.0.0", "workflow": "release", "recordedAt": "2026-01-05T09:00:00.000Z"}
{"n": 1, "agent": "planner", "step": "plan", "key": "9f...", "request": {...}, "response": {...}, "durationMs": 812}
{"n": 2, "agent": "crm", "step": "look", "key": "04...", "request": {...}, "error": {...}, "durationMs": 31}
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import Struct

from mplp_cli.agents.contract import AgentResult, Usage
from mplp_cli.errors import AgentError
from mplp_cli.workflow.values import Json

#: The version of the format.
VERSION = 1


class Header(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The first line."""

    mplp_cassette: int
    mplp: str
    workflow: str = ""
    #: RFC 3339 UTC.
    recorded_at: str = ""


class Response(
    Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True
):
    """What an agent has answered."""

    output: Json = None
    text: str | None = None
    usage: Usage | None = None
    calls: int = 1
    finish: str = ""
    model: str = ""


class Refusal(
    Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True
):
    """The error that a call ended with; `retry_after` is in milliseconds."""

    code: str
    message: str
    retryable: bool = False
    retry_after: int | None = None
    hint: str | None = None
    details: dict[str, Any] = {}


class Entry(
    Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True
):
    """One call. Entries with the same key are given in the order of `n`, in which they were asked for."""

    n: int
    agent: str
    step: str
    key: str
    #: What was asked, without secrets, times and ids of the run.
    request: dict[str, Any]
    response: Response | None = None
    error: Refusal | None = None
    duration_ms: int = 0

    def __post_init__(self) -> None:
        if (self.response is None) == (self.error is None):
            raise ValueError("an entry has either `response` or `error`")


def line_of(item: Header | Entry) -> bytes:
    """A line of a cassette, its end included."""
    value = msgspec.to_builtins(item)
    try:
        return json.dumps(value, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # half of a character that JSON can name and UTF-8 cannot
        return json.dumps(value).encode() + b"\n"


def response_of(result: AgentResult) -> Response:
    """An answer as an entry has it."""
    return Response(
        output=result.output,
        text=result.text,
        usage=result.usage,
        calls=result.calls,
        finish=result.finish,
        model=result.model,
    )


def result_of(response: Response) -> AgentResult:
    """The answer that an entry has."""
    return AgentResult(
        output=response.output,
        text=response.text,
        usage=response.usage,
        calls=response.calls,
        finish=response.finish,
        model=response.model,
    )


def refusal_of(error: AgentError) -> Refusal:
    """An error as an entry has it."""
    details = dict(error.details)
    for known in ("code", "agent"):
        details.pop(known, None)
    return Refusal(
        code=error.code,
        message=error.message,
        retryable=error.failure().retryable,
        retry_after=details.pop("retryAfter", None),
        hint=error.hint,
        details=details,
    )


def error_of(refusal: Refusal, agent: str) -> AgentError:
    """The error that an entry has."""
    after = refusal.retry_after
    return AgentError(
        refusal.code,
        refusal.message,
        agent=agent,
        retryable=refusal.retryable,
        retry_after=None if after is None else after / 1000,
        hint=refusal.hint,
        details=refusal.details,
    )
