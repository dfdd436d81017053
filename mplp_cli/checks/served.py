"""The check of the server of a state, from outside."""

from __future__ import annotations

import http.client
import os
from typing import Any
from urllib.parse import urlsplit

import msgspec

from mplp_cli.checks.scene import STILL, Scene, process_status
from mplp_cli.observe.health import Finding, Wrong, found
from mplp_cli.store.layout import server_path
from mplp_cli.store.locks import Holder, holder_of, is_held
from mplp_cli.workflow.values import rfc3339

#: Bytes of an answer that are read.
_MOST = 65_536


def check_serve(scene: Scene) -> Finding:
    """The server that holds the state answers in time. It is no fault that none runs."""
    place = scene.place
    path = None if place is None else server_path(place)
    if path is None or not is_held(path):
        return Finding(healthy=True, details={"state": "none runs"})
    holder = holder_of(path)
    if holder is None:
        return Finding(healthy=True, details={"state": "one begins"})
    details: dict[str, Any] = {"url": holder.by, "pid": holder.pid, "since": rfc3339(holder.since)}
    if holder.host != os.uname().nodename:
        return Finding(healthy=True, details={"state": f"runs on {holder.host}", **details})
    patience = scene.deadline * 0.75
    try:
        return found((), {"state": _state(holder, patience), **details})
    except (OSError, http.client.HTTPException, ValueError) as error:
        said = f"nothing came within {patience:g} s" if isinstance(error, TimeoutError) else str(error)
        hint = f"`kill {holder.pid}` ends it in order (twice: at once); then start `mplp serve` again"
        if (status := process_status(holder.pid)) in STILL:
            said, hint = (
                f"process {holder.pid} is {status}",
                f"`kill -CONT {holder.pid}` lets it go on; or end it",
            )
        said = (
            f"the server at {holder.by} holds the state and does not answer: {said or type(error).__name__}"
        )
        return found([Wrong(said, hint)], details)


def _state(holder: Holder, patience: float) -> str:
    """What the server says of itself. OSError, HTTPException or ValueError if that is nothing."""
    address = urlsplit(holder.by)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=patience)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        document = msgspec.json.decode(answer.read(_MOST))
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK or not isinstance(document, dict):
        raise ValueError(f"it answers {answer.status}")
    return str(document.get("status"))
