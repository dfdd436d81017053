"""CloudEvents 1.0 as they come over HTTP: structured, as a batch, or with their attributes in headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from mplp_cli.serving.operations import Call, decoded
from mplp_cli.serving.refusals import RequestError
from mplp_cli.workflow.published import Published, enriched, from_cloud_event
from mplp_cli.workflow.values import Json

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
#: Events of one batch.
MOST: Final = 1_000


def events_of(call: Call, now: int) -> list[Published]:
    """The events of a request, ready to be published. RequestError says what is wrong with which.

    JSON with attributes in headers (`ce-id` and so on) is the data of one event; without, it is an event itself.
    """
    value = decoded(call.raw, Any)
    if call.content_type == BATCH:
        if not isinstance(value, list) or len(value) > MOST:
            raise RequestError(422, f"a batch is a list of {MOST:,} events at most")
        return [_event(one, now, f"event {place} of the batch") for place, one in enumerate(value, 1)]
    if call.content_type != STRUCTURED and "ce-specversion" in call.sent:
        value = {**_headers(call.sent), "data": value}
    return [_event(value, now, "the event")]


def _headers(sent: Mapping[str, str]) -> dict[str, Json]:
    attributes: dict[str, Json] = {}
    for name, value in sent.items():
        if name.startswith("ce-"):
            try:
                attributes[name.removeprefix("ce-")] = unquote(
                    value.encode("latin-1").decode(), errors="strict"
                )
            except UnicodeDecodeError:
                raise RequestError(400, f"the header `{name}` is not UTF-8") from None
    return attributes


def _event(value: Json, now: int, what: str) -> Published:
    if isinstance(value, dict):
        # JSON has one kind of numbers: 5.0 is as whole as 5.
        value = {name: one if name == "data" else _whole(one) for name, one in value.items()}
    try:
        return enriched(from_cloud_event(value, now), now)
    except ValueError as error:
        said, _, hint = str(error).partition("; ")
        raise RequestError(422, f"{what}: {said}", hint=hint or None) from None


def _whole(value: Json) -> Json:
    return int(value) if isinstance(value, float) and value.is_integer() else value
