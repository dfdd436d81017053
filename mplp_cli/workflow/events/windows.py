"""Aggregation: events under a key, in windows of their own times. Pure.

    aggregate(events, by="type", windows=Windows(size=300_000, step=60_000), field="data.ms")

A window begins at every multiple of `step` since the epoch and is [start, start + size): tumbling if both are the same,
else sliding, and then an event is in several of them. Events are given in the order in which they came. One is late if
its time is more than `lateness` before the latest time that had come before it; late events are in no window, they are
listed beside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct, json

from mplp_cli.workflow.events.judging import EventError, reader
from mplp_cli.workflow.events.rules import AggregatedEvent, Summary
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.values import Json

#: Windows that one event may be in.
MOST = 1_000


class Windows(Struct, frozen=True, kw_only=True):
    """How long windows are, and how far apart they begin (ms). ValueError if there are none of that kind."""

    size: int
    step: int

    def __post_init__(self) -> None:
        if self.size <= 0 or self.step <= 0:
            raise ValueError("a window and its step are longer than nothing; write 5m")
        if self.step > self.size:
            raise ValueError("windows are further apart than they are long; some events would be in none")
        if self.size > self.step * MOST:
            raise ValueError(f"an event would be in more than {MOST:,} windows; make the step longer")

    def of(self, at: int) -> Iterator[int]:
        """The starts of the windows that a time is in, the first one first."""
        last = at - at % self.step
        return iter(range(last - (last + self.size - 1 - at) // self.step * self.step, last + 1, self.step))


class Aggregation(Struct, frozen=True, kw_only=True):
    """`groups` by window, then by key; what was `late`; what lacks the key, with the reason (`refused`)."""

    groups: list[AggregatedEvent]
    late: list[Published]
    refused: list[tuple[Published, str]]


def aggregate(
    events: Iterable[Published],
    *,
    by: str = "type",
    windows: Windows | None = None,
    lateness: int | None = None,
    field: str = "",
) -> Aggregation:
    """Events under keys. `by`: `type`, `source`, empty (all of them together), or an expression or template over the
    event. Without `lateness` none is late. `field`: an expression whose numbers are summed up; an event without a
    number there counts all the same. DeclarationError for what cannot be compiled.
    """
    keyed, number = key_reader(by), _numbers(field)
    late: list[Published] = []
    refused: list[tuple[Published, str]] = []
    groups: dict[tuple[int | None, str], list[Published]] = {}
    latest: int | None = None
    for event in events:
        if latest is not None and lateness is not None and event.at < latest - lateness:
            late.append(event)
            continue
        latest = event.at if latest is None else max(latest, event.at)
        try:
            key = keyed(event)
        except EventError as error:
            refused.append((event, error.reason))
            continue
        for start in (None,) if windows is None else windows.of(event.at):
            groups.setdefault((start, key), []).append(event)
    size = windows.size if windows is not None else 0
    made = [
        _group(key, start, size, held, number)
        for (start, key), held in sorted(groups.items(), key=lambda item: (item[0][0] or 0, item[0][1]))
    ]
    return Aggregation(groups=made, late=late, refused=refused)


def key_reader(by: str) -> Callable[[Published], str]:
    """Who reads the key of an event, as text."""
    match by:
        case "":
            return lambda event: ""
        case "type":
            return lambda event: event.type
        case "source":
            return lambda event: event.source
        case _:
            read = reader(by)
            return lambda event: key_text(read(event))


def key_text(value: Json) -> str:
    """A value as a key: a text as it is, all others as JSON."""
    return value if isinstance(value, str) else json.encode(value).decode()


def _numbers(field: str) -> Callable[[Published], float | None]:
    if not field:
        return lambda event: None
    read = reader(field)

    def number(event: Published) -> float | None:
        try:
            value = read(event)
        except EventError:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        try:
            return value if math.isfinite(value) else None
        except OverflowError:
            return None

    return number


def _group(
    key: str,
    start: int | None,
    size: int,
    held: list[Published],
    number: Callable[[Published], float | None],
) -> AggregatedEvent:
    held.sort(key=by_time)
    return AggregatedEvent(
        key=key,
        count=len(held),
        first=held[0].at,
        last=held[-1].at,
        events=[event.id for event in held],
        start=start,
        end=None if start is None else start + size,
        summary=summarised([found for event in held if (found := number(event)) is not None]),
    )


def by_time(event: Published) -> tuple[int, str, str]:
    """The order of events: by time, those of one millisecond by source and id."""
    return event.at, event.source, event.id


def summarised(numbers: Sequence[float]) -> Summary | None:
    """What numbers come to; None if there are none."""
    if not numbers:
        return None
    ordered = sorted(numbers)
    try:
        total = math.fsum(ordered)
    except OverflowError:
        total = math.copysign(math.inf, ordered[-1])
    mean = total / len(ordered) if math.isfinite(total) else math.fsum(n / len(ordered) for n in ordered)
    p50, p95, p99 = (percentile(ordered, percent) for percent in (50, 95, 99))
    return Summary(
        count=len(ordered), sum=total, mean=mean, min=ordered[0], max=ordered[-1], p50=p50, p95=p95, p99=p99
    )


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The smallest of these (in order) that `percent` of them do not exceed."""
    return ordered[max(-(-len(ordered) * percent // 100) - 1, 0)]
