"""What happened in a run: the facts of its history and the new versions of its objects, in one order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, groupby
from typing import Any, TypeAlias

from msgspec import Struct

from mplp_cli.protocols import ProtocolObject
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.values import moment_ms


class StepShape(Struct, frozen=True):
    """What the stream says of a workflow's step besides how it went."""

    number: int
    kind: str
    name: str = ""
    #: It stands for steps that come to be while the run goes on, and never runs itself.
    blueprint: bool = False


class Recorded(Struct, frozen=True, kw_only=True):
    """A run as the store has it. `versions` are all those of the objects that it made, each in order.

    `others` are the newest versions of objects that those refer to.
    """

    run: str
    workflow: str
    status: str
    facts: Sequence[h.Event]
    versions: Sequence[ProtocolObject]
    steps: Mapping[str, StepShape]
    others: Sequence[ProtocolObject] = ()


class Change(Struct, frozen=True, kw_only=True):
    """A new version of an object. `before` is None of a new one, `after` of a deleted one.

    `events` are those that the object's list of events has got; `moment` is where it stands in time (ms).
    """

    kind: str
    id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    events: tuple[dict[str, Any], ...]
    at: int

    @property
    def body(self) -> dict[str, Any]:
        """The object as it is now, or as it was last."""
        return self.after or self.before or {}

    @property
    def moved_to(self) -> str | None:
        """The status, if this version has another than the one before."""
        if self.after is None:
            return None
        now = self.after.get("status")
        return str(now) if now is not None and now != (self.before or {}).get("status") else None

    def said(self, *verbs: str) -> list[dict[str, Any]]:
        """The new events of those types; a type is given without the kind."""
        types = {f"{self.kind}.{verb}" for verb in verbs}
        return [event for event in self.events if event.get("event_type") in types]


Moment: TypeAlias = h.Event | Change


def moments(run: Recorded) -> list[Moment]:
    """The facts in their order, and each change before the fact that a step of it came to an end with.

    What no step of the run changed stands where its time is.
    """
    changes = _changes(run)
    placed: list[tuple[tuple[int, int, int], Moment]] = [
        ((seq, 1, 0), fact) for seq, fact in enumerate(run.facts)
    ]
    ends, times = _ends(run.facts), list(accumulate((fact.at for fact in run.facts), max))
    for number, change in enumerate(changes):
        seq = _end_of(change, ends, run)
        place = (bisect_right(times, change.at) - 1, 2, number) if seq is None else (seq, 0, number)
        placed.append((place, change))
    return [moment for _, moment in sorted(placed, key=lambda pair: pair[0])]


#: Facts after which nothing more of an attempt is written.
_ENDS = (h.StepCompleted, h.StepFailed, h.StepRetrying, h.StepWaiting, h.StepDecided, h.StepCancelled)


def _ends(facts: Sequence[h.Event]) -> dict[str, list[int]]:
    """The facts that may have been committed with changes, by step."""
    found: dict[str, list[int]] = {}
    for seq, fact in enumerate(facts):
        if isinstance(fact, _ENDS):
            found.setdefault(fact.step, []).append(seq)
    return found


def _end_of(change: Change, ends: Mapping[str, list[int]], run: Recorded) -> int | None:
    """The fact that was committed with a change, if a step of the run made it."""
    author = str(change.body.get("meta", {}).get("updated_by", ""))
    workflow, _, step = author.partition("/")
    if change.after is None or workflow != run.workflow:
        return None
    return next((seq for seq in ends.get(step, ()) if run.facts[seq].at >= change.at), None)


def _changes(run: Recorded) -> list[Change]:
    """Every version of every object as a change, by time."""
    found: list[Change] = []
    for (kind, identifier), group in groupby(run.versions, key=lambda item: (item.kind, item.id)):
        before: dict[str, Any] | None = None
        known: set[str] = set()
        for version in group:
            after = version.body or None
            events = tuple(e for e in (after or {}).get("events", ()) if e.get("event_id") not in known)
            known.update(e["event_id"] for e in events if "event_id" in e)
            at = _time(after) if after is not None else _deleted(identifier, run, before)
            found.append(Change(kind=kind, id=identifier, before=before, after=after, events=events, at=at))
            before = after
    return sorted(found, key=lambda change: (change.at, _RANKS.get(change.kind, len(_RANKS))))


#: Of one moment, what others refer to comes first. A trace takes in events of other objects: it is the last.
_RANKS = {
    kind: rank
    for rank, kind in enumerate(
        ("core", "context", "role", "plan", "confirm", "extension", "network", "collab", "dialog", "trace")
    )
}


def _time(body: Mapping[str, Any]) -> int:
    meta = body.get("meta", {})
    for name in ("updated_at", "created_at"):
        try:
            return moment_ms(str(meta[name]))
        except (KeyError, ValueError):
            continue
    return 0


def _deleted(identifier: str, run: Recorded, before: Mapping[str, Any] | None) -> int:
    """When an object was deleted: with the step that says so, else no earlier than its last version."""
    last = _time(before or {})
    for fact in run.facts:
        if isinstance(fact, h.StepCompleted) and fact.at >= last and _says_deleted(fact.result, identifier):
            return fact.at
    return last


def _says_deleted(result: Any, identifier: str) -> bool:
    return isinstance(result, dict) and result.get("deleted") is True and identifier in result.values()


def ended_at(facts: Iterable[h.Event]) -> int | None:
    """When the run ended, None if it goes on."""
    last = None
    for fact in facts:
        if isinstance(fact, h.RUN_ENDS):
            last = fact.at
        elif isinstance(fact, h.RunResumed):
            last = None
    return last
