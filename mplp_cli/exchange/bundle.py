"""The files of an export: each object, the event stream, and a manifest of them. The same bytes every time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from mplp_cli import __version__
from mplp_cli.exchange.moments import Recorded, ended_at
from mplp_cli.exchange.profiles import newest
from mplp_cli.exchange.stream import protocol_stream
from mplp_cli.protocols import ProtocolObject
from mplp_cli.workflow.values import rfc3339

FORMAT_VERSION: Final = 1
PROTOCOL_VERSION: Final = "1.0.0"
MANIFEST: Final = "manifest.json"
EVENTS: Final = "events.ndjson"


def bundle(run: Recorded) -> dict[str, bytes]:
    """The files by name; the manifest is the last."""
    stream = protocol_stream(run)
    files: dict[str, bytes] = {}
    kinds: dict[str, str] = {}
    for (kind, identifier), body in sorted(newest(run).items()):
        name = f"{quote(kind, safe='')}-{quote(identifier, safe='')}.json"
        files[name], kinds[name] = _document(body), kind
    files[EVENTS], kinds[EVENTS] = b"".join(map(_line, stream.events)), "events"
    started, ended = next((fact.at for fact in run.facts), None), ended_at(run.facts)
    manifest = {
        "formatVersion": FORMAT_VERSION,
        "runId": run.run,
        "workflowId": run.workflow,
        "status": run.status,
        "startedAt": None if started is None else rfc3339(started),
        "endedAt": None if ended is None else rfc3339(ended),
        "mplpVersion": __version__,
        "protocolVersion": PROTOCOL_VERSION,
        "profiles": {
            name: {"status": one.status, "missing": one.missing} for name, one in stream.profiles.items()
        },
        "files": [
            {"path": name, "kind": kinds[name], "size": len(text), "sha256": digest(text)}
            for name, text in sorted(files.items())
        ],
    }
    return {**files, MANIFEST: _document(manifest)}


def digest(text: bytes) -> str:
    """SHA-256, in hexadecimal digits."""
    return hashlib.sha256(text).hexdigest()


def _document(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, indent=2).encode() + b"\n"


def _line(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def referred(made: Iterable[ProtocolObject], everything: Iterable[ProtocolObject]) -> list[ProtocolObject]:
    """Objects of `everything` that are not among those `made`, and are referred to by them or by each other."""
    known = {(item.kind, item.id): item for item in everything if item.body}
    own = {(item.kind, item.id): item for item in made}
    found: dict[tuple[str, str], ProtocolObject] = {}
    waiting = [item.body for item in own.values() if item.body]
    while waiting:
        for key in _references(waiting.pop()):
            if key in known and key not in own and key not in found:
                found[key] = known[key]
                waiting.append(known[key].body)
    return list(found.values())


#: Keys of an object that hold the id of another, and its kind.
_TIES: Final = {"context_id": "context", "plan_id": "plan", "trace_id": "trace", "role_id": "role"}


def _references(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(kind, id) of what an object refers to."""
    parts = [body, *(body.get(name) or {} for name in ("trace", "root_span"))]
    parts += [part for name in ("participants", "nodes") for part in body.get(name) or ()]
    for part in parts:
        yield from ((kind, str(part[key])) for key, kind in _TIES.items() if part.get(key) is not None)
    if "target_id" in body:
        yield str(body.get("target_type")), str(body["target_id"])
    confirmed = (body.get("governance") or {}).get("lastConfirmRef")
    if confirmed:
        yield str(confirmed.get("module")), str(confirmed.get("id"))
