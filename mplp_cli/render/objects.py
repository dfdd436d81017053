"""`mplp objects`: objects and their versions as tables and as documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from mplp_cli.protocols import ProtocolObject
from mplp_cli.render.grid import grid
from mplp_cli.render.ink import Line, Screen
from mplp_cli.render.tables import ago
from mplp_cli.render.theme import Theme
from mplp_cli.render.view import short_id
from mplp_cli.workflow.values import moment_ms


class Kept(Struct, frozen=True, kw_only=True):
    """An object as the list has it. `body` is its newest; a deleted one has that from before. Texts are "" where
    nothing is known."""

    kind: str
    id: str
    version: int
    body: dict[str, Any]
    deleted: bool

    @property
    def status(self) -> str:
        return _text(self.body.get("status"))

    @property
    def title(self) -> str:
        """What people call it."""
        names = ("title", "name", "label", "term", "topic", "reason")
        return next((_text(self.body[name]) for name in names if self.body.get(name)), "")

    @property
    def context(self) -> str:
        """The context it belongs to, or is."""
        return _text(self.body.get("context_id"))

    @property
    def run(self) -> str:
        """The run that has made it."""
        tags = _list(self._meta.get("tags"))
        return next((tag[4:] for tag in tags if isinstance(tag, str) and tag.startswith("run:")), "")

    @property
    def created_at(self) -> str:
        return _text(self._meta.get("created_at"))

    @property
    def updated_at(self) -> str:
        return _text(self._meta.get("updated_at")) or self.created_at

    @property
    def updated_by(self) -> str:
        return _text(self._meta.get("updated_by"))

    @property
    def _meta(self) -> dict[str, Any]:
        return _mapping(self.body.get("meta"))


#: Characters of a title in a list.
_TITLE = 200


def objects_table(objects: Sequence[Kept], now: int, theme: Theme, width: int) -> Screen:
    """`mplp objects list`."""
    rows = [
        (
            Line(one.kind, "strong"),
            Line(short_id(one.id), "key"),
            Line("deleted", "warn") if one.deleted else Line(one.status),
            Line(str(one.version), "dim"),
            Line(_ago(one.updated_at, now), "dim"),
            Line(one.title if len(one.title) <= _TITLE else f"{one.title[: _TITLE - 1]}…"),
        )
        for one in objects
    ]
    head = ("KIND", "ID", "STATUS", "VERSION", "CHANGED", "TITLE")
    return grid(head, rows, theme=theme, width=width, right=(3,))


def object_row(one: Kept) -> dict[str, Any]:
    """One object of the list for machines."""
    return {
        "kind": one.kind,
        "id": one.id,
        "version": one.version,
        "deleted": one.deleted,
        "status": one.status or None,
        "title": one.title or None,
        "contextId": one.context or None,
        "runId": one.run or None,
        "createdAt": one.created_at or None,
        "updatedAt": one.updated_at or None,
    }


def object_document(one: Kept, shown: ProtocolObject) -> dict[str, Any]:
    """`mplp objects show`: one version for machines."""
    return {
        "kind": one.kind,
        "id": one.id,
        "version": shown.version,
        "lastVersion": one.version,
        "deleted": one.deleted,
        "object": shown.body,
    }


def versions_table(versions: Sequence[ProtocolObject], theme: Theme, width: int) -> Screen:
    """`mplp objects show --versions`."""
    rows = []
    for row in map(_version, versions):
        what = Line("deleted", "warn") if row["deleted"] else Line(row["event"] or "")
        rows.append(
            (
                Line(str(row["version"]), "strong"),
                Line(row["updatedAt"] or "", "dim"),
                Line(row["updatedBy"] or "", "dim"),
                Line(row["status"] or ""),
                what,
            )
        )
    head = ("VERSION", "CHANGED", "BY", "STATUS", "EVENT")
    return grid(head, rows, theme=theme, width=width, right=(0,))


def versions_document(one: Kept, versions: Sequence[ProtocolObject]) -> dict[str, Any]:
    """The same for machines."""
    return {"kind": one.kind, "id": one.id, "deleted": one.deleted, "versions": list(map(_version, versions))}


def _version(item: ProtocolObject) -> dict[str, Any]:
    meta, events = _mapping(item.body.get("meta")), _list(item.body.get("events")) or [None]
    return {
        "version": item.version,
        "deleted": not item.body,
        "updatedAt": _text(meta.get("updated_at")) or None,
        "updatedBy": _text(meta.get("updated_by")) or None,
        "status": _text(item.body.get("status")) or None,
        #: What happened last to it then.
        "event": _text(_mapping(events[-1]).get("event_type")) or None,
    }


def _ago(moment: str, now: int) -> str:
    try:
        return ago(now - moment_ms(moment))
    except ValueError:
        return moment


# A plug-in's objects hold what the plug-in likes.


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
