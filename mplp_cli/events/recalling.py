"""What correlation rules held when their process was lost, read back from the board.

Held is what lies before the reader of a rule, but for events of correlations that are on the board already: those are
used up, and count for the history alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from mplp_cli.events.rule_lane import SLACK, Lane, came, come, timed
from mplp_cli.protocols import Board, Clock
from mplp_cli.workflow.events.rules import EventCorrelation
from mplp_cli.workflow.published import Published

FOUND: Final = "correlation.found"
#: Events that are read back at least, for the history.
BACK: Final = 10_000
#: Events of correlations (source, id), by the source that has published these.
_Used = Mapping[str, set[tuple[str, str]]]


async def recall(lanes: Sequence[Lane], board: Board, clock: Clock) -> None:
    """Have the rules hold again what they held when they had dealt with the events up to their readers. StoreError."""
    for lane in lanes:
        lane.forget()
    begin = min((_far_back(lane, board, clock) for lane in lanes), default=0)
    used: dict[str, set[tuple[str, str]]] = {lane.source: set() for lane in lanes}
    by_source = {lane.source: lane for lane in lanes}
    after = begin
    while page := board.following(after):
        after = page[-1][0]
        for _, event in page:
            if event.source in used and event.type == FOUND:
                found = _correlation(event)
                used[event.source].update(_members(found))
                by_source[event.source].correlator.recall(found)
        await asyncio.sleep(0)
    await _take_again(lanes, board, begin, used)


async def _take_again(lanes: Sequence[Lane], board: Board, begin: int, used: _Used) -> None:
    last, after = max((lane.settled for lane in lanes), default=0), begin
    while after < last and (page := board.following(after)):
        after = page[-1][0]
        for number, event, now in come(page):
            for lane in lanes:
                if number <= lane.settled and event.source != lane.source:
                    # What is found is on the board already.
                    is_used = (event.source, event.id) in used[lane.source]
                    lane.correlator.take(timed(event, now), now, used=is_used)
        await asyncio.sleep(0)


def _far_back(lane: Lane, board: Board, clock: Clock) -> int:
    """The number of an event after which all are that a rule may hold, or compare with."""
    back, newest = BACK, board.numbered(lane.settled)
    latest = came(newest) if newest is not None else clock.now()
    # Three windows: of what is held, of what it may have been used up with, and of what made others late.
    far = 3 * (lane.rule.window + lane.rule.lateness + SLACK)
    while (begin := lane.settled - back) > 0:
        page = board.following(begin)
        if page and came(page[0][1]) < latest - far:
            return begin
        back *= 2
    return 0


def _correlation(event: Published) -> EventCorrelation:
    return msgspec.convert(event.data, EventCorrelation)


def _members(found: EventCorrelation) -> list[tuple[str, str]]:
    """The sources and ids of its events."""
    sources: list[str] = found.insights[0].data["sources"]
    return list(
        zip(sources * len(found.events) if len(sources) == 1 else sources, found.events, strict=False)
    )
