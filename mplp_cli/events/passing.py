"""What an event has to pass: filters, transformers, and the choice of routes. Nothing here waits or stores.

The filters see the event as it was published, and it must pass them all; the transformers change it one after the
other, each what the one before has made; then come all routes that the outcome matches.

Events of alerts that are silenced reach the routes that ask for them, and no others.

Where one of them cannot be asked about an event (a comparison of a text with a number, a reference to what it does not
have), the event is neither let through nor lost: it goes to the dead letters of the routes that it reaches without the
one that failed, and of every route if that one would have changed its type. A route's own condition concerns that route
alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from mplp_cli.workflow.alerts import is_silenced
from mplp_cli.workflow.events.judging import event_template, event_value, filled, judge
from mplp_cli.workflow.events.routes import Match, Routing, Transformer
from mplp_cli.workflow.language.templates import Template
from mplp_cli.workflow.published import Published, check_type, matches

Judge = Callable[[Published], bool]

#: Types whose way is remembered.
_REMEMBERED: Final = 1_000


class Passed(NamedTuple):
    """An event after filters and transformers, and the places of the routes (as they are declared) that it goes to.
    `poisoned`: routes that cannot have it, and why."""

    event: Published
    routes: tuple[int, ...] = ()
    poisoned: tuple[tuple[int, str], ...] = ()

    def touched(self) -> list[int]:
        """The routes that it concerns, either way."""
        return [*self.routes, *(place for place, _ in self.poisoned)]


class _Gate(NamedTuple):
    """A `match`, compiled. `ask` is None where the type alone decides."""

    place: int
    type: str
    ask: Judge | None


class _Way(NamedTuple):
    """What events of one type meet. `changed`: whether a transformer may want them."""

    open: bool
    filters: tuple[tuple[bool, Judge], ...]
    changed: bool


class Passage:
    """The way of events from the board to routes. ValueError if something in the routing cannot be compiled."""

    def __init__(self, routing: Routing) -> None:
        self._filters = [
            (one.rule == "keep", _gate(place, one.match, f"filter {one.id}"))
            for place, one in enumerate(routing.filters)
        ]
        self._changes = [_Change(place, one) for place, one in enumerate(routing.transformers)]
        self._routes = [
            _gate(place, one.match, f"route {one.id}") for place, one in enumerate(routing.routes)
        ]
        #: Places of the routes that also get what is silenced.
        self._silenced = frozenset(place for place, one in enumerate(routing.routes) if one.silenced)
        self._ways: dict[str, _Way] = {}
        #: Type -> routes that get all of it, and those that are to be asked.
        self._reached: dict[str, tuple[tuple[int, ...], tuple[tuple[int, Judge], ...]]] = {}

    def of(self, event: Published) -> Passed:
        """Where an event goes."""
        passed = self._passed(event)
        if not is_silenced(event):
            return passed
        return Passed(
            passed.event,
            tuple(place for place in passed.routes if place in self._silenced),
            tuple(one for one in passed.poisoned if one[0] in self._silenced),
        )

    def _passed(self, event: Published) -> Passed:
        way = self._ways.get(event.type) or self._way(event.type)
        if not way.open:
            return Passed(event)
        if not way.filters and not way.changed:
            return self._choice(event)
        error, anywhere = "", False
        for keeps, ask in way.filters:
            try:
                if ask(event) is not keeps:
                    return Passed(event)
            except ValueError as refused:
                error = error or _text(refused)
        for change in self._changes if way.changed else ():
            try:
                event = change.of(event)
            except ValueError as refused:
                error, anywhere = error or _text(refused), anywhere or change.sets_type
        if not error:
            return self._choice(event)
        places = range(len(self._routes)) if anywhere else self._choice(event).touched()
        return Passed(event, (), tuple((place, error) for place in places))

    def _choice(self, event: Published) -> Passed:
        reached = self._reached.get(event.type) or self._reach(event.type)
        sure, asked = reached
        if not asked:
            return Passed(event, sure)
        routes, poisoned = list(sure), []
        for place, ask in asked:
            try:
                if ask(event):
                    routes.append(place)
            except ValueError as error:
                poisoned.append((place, _text(error)))
        return Passed(event, tuple(routes), tuple(poisoned))

    # ---- once for each type

    def _way(self, kind: str) -> _Way:
        filters, is_open = [], True
        for keeps, gate in self._filters:
            if not matches(gate.type, kind):
                is_open &= not keeps
            elif gate.ask is None:
                is_open &= keeps
            else:
                filters.append((keeps, gate.ask))
        # One that changes the type may bring it to others.
        changed = any(matches(change.gate.type, kind) for change in self._changes)
        if len(self._ways) >= _REMEMBERED:
            self._ways.clear()
        way = self._ways[kind] = _Way(is_open, tuple(filters), changed)
        return way

    def _reach(self, kind: str) -> tuple[tuple[int, ...], tuple[tuple[int, Judge], ...]]:
        fitting = [gate for gate in self._routes if matches(gate.type, kind)]
        if len(self._reached) >= _REMEMBERED:
            self._reached.clear()
        reached = self._reached[kind] = (
            tuple(gate.place for gate in fitting if gate.ask is None),
            tuple((gate.place, gate.ask) for gate in fitting if gate.ask is not None),
        )
        return reached


class _Change:
    """A transformer, compiled."""

    def __init__(self, place: int, transformer: Transformer) -> None:
        self._of = f"transformer {transformer.id}"
        self.gate = _gate(place, transformer.match, self._of)
        self._set: dict[str, Template] = {
            key: event_template(value) for key, value in transformer.set.items()
        }
        self.sets_type = "type" in transformer.set

    def of(self, event: Published) -> Published:
        """The event as it is behind this one. ValueError if that cannot be told."""
        if not matches(self.gate.type, event.type) or (
            self.gate.ask is not None and not self.gate.ask(event)
        ):
            return event
        seen = {"event": event_value(event)}
        made = {key: filled(template, seen, self._of) for key, template in self._set.items()}
        changes: dict[str, Any] = {}
        if "type" in made:
            changes["type"] = check_type(made["type"])
        if "subject" in made:
            if not isinstance(made["subject"], str):
                raise ValueError(f"{self._of}: event {event.id}: a subject is a text")
            changes["more"] = {**event.more, "subject": made["subject"]}
        if "data" in made:
            more = {k: v for k, v in changes.get("more", event.more).items() if k != "data_base64"}
            changes |= {"data": made["data"], "more": more}
        return replace(event, **changes)


def _gate(place: int, match: Match, of: str) -> _Gate:
    alone = match.source == "*" and not match.where
    return _Gate(place, match.type, None if alone else judge(match, of))


def _text(error: ValueError) -> str:
    return f"{type(error).__name__}: {error}"
