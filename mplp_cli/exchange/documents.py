"""What a file holds: an object, an event, a sample, or something that the protocol does not know."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from mplp_cli.bundled import bundled
from mplp_cli.errors import Path as Place

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

OBJECT_KINDS: Final = (
    "context", "plan", "role", "confirm", "trace", "extension", "dialog", "collab", "network", "core",
)  # fmt: skip

#: Kind of document -> its schema.
SCHEMAS: Final = {
    **{kind: f"objects/{kind}" for kind in OBJECT_KINDS},
    "event": "events/event",
    "pipeline-stage-event": "events/pipeline-stage-event",
    "graph-update-event": "events/graph-update-event",
    "runtime-execution-event": "events/runtime-execution-event",
    "sa-event": "events/sa-event",
    "map-event": "events/map-event",
    "object-event": "events/object-event",
    "tool-event": "events/tool-event",
    "file-update-event": "events/file-update-event",
    "git-event": "events/git-event",
    "ci-event": "events/ci-event",
    "learning-sample": "learning/learning-sample",
    "learning-intent-sample": "learning/learning-intent-sample",
    "learning-delta-sample": "learning/learning-delta-sample",
}
#: Kinds of events of the stream.
STREAM: Final = (
    "event",
    "pipeline-stage-event",
    "graph-update-event",
    "runtime-execution-event",
    "sa-event",
    "map-event",
)
INTEGRATION: Final = ("tool-event", "file-update-event", "git-event", "ci-event")
_FAMILIES: Final = {
    "pipeline_stage": "pipeline-stage-event",
    "graph_update": "graph-update-event",
    "runtime_execution": "runtime-execution-event",
}
#: Keys that tell the events of other systems apart.
_MARKS: Final = {
    "tool_id": "tool-event",
    "invocation_id": "tool-event",
    "file_path": "file-update-event",
    "change_type": "file-update-event",
    "repo_url": "git-event",
    "ref_name": "git-event",
    "ci_provider": "ci-event",
}
#: What an external event calls its payload.
_CALLED: Final = {
    "tool_execution": "tool-event",
    "tool_event": "tool-event",
    "file_update": "file-update-event",
    "file_update_event": "file-update-event",
    "git_operation": "git-event",
    "git_event": "git-event",
    "ci_pipeline": "ci-event",
    "ci_event": "ci-event",
}
_SAMPLES: Final = {"intent_resolution": "learning-intent-sample", "delta_impact": "learning-delta-sample"}


class Document(Struct, frozen=True, kw_only=True):
    """A JSON document of the protocol. `line` is its line in a stream, from 1; `at` where it stands in its file."""

    file: str
    kind: str
    body: dict[str, Any]
    line: int = 0
    at: Place = ()

    @property
    def id(self) -> str:
        """The object's id."""
        return str(self.body.get(f"{self.kind}_id"))


@cache
def schema_of(kind: str) -> Draft202012Validator | None:
    """The check of documents of that kind; None if there is none."""
    import jsonschema_rs
    import msgspec

    if kind not in SCHEMAS:
        return None
    folder, _, name = SCHEMAS[kind].partition("/")
    text = (bundled("schemas") / folder / f"{name}.schema.json").read_bytes()
    return jsonschema_rs.Draft202012Validator(msgspec.json.decode(text), validate_formats=True)


def kind_of(name: str, body: Mapping[str, Any]) -> str | None:
    """The kind of a document: by the file's name up to the first `.` or `-`, else by what is in it."""
    first = name.partition(".")[0].partition("-")[0]
    if first in OBJECT_KINDS:
        return first
    return event_kind(body) or _sample_kind(body) or _object_kind(body) or _mark(body)


def event_kind(body: Mapping[str, Any]) -> str | None:
    """The kind of an event, by its envelope."""
    if "event_family" in body:
        return _FAMILIES.get(str(body["event_family"]), "event")
    if "sa_id" in body:
        return "sa-event"
    if "session_id" in body:
        return "map-event"
    if "event_type" not in body and "event_id" not in body:
        return None
    return "object-event" if "source" in body else "event"


def payload_of(body: Mapping[str, Any]) -> str | None:
    """What kind of event an event of the family `external_integration` carries."""
    payload = body.get("payload")
    if body.get("event_family") != "external_integration" or not isinstance(payload, dict):
        return None
    return _CALLED.get(str(body.get("event_type"))) or _mark(payload)


def _mark(body: Mapping[str, Any]) -> str | None:
    return next((kind for key, kind in _MARKS.items() if key in body), None)


def _sample_kind(body: Mapping[str, Any]) -> str | None:
    if "sample_id" not in body and "sample_family" not in body:
        return None
    return _SAMPLES.get(str(body.get("sample_family")), "learning-sample")


def _object_kind(body: Mapping[str, Any]) -> str | None:
    """The object whose id it has. Most have that of a context, a trace also that of a plan."""
    last = ("plan", "context")
    order = (*(kind for kind in OBJECT_KINDS if kind not in last), *last)
    return next((kind for kind in order if f"{kind}_id" in body), None)
