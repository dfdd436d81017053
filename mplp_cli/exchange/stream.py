"""The event stream of a run. Derived from its history and its objects, so that it is the same every time."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from mplp_cli.exchange.families import Draft, Families
from mplp_cli.exchange.moments import Recorded, moments
from mplp_cli.exchange.profiles import Profile, multi_agent, single_agent
from mplp_cli.workflow.values import derived_uuid, rfc3339


class Stream(Struct, frozen=True):
    """The events in order, and how far the run followed each profile."""

    events: list[dict[str, Any]]
    profiles: dict[str, Profile]


def protocol_stream(run: Recorded) -> Stream:
    """Every event of the protocol that the run gave. Times never go back in it."""
    happened = moments(run)
    families = Families(run)
    placed: list[tuple[int, Draft]] = [
        (index, draft) for index, moment in enumerate(happened) for draft in families.of(moment)
    ]
    single, sa = single_agent(run, happened)
    multi, map_ = multi_agent(run, happened)
    placed += single
    placed += multi
    placed.sort(key=lambda pair: pair[0])
    events, latest = [], 0
    for position, (index, draft) in enumerate(placed):
        latest = max(latest, happened[index].at)
        events.append(_numbered(run.run, position, latest, draft))
    return Stream(events, {"sa": sa, "map": map_})


def _numbered(run: str, position: int, at: int, draft: Draft) -> dict[str, Any]:
    """An event with its id and time; the envelope comes first."""
    envelope = {
        "event_id": derived_uuid(run, "event", position),
        "event_type": draft["event_type"],
        "timestamp": rfc3339(at),
    }
    return envelope | draft
