"""What a correlation rule holds of the events under one key, one class for each type of rule. Pure.

Events are added in the order of their times. What takes part in a match is used up; what is older than the window by
the time of the event that is added has lapsed. An event that is exactly a window older is not.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct


class Seen(Struct, frozen=True, gc=False):
    """An event as rules hold it: the how manieth it is, when it counts (ms), and which matches of the rule it fits."""

    order: int
    at: int
    id: str
    source: str
    places: tuple[int, ...]


class Told(Struct, frozen=True):
    """What came of an event that was added: the `members` of a match, by time, none if there is no match; how many
    events have lapsed that a match could have begun with."""

    members: tuple[Seen, ...] = ()
    lapsed: int = 0


class Held(Protocol):
    """The events under one key that may yet be part of a match."""

    @property
    def size(self) -> int:
        """How many are held."""
        ...

    def add(self, seen: Seen) -> Told:
        """Take the next event."""
        ...

    def lapse(self, oldest: int) -> int:
        """Let go of what is before that time (ms). How many of them a match could have begun with."""
        ...

    def shed(self) -> None:
        """Forget the older half."""
        ...


_NOTHING = Told()


class Counted:
    """`frequency`: so many events within the window. After a match the window begins anew."""

    def __init__(self, window: int, minimum: int) -> None:
        self._window, self._minimum = window, minimum
        self._held: deque[Seen] = deque()
        #: All events of this key so far, and when the first one was.
        self.total = 0
        self.since = 0

    @property
    def size(self) -> int:
        """How many are held."""
        return len(self._held)

    def add(self, seen: Seen) -> Told:
        """Take the next event."""
        self.count(seen)
        self.lapse(seen.at - self._window)
        held = self._held
        held.append(seen)
        if len(held) < self._minimum:
            return _NOTHING
        members = tuple(held)
        held.clear()
        return Told(members)

    def lapse(self, oldest: int) -> int:
        """Let go of what is before that time."""
        held = self._held
        while held and held[0].at < oldest:
            held.popleft()
        return 0

    def count(self, seen: Seen) -> None:
        """Take an event that is used up already."""
        if not self.total:
            self.since = seen.at
        self.total += 1

    def shed(self) -> None:
        """Forget the older half."""
        for _ in range((len(self._held) + 1) // 2):
            self._held.popleft()


def _older(events: list[Seen], oldest: int) -> int:
    """How many of them are before that time."""
    return bisect_left(events, oldest, key=_at)


def _at(seen: Seen) -> int:
    return seen.at


def _order(seen: Seen) -> int:
    return seen.order


def _without(events: list[Seen], member: Seen) -> None:
    at = bisect_left(events, member.order, key=_order)
    if at < len(events) and events[at].order == member.order:
        del events[at]


class Ordered:
    """`sequence`: one event for each place, in their order. An event for the last place completes the sequence whose
    other events are the nearest before it, from the last place back to the first."""

    def __init__(self, window: int, places: int) -> None:
        self._window = window
        self._last = places - 1
        #: By place, but for the last one.
        self._held: list[list[Seen]] = [[] for _ in range(places - 1)]

    @property
    def size(self) -> int:
        """How many are held; one that fits two places counts twice."""
        return sum(map(len, self._held))

    def add(self, seen: Seen) -> Told:
        """Take the next event."""
        lapsed = self.lapse(seen.at - self._window)
        members = self._before(seen) if self._last in seen.places else ()
        if members:
            for member in members:
                for place in member.places:
                    if place < self._last:
                        _without(self._held[place], member)
            return Told((*members, seen), lapsed)
        for place in seen.places:
            if place < self._last:
                self._held[place].append(seen)
        return Told((), lapsed) if lapsed else _NOTHING

    def lapse(self, oldest: int) -> int:
        """Let go of what is before that time; how many of it fit the first place."""
        lapsed = 0
        for place, events in enumerate(self._held):
            if events and events[0].at < oldest:
                gone = _older(events, oldest)
                del events[:gone]
                lapsed += 0 if place else gone
        return lapsed

    def _before(self, last: Seen) -> tuple[Seen, ...]:
        """The others of the sequence that `last` completes; none if it completes none."""
        members: list[Seen] = []
        order = last.order
        for events in reversed(self._held):
            at = bisect_left(events, order, key=_order)
            if not at:
                return ()
            members.append(events[at - 1])
            order = events[at - 1].order
        return tuple(reversed(members))

    def shed(self) -> None:
        """Forget the older half."""
        for events in self._held:
            del events[: (len(events) + 1) // 2]


class Joined:
    """`join`: one event for each match, in any order. Of all sets of events that do, the one with the latest events:
    the latest one of all is in it, then the latest that can be, and so on."""

    def __init__(self, window: int, places: int) -> None:
        self._window = window
        self._places = places
        self._all: list[Seen] = []
        self._held: list[list[Seen]] = [[] for _ in range(places)]

    @property
    def size(self) -> int:
        """How many are held."""
        return len(self._all)

    def add(self, seen: Seen) -> Told:
        """Take the next event."""
        lapsed = self.lapse(seen.at - self._window)
        for events in (self._all, *(self._held[place] for place in seen.places)):
            events.append(seen)
        members = self._complete() if all(self._held) else ()
        for member in members:
            for events in (self._all, *(self._held[place] for place in member.places)):
                _without(events, member)
        return Told(members, lapsed) if members or lapsed else _NOTHING

    def lapse(self, oldest: int) -> int:
        """Let go of what is before that time; how many there were."""
        lapsed = _older(self._all, oldest)
        if lapsed:
            for events in (self._all, *self._held):
                del events[: _older(events, oldest)]
        return lapsed

    def _complete(self) -> tuple[Seen, ...]:
        # Of one place no more than the latest `places` events can matter: one of them is always free.
        near = {seen.order: seen for events in self._held for seen in events[-self._places :]}
        taken: dict[int, Seen] = {}
        for order in sorted(near, reverse=True):
            _seat(near[order], taken, set())
            if len(taken) == self._places:
                return tuple(sorted(taken.values(), key=_order))
        return ()

    def shed(self) -> None:
        """Forget the older half."""
        oldest = self._all[len(self._all) // 2].order + 1
        for events in (self._all, *self._held):
            del events[: bisect_left(events, oldest, key=_order)]


def _seat(seen: Seen, taken: dict[int, Seen], tried: set[int]) -> bool:
    """Find a place for an event, those that sit already may move to another; whether there is one."""
    for place in seen.places:
        if place not in tried:
            tried.add(place)
            if place not in taken or _seat(taken[place], taken, tried):
                taken[place] = seen
                return True
    return False


class Awaited(Struct):
    """A first event of an `absence`, until it is followed or its window is over; `told`: its absence is known."""

    key: str
    first: Seen
    told: bool = False
    open: bool = True


class Firsts:
    """`absence`: the first events under one key that nothing has followed yet."""

    def __init__(self) -> None:
        self.open: list[Awaited] = []

    @property
    def size(self) -> int:
        """How many are waited for."""
        return len(self.open)

    def followed(self) -> Sequence[Awaited]:
        """Something follows all of them."""
        done, self.open = self.open, []
        for one in done:
            one.open = False
        return done

    def shed(self) -> None:
        """Forget the older half."""
        half = (len(self.open) + 1) // 2
        for one in self.open[:half]:
            one.open = False
        del self.open[:half]
