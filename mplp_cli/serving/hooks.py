"""Webhooks in: signed requests that become events, each once."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

import msgspec

from mplp_cli.events.signing import identified, keys_of, verify
from mplp_cli.serving.answers import Answer
from mplp_cli.serving.operations import Call
from mplp_cli.serving.parts import Parts
from mplp_cli.serving.refusals import RequestError
from mplp_cli.workflow.events.arming import RECEIVED
from mplp_cli.workflow.events.triggers import WebhookTrigger
from mplp_cli.workflow.published import Published, enriched

#: The attribute that has the digest of the body.
DIGEST: Final = "bodydigest"


def source_of(name: str) -> str:
    """The source of the events of a webhook."""
    return f"mplp/hooks/{name}"


def expect_signature(sent: Mapping[str, str]) -> None:
    """RequestError if headers alone tell that a request is not signed."""
    try:
        identified(sent)
    except ValueError:
        raise _refused() from None


async def receive(call: Call) -> Answer:
    """Publish what was sent, if it is signed, fresh and new.

    A request that comes again (its sender has not heard the answer) is answered as the first one, and nothing happens;
    one that has the id of another is refused.
    """
    parts, name = call.parts, call.names.name
    now = parts.runtime.clock.now()
    identifier = _verified(call, _triggers(parts, name), now)
    digest = sha256(call.raw).hexdigest()
    for number, event in parts.store.board.find(identifier):
        if event.source == source_of(name):
            await parts.bus.sure(number)
            return _repeated(number, event, digest)
    parts.check_room()
    event = enriched(
        Published(
            id=identifier,
            type=RECEIVED,
            source=source_of(name),
            at=now,
            data={"webhook": name, **_carried(call)},
            more={DIGEST: digest},
        ),
        now,
    )
    [number] = await parts.bus.publish(event)
    kept = parts.store.board.numbered(number)
    if kept is not None and kept.more.get(DIGEST) != digest:  # two at the same moment
        return _repeated(number, kept, digest)
    return Answer(202, {"id": identifier, "number": number, "duplicate": False})


def _triggers(parts: Parts, name: str) -> list[WebhookTrigger]:
    found = [
        trigger
        for served in parts.catalogue.all()
        for trigger in served.triggers
        if isinstance(trigger, WebhookTrigger) and trigger.name == name
    ]
    if not found:
        # As if the signature did not fit: who cannot sign does not learn which webhooks there are.
        raise _refused()
    return found


def _verified(call: Call, triggers: list[WebhookTrigger], now: int) -> str:
    for trigger in triggers:
        try:
            keys = keys_of(call.parts.secret(trigger.secret))
            return verify(keys, call.sent, call.raw, now=now, tolerance=trigger.tolerance // 1000)
        except ValueError:
            continue
    raise _refused()


def _refused() -> RequestError:
    return RequestError(
        401,
        "the request is not signed as it must be",
        hint="sign it as Standard Webhooks say, with the secret of this webhook, and send it at once",
    )


def _repeated(number: int, event: Published, digest: str) -> Answer:
    if event.more.get(DIGEST) != digest:
        raise RequestError(409, f"another request with the id {event.id} was accepted before")
    return Answer(200, {"id": event.id, "number": number, "duplicate": True})


def _carried(call: Call) -> dict[str, Any]:
    """The body as a value: JSON as what it means, other text as text, bytes as base64."""
    if call.content_type == "application/json":
        try:
            return {"body": msgspec.json.decode(call.raw)}
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise RequestError(400, "the body is not JSON") from None
    try:
        return {"body": call.raw.decode()}
    except UnicodeDecodeError:
        return {"body": base64.b64encode(call.raw).decode(), "encoding": "base64"}
