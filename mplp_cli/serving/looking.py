"""What the API says of the server itself."""

from __future__ import annotations

from collections import Counter
from typing import Any

from mplp_cli import __version__
from mplp_cli.errors import StoreError
from mplp_cli.loading import resolve_inputs
from mplp_cli.observe.exposition import CONTENT_TYPE, exposition
from mplp_cli.serving.answers import Answer
from mplp_cli.serving.contract import Served
from mplp_cli.serving.openapi import openapi
from mplp_cli.serving.operations import Call
from mplp_cli.serving.parts import Parts
from mplp_cli.serving.refusals import RequestError
from mplp_cli.serving.running import trigger_objects
from mplp_cli.workflow.events.arming import aim, source_of, usual_data
from mplp_cli.workflow.events.triggers import Trigger, fired_run
from mplp_cli.workflow.published import Published, enriched

#: Milliseconds for which a gauge may be old.
_RECENT = 60_000


async def health(call: Call) -> Answer:
    """The status only: this needs no token. It waits for no check: what they found last counts, if they were made."""
    return Answer(200, {"status": _status(call.parts)})


async def full_health(call: Call) -> Answer:
    """The status, the parts, and what is found of each component."""
    parts = call.parts
    report = await parts.vitals.report()
    states = Counter[str]({"queued": 0, "driving": 0, "parked": 0})
    states.update(one.state for one in parts.fleet.runs())
    return Answer(
        200,
        {
            "status": _status(parts),
            "version": __version__,
            "store": _store(parts),
            "runs": dict(states),
            "events": {"last": parts.bus.heard, "behind": parts.behind(), "queue": parts.queue},
            "streams": parts.streams,
            **report,
        },
    )


def _status(parts: Parts) -> str:
    if parts.stopping.is_set():
        return "stopping"
    found = parts.vitals.last()
    ill = parts.vitals.broken or (found is not None and found["overall"] in ("degraded", "critical"))
    return "degraded" if ill or "error" in _store(parts) or parts.behind() >= parts.queue else "ok"


def _store(parts: Parts) -> dict[str, Any]:
    """Where it is, and what is wrong with it if it cannot be read. Cheap: the checks look at it closely."""
    told: dict[str, Any] = {"path": str(parts.runtime.state_dir)}
    try:
        parts.store.board.last()
    except StoreError as error:
        told["error"] = error.message
    return told


async def metrics(call: Call) -> Answer:
    """All that was ever counted, and how things stand."""
    samples, now = call.parts.store.samples, call.parts.runtime.clock.now()
    text = exposition(samples.totals(), samples.between(now - _RECENT, now), now)
    return Answer(200, text, content_type=CONTENT_TYPE)


async def document(_: Call) -> Answer:
    """The OpenAPI document."""
    from mplp_cli.serving.table import OPERATIONS

    return Answer(200, openapi(OPERATIONS))


async def fire(call: Call) -> Answer:
    """Publish what a trigger waits for; the trigger starts the run from it."""
    parts, names = call.parts, call.names
    parts.check_room()
    served = parts.catalogue.find(names.workflow_id)
    trigger = next((one for one in served.triggers if one.id == names.trigger_id), None)
    if trigger is None:
        raise RequestError(404, f"the workflow `{served.id}` has no trigger `{names.trigger_id}`")
    now = parts.runtime.clock.now()
    event = enriched(_meant(parts, served, trigger, call.body.data, now), now)
    target = aim(served.id, trigger)
    try:
        meant = target.means(event)
        resolve_inputs(served.plan.workflow, target.inputs(event) if meant else {})
    except ValueError as error:
        raise RequestError(422, str(error)) from None
    if not meant:
        raise RequestError(422, f"the trigger `{trigger.id}` does not mean such an event")
    [number] = await parts.bus.publish(event)
    run_id = fired_run(served.id, trigger.id, f"{event.source}#{event.id}")
    return Answer(202, {"number": number, "source": event.source, "id": event.id, "runId": run_id})


def _meant(parts: Parts, served: Served, trigger: Trigger, data: Any, now: int) -> Published:
    """The event that a trigger waits for, as far as it says which."""
    type_, source = source_of(served.id, trigger)
    if "*" in type_:
        raise RequestError(422, f"the trigger `{trigger.id}` means events of several types; publish one")
    usual = usual_data(served.id, trigger, now)
    if usual is not None:
        data = {**usual, **data} if isinstance(data, dict) else usual
    return Published(
        id=parts.runtime.ids.uuid(),
        type=type_,
        source="mplp/api" if "*" in source else source,
        at=now,
        data=data,
    )


async def triggers(call: Call) -> Answer:
    """The triggers of all workflows."""
    told = [one for served in call.parts.catalogue.all() for one in trigger_objects(served)]
    return Answer(200, {"triggers": told})
