"""One correlation rule that works on the board."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Final, TypeAlias

from msgspec.structs import replace

from mplp_cli.workflow.events.correlation import Correlator
from mplp_cli.workflow.events.judging import event_template
from mplp_cli.workflow.events.rules import CorrelationRule, EmitAction, EventCorrelation
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.values import moment_ms

#: Milliseconds that an event may take to the board without being late.
SLACK: Final = 200
#: A number, its event, and when that came (ms).
Come: TypeAlias = tuple[int, Published, int]


def reader_of(rule: str) -> str:
    """The name under which a store keeps how far a rule has come."""
    return f"rule:{rule}"


def rule_source(rule: str) -> str:
    """The source of what a rule publishes."""
    return f"mplp/rule/{rule}"


def came(event: Published) -> int:
    """When an event came to the board (ms)."""
    said = event.more.get("recordedtime")
    try:
        return moment_ms(said) if isinstance(said, str) else event.at
    except ValueError:
        return event.at


def come(events: Sequence[tuple[int, Published]]) -> list[Come]:
    """Numbered events with the moments at which they came."""
    return [(number, event, came(event)) for number, event in events]


def timed(event: Published, now: int) -> Published:
    """What says that it is of the future counts as of when it came."""
    return event if event.at <= now else replace(event, at=now)


class Lane:
    """One rule: how far it has read, what it has found, and up to which event all is done."""

    def __init__(self, rule: CorrelationRule, settled: int) -> None:
        self.rule = rule
        self.reader = reader_of(rule.id)
        self.source = rule_source(rule.id)
        self.actions = [
            event_template(one.data if isinstance(one, EmitAction) else one.inputs, ("correlation",))
            for one in rule.actions
        ]
        self.forget()
        self.read = self.settled = settled
        #: What was found with the event of that number, oldest first.
        self.found: deque[tuple[int, list[EventCorrelation]]] = deque()
        #: When actions are tried again (monotonic seconds).
        self.again = 0.0

    def forget(self) -> None:
        """Hold nothing."""
        self.correlator = Correlator(self.rule, slack=SLACK)
        #: What was taken of its counts.
        self._taken = Counter[str]()

    def take_counts(self) -> Counter[str]:
        """What became of events since it was asked last, or has forgotten (`Correlator.counts`)."""
        before, self._taken = self._taken, self.correlator.counts()
        return self._taken - before

    @property
    def done(self) -> int:
        """The number of the event up to which all is dealt with."""
        return self.found[0][0] - 1 if self.found else self.read

    def take(self, events: Sequence[Come]) -> None:
        """Take in what comes next; its own events never."""
        for number, event, now in events:
            if number <= self.read:
                continue
            self.read = number
            if event.source != self.source and (found := self.correlator.take(timed(event, now), now)):
                self.found.append((number, found))

    def pass_time(self, now: int) -> None:
        """It is `now` (ms), and all that came is taken."""
        if found := self.correlator.advance(now):
            self.found.append((self.read, found))
