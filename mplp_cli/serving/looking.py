"""What the API says of the server itself."""

from __future__ import annotations

from collections import Counter
from typing import Any

from mplp_cli import __version__
from mplp_cli.errors import StoreError
from mplp_cli.serving.answers import Answer
from mplp_cli.serving.openapi import openapi
from mplp_cli.serving.operations import Call
from mplp_cli.serving.parts import Parts
from mplp_cli.serving.running import trigger_objects


async def health(call: Call) -> Answer:
    """The status only: this needs no token."""
    return Answer(200, {"status": _status(call.parts)})


async def full_health(call: Call) -> Answer:
    """The status and the parts."""
    parts = call.parts
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
        },
    )


def _status(parts: Parts) -> str:
    if parts.stopping.is_set():
        return "stopping"
    return "degraded" if "error" in _store(parts) or parts.behind() >= parts.queue else "ok"


def _store(parts: Parts) -> dict[str, Any]:
    """Where it is, and what is wrong with it if it cannot be read. Cheap: `mplp health` looks at it closely."""
    told: dict[str, Any] = {"path": str(parts.runtime.state_dir)}
    try:
        parts.store.board.last()
    except StoreError as error:
        told["error"] = error.message
    return told


async def document(_: Call) -> Answer:
    """The OpenAPI document."""
    from mplp_cli.serving.table import OPERATIONS

    return Answer(200, openapi(OPERATIONS))


async def triggers(call: Call) -> Answer:
    """The triggers of all workflows."""
    told = [one for served in call.parts.catalogue.all() for one in trigger_objects(served)]
    return Answer(200, {"triggers": told})
