"""The turns of a collaboration, as its events tell them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct


class Turn(Struct, frozen=True):
    """A role at work. `number`: from 1; a role has a number once."""

    role_id: str
    number: int
    completed: bool = False


def turns_of(body: Mapping[str, Any]) -> list[Turn]:
    """All turns of a collab object, in the order in which they were dispatched."""
    turns: dict[tuple[str, int], Turn] = {}
    for event in body.get("events", ()):
        if event["event_type"] in {"collab.turn.dispatched", "collab.turn.completed"}:
            role, number = event["data"]["roleId"], event["data"]["turnNumber"]
            turns[role, number] = Turn(role, number, event["event_type"] == "collab.turn.completed")
    return list(turns.values())


def open_turns(body: Mapping[str, Any]) -> list[Turn]:
    """Those that have not been completed."""
    return [turn for turn in turns_of(body) if not turn.completed]


def next_number(turns: Iterable[Turn]) -> int:
    """The number of the next turn."""
    return max((turn.number for turn in turns), default=0) + 1


def next_role(roles: Iterable[str], turns: Sequence[Turn]) -> str:
    """Whose turn it is, one after the other: the role whose last turn is the longest ago."""
    last = {turn.role_id: place for place, turn in enumerate(turns)}
    return min(dict.fromkeys(roles), key=lambda role: last.get(role, -1))


def history_of(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the completed turns came to, in their order: `{turnNumber, participantId, result}`."""
    holders = {who["role_id"]: who["participant_id"] for who in reversed(body["participants"])}
    return [
        {
            "turnNumber": event["data"]["turnNumber"],
            "participantId": event["data"].get("participantId") or holders.get(event["data"]["roleId"]),
            "result": event["data"].get("result"),
        }
        for event in body.get("events", ())
        if event["event_type"] == "collab.turn.completed"
    ]
