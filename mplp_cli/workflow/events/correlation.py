"""Correlation: which events belong together by a rule. Pure, and incremental.

    correlator = Correlator(rule)
    found = correlator.take(event, now)       events as they come
    found = correlator.advance(now)           time passes, though nothing comes
    correlate(events, rules)                  a list that is there already

Windows are of the events' own times, and closed on both sides: an event exactly a window after the first still belongs.
Events count in the order of their times (those of one millisecond by source and id; with no `lateness`, as they come):
with a `lateness`, each waits until none can come before it. An event is late, and not counted, if its time is more than
`lateness` before the latest time that counts, or more than the window and `lateness` before it comes.

What takes part in a correlation is used up; each event completes one at most. A frequency begins anew. A sequence takes
the nearest events before its last one, a join the latest that do. Each first event of an absence is one of its own; one
event that follows is enough for all that are open under the key.
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence

from mplp_cli.workflow.events.held import Awaited, Counted, Firsts, Held, Joined, Ordered, Seen
from mplp_cli.workflow.events.insights import Base, confidence, insights
from mplp_cli.workflow.events.judging import EventError, judge, reader
from mplp_cli.workflow.events.rules import CorrelationRule, EventCorrelation
from mplp_cli.workflow.events.windows import by_time, key_text
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.values import derived_uuid

#: Keys, and events, that one rule holds at most; beyond them those of the key that was longest silent are dropped.
KEYS = 10_000
HELD = 200_000
#: Earlier correlations that a new one is compared with.
HISTORY = 200
#: What a rule has from events that waits for its time: time, source, id, number, matches, key, used up.
_Waiting = tuple[int, str, str, int, tuple[int, ...], str, bool]


class Correlator:
    """One rule, and what it holds of the events that came."""

    def __init__(self, rule: CorrelationRule, *, slack: int = 0, keys: int = KEYS, most: int = HELD) -> None:
        """`slack` (ms): an event that is late by no more than this counts as of the earliest time that still counts,
        and nothing ends before so much more time has passed. DeclarationError for what cannot be compiled."""
        self.rule = rule
        self._judges = [judge(match, f"rule {rule.id}") for match in rule.events]
        self._key = reader(rule.key, f"rule {rule.id}") if rule.key else None
        self._slack, self._keys, self._most = slack, keys, most
        #: Up to this time, less the lateness, everything is there.
        self._front = -1
        self._waiting: list[_Waiting] = []
        self._held: OrderedDict[str, Held | Firsts] = OrderedDict()
        self._size = 0
        #: First events of an absence, by time.
        self._awaited: deque[Awaited] = deque()
        self._number = 0
        self._good = self._bad = 0
        self._history: deque[float] = deque(maxlen=HISTORY)
        #: Events that were counted; that came too late; that were dropped for want of room; that could not be judged.
        self.counted = self.late = self.dropped = self.refused = 0

    def counts(self) -> Counter[str]:
        """What became of the events that it means: `counted`, of which some were `dropped`, `late` and `refused`."""
        return Counter(counted=self.counted, late=self.late, dropped=self.dropped, refused=self.refused)

    # ---- time

    def due(self) -> int | None:
        """The next time at which something happens even if no event comes; None if nothing will."""
        times = []
        if self._waiting:
            times.append(self._waiting[0][0])
        while self._awaited and not self._awaited[0].open:
            self._awaited.popleft()
        if self._awaited:
            times.append(self._awaited[0].first.at + self.rule.window)
        return min(times) + self.rule.lateness + 1 + self._slack if times else None

    def advance(self, now: int) -> list[EventCorrelation]:
        """What is found because it is `now` (ms), and nothing came."""
        found: list[EventCorrelation] = []
        while (due := self.due()) is not None and due <= now:
            self._front = max(self._front, due - self._slack)
            found += self._go_on()
        return found

    def take(self, event: Published, now: int, *, used: bool = False) -> list[EventCorrelation]:
        """What is found with an event that came `now` (ms, not before its own time). `used`: it is part of an earlier
        correlation; it counts for the history, and for nothing else."""
        try:
            places = tuple(place for place, fits in enumerate(self._judges) if fits(event))
            key = "" if not places or self._key is None else key_text(self._key(event))
        except EventError:
            self.refused += 1
            return []
        if not places:
            return []
        found = self.advance(now)
        lateness = self.rule.lateness
        self._front = max(self._front, now - self.rule.window - self._slack)
        at = event.at
        if at < self._front - lateness <= at + self._slack:
            at = self._front - lateness
        if at < self._front - lateness:
            self.late += 1
            return found
        self._front = max(self._front, at)
        self._number += 1
        heapq.heappush(
            self._waiting,
            (at, event.source, event.id, self._number, places, key, used),
        )
        if len(self._waiting) > self._most:
            self._front = max(self._front, self._waiting[0][0] + lateness + 1)
        return found + self._go_on()

    def _go_on(self) -> list[EventCorrelation]:
        """Count what none can come before any more."""
        found: list[EventCorrelation] = []
        passed = self._front - self.rule.lateness
        # Without lateness the next event of the same millisecond is not waited for.
        while self._waiting and (self._waiting[0][0] < passed or not self.rule.lateness):
            waiting = heapq.heappop(self._waiting)
            found += self._over(waiting[0])
            found += self._count(*waiting)
        found += self._over(passed)
        return found

    # ---- counting

    def _count(
        self, at: int, source: str, name: str, _number: int, places: tuple[int, ...], key: str, used: bool
    ) -> Iterator[EventCorrelation]:
        self.counted += 1
        seen = Seen(order=self.counted, at=at, id=name, source=source, places=places)
        held = self._held_of(key)
        before = held.size
        if isinstance(held, Firsts):
            self._awaits(held, key, seen, used)
        elif used:
            self._remember(held, seen)
        else:
            told = held.add(seen)
            self._bad += told.lapsed
            if told.members:
                yield self._found(key, told.members, at, self._base(held, told.members))
                self._good += len(told.members) if self.rule.type == "join" else 1
                self._history.append(told.members[-1].at - told.members[0].at)
        self._size += held.size - before
        if not held.size and not isinstance(held, Counted):
            del self._held[key]
        self._make_room(at - self.rule.window)

    def _held_of(self, key: str) -> Held | Firsts:
        held = self._held.get(key)
        if held is not None:
            self._held.move_to_end(key)
            return held
        rule = self.rule
        made: Held | Firsts
        match rule.type:
            case "frequency":
                made = Counted(rule.window, rule.minimum_events)
            case "sequence":
                made = Ordered(rule.window, len(rule.events))
            case "join":
                made = Joined(rule.window, len(rule.events))
            case "absence":
                made = Firsts()
        self._held[key] = made
        return made

    def recall(self, found: EventCorrelation) -> None:
        """Take an earlier correlation of the rule into the history."""
        for insight in found.insights:
            span = insight.data.get("span")
            if insight.type == "performance" and isinstance(span, int | float):
                self._history.append(span)

    def _remember(self, held: Held, seen: Seen) -> None:
        if isinstance(held, Counted):
            held.count(seen)
        elif self.rule.type == "join" or 0 in seen.places:
            self._good += 1

    def _awaits(self, held: Firsts, key: str, seen: Seen, used: bool) -> None:
        if 1 in seen.places:
            for one in held.followed():
                self._good += 1
                self._history.append(seen.at - one.first.at)
        if 0 not in seen.places:
            return
        # Time passes for one whose absence is known as it has passed then: what was late is late again.
        awaited = Awaited(key, seen, used)
        held.open.append(awaited)
        self._awaited.append(awaited)

    def _over(self, passed: int) -> Iterator[EventCorrelation]:
        """The absences whose windows ended before that time."""
        window = self.rule.window
        while self._awaited and (not self._awaited[0].open or self._awaited[0].first.at + window < passed):
            one = self._awaited.popleft()
            if not one.open:
                continue
            one.open = False
            held = self._held[one.key]
            assert isinstance(held, Firsts)
            held.open.remove(one)
            self._size -= 1
            if not held.open:
                del self._held[one.key]
            base = Base(good=self._good, bad=self._bad)
            if not one.told:
                yield self._found(one.key, (one.first,), one.first.at + window, base)
            self._bad += 1

    def _make_room(self, oldest: int) -> None:
        """Let go of the key that was longest silent, if nothing of it is in a window; more if there is no room."""
        if self.rule.type in ("sequence", "join") and self._held:
            self._let_go(next(iter(self._held)), oldest)
        while len(self._held) > self._keys or (self._size > self._most and len(self._held) > 1):
            self._drop(next(iter(self._held)), oldest)
        if self._size > self._most:
            held = next(iter(self._held.values()))
            before = held.size
            held.shed()
            self._size -= before - held.size
            self.dropped += before - held.size

    def _let_go(self, key: str, oldest: int) -> None:
        held = self._held[key]
        if isinstance(held, Firsts):
            return
        before = held.size
        self._bad += held.lapse(oldest)
        self._size -= before - held.size
        if not held.size and not isinstance(held, Counted):
            del self._held[key]

    def _drop(self, key: str, oldest: int) -> None:
        self._let_go(key, oldest)
        held = self._held.pop(key, None)
        if held is None:
            return
        self._size -= held.size
        self.dropped += held.size
        if isinstance(held, Firsts):
            held.followed()

    # ---- what is found

    def _base(self, held: Held, members: Sequence[Seen]) -> Base:
        if isinstance(held, Counted):
            return Base(good=held.total - len(members), observed=members[0].at - held.since)
        return Base(good=self._good, bad=self._bad)

    def _found(self, key: str, members: Sequence[Seen], at: int, base: Base) -> EventCorrelation:
        rule = self.rule
        sure, computed = confidence(rule, len(members), base)
        return EventCorrelation(
            id=derived_uuid("correlation", rule.id, key, *(f"{one.source}#{one.id}" for one in members)),
            rule_id=rule.id,
            events=[one.id for one in members],
            correlation_type=rule.type,
            confidence=sure,
            insights=insights(rule, key, members, computed, self._history),
            timestamp=at,
        )


# ---- lists ---------------------------------------------------------------------------------------


def correlations(
    events: Iterable[Published], correlator: Correlator, until: int | None = None
) -> Iterator[EventCorrelation]:
    """All that a new correlator finds in a list. The order of the list does not matter, and none is late; an event that
    is there twice (by source and id) counts once. Time goes on `until` then (ms), or to the latest of the events: what
    would be absent only later is not found."""
    known: dict[tuple[str, str], Published] = {}
    for event in events:
        known.setdefault((event.source, event.id), event)
    ordered = sorted(known.values(), key=by_time)
    for event in ordered:
        yield from correlator.take(event, event.at)
    end = max(ordered[-1].at if ordered else 0, until or 0)
    yield from correlator.advance(end + correlator.rule.lateness + 1)


def correlate(events: Iterable[Published], rules: Sequence[CorrelationRule]) -> list[EventCorrelation]:
    """The first correlation of each rule in a list of events: one for each rule at most."""
    held = list(events)
    return [found for rule in rules for found in _first(correlations(held, Correlator(rule)))]


def _first(found: Iterator[EventCorrelation]) -> list[EventCorrelation]:
    return [one for one in (next(found, None),) if one is not None]
