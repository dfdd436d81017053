"""Schedules of cron: which moments they mean in a time zone, and what is to be done about those that have passed. Pure.

The wall clock of the zone decides. What it shows twice, or skips, when the clocks change:

- A schedule whose minutes or hours begin with `*` goes by the clock as it is: it comes in both of two equal hours, and
  not at a time that does not exist.
- Any other means times of day, and each comes once: the first of two equal ones, and the moment of the change if the
  time does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from heapq import heappop, heappush
from itertools import islice
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from mplp_cli.workflow.suggest import did_you_mean

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from mplp_cli.workflow.events.triggers import CatchUp

#: What may stand in place of five fields.
NAMES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS: Final = {
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31, L for the last",
    "month": "1-12, or JAN to DEC",
    "day-of-week": "0-7 (0 and 7 are Sunday), or SUN to SAT",
}
#: Ticks that are made up for at most, the last ones.
MOST_MISSED = 1_000
#: A tick is missed if nobody has seen it for this long (ms).
MISSED = 60_000
#: A clock that is set back by more than this (ms) is believed: its time counts from then on. By less, its ticks wait
#: until it shows again what it has shown.
SET_BACK = 3 * 3_600_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: What the clocks of a zone may show differently before and after a moment.
_SHIFT = timedelta(hours=26)
_NONE, _MINUTE = timedelta(), timedelta(minutes=1)


def check_schedule(schedule: str, zone: str) -> None:
    """ValueError if it is no schedule, no time zone, or if its time never comes."""
    if not next_times(schedule, zone, 1_700_000_000_000, 1):
        raise ValueError(f"the time of `{schedule}` never comes")


def next_times(schedule: str, zone: str, after: int, n: int) -> list[int]:
    """The first `n` ticks after a moment (ms since the epoch); fewer if it does not come so often."""
    return list(islice(ticks(schedule, zone, after), n))


def ticks(schedule: str, zone: str, after: int) -> Iterator[int]:
    """The ticks after a moment, in order (ms since the epoch)."""
    where, begin = zone_of(zone), _EPOCH + timedelta(milliseconds=after)
    local = begin.astimezone(where).replace(tzinfo=None)
    # Where the clocks have just been changed, or are about to be, a time of the wall clock is not one moment.
    is_plain = len({(begin + shift).astimezone(where).utcoffset() for shift in (-_SHIFT, _NONE, _SHIFT)}) == 1
    times = _simulated(schedule, local if is_plain else local - _SHIFT)
    of_day = not any(field.startswith("*") for field in fields_of(schedule).split()[:2])
    last = after
    for moment in _once_each(times, where) if of_day else _as_shown(times, where):
        at = (moment - _EPOCH) // timedelta(milliseconds=1)
        if at > last:
            yield at
            last = at


def _once_each(times: Iterator[datetime], zone: ZoneInfo) -> Iterator[datetime]:
    for wall in times:
        shown = wall
        while not _exists(shown, zone):
            shown += _MINUTE
        yield shown.replace(tzinfo=zone).astimezone(UTC)


def _as_shown(times: Iterator[datetime], zone: ZoneInfo) -> Iterator[datetime]:
    """Every moment at which the clock shows one of the times."""
    later: list[datetime] = []
    for wall in times:
        first = wall.replace(tzinfo=zone).astimezone(UTC)
        while later and later[0] <= first:
            yield heappop(later)
        if not _exists(wall, zone):
            continue
        again = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
        yield first
        if again != first:
            heappush(later, again)
    yield from sorted(later)


def _exists(wall: datetime, zone: ZoneInfo) -> bool:
    there = wall.replace(tzinfo=zone)
    return there.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) == wall


def _simulated(schedule: str, after: datetime) -> Iterator[datetime]:
    """Times of the wall clock, as if it were never changed."""
    from cronsim import CronSim

    try:
        yield from CronSim(fields_of(schedule), after)
    except OverflowError:  # the calendar ends
        return


def fields_of(schedule: str) -> str:
    """The five fields of a schedule. ValueError, with a hint behind `; `, names the field that is wrong."""
    from cronsim import CronSim, CronSimError

    text = " ".join(schedule.split())
    if text.startswith("@"):
        if text not in NAMES:
            listed = ", ".join(NAMES)
            if text == "@reboot":
                raise ValueError("`@reboot` is no time; write a trigger with `on: startup`")
            raise ValueError(
                f"there is no schedule `{text}`; {did_you_mean(text, NAMES) or f'the names are {listed}'}"
            )
        return NAMES[text]
    fields = text.split(" ")
    if len(fields) != len(_FIELDS):
        raise ValueError(
            f"a schedule has five fields, not {len(fields)}; minute, hour, day of the month, month, day of the week:"
            ' "0 3 * * *" is every night at three'
        )
    try:
        CronSim(text, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        name = str(error).removeprefix("Bad ")
        said = dict(zip(_FIELDS, fields, strict=True)).get(name, text)
        wanted = f"the {name.replace('-', ' ').replace('day of', 'day of the')}"
        raise ValueError(
            f"`{said}` is not {wanted} of a schedule; {_FIELDS.get(name, 'write five fields')}"
        ) from None
    return text


@lru_cache(64)
def zone_of(name: str) -> ZoneInfo:
    """A time zone by its IANA name. ValueError if there is none of that name."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"`{name}` is not a time zone; write one such as `Europe/Berlin` or `UTC`") from None


# ---- what has become due -----------------------------------------------------------------------


class Due(Struct, frozen=True, kw_only=True):
    """What follows for a schedule at a moment. `ticks`: to be published now. `upto`: the moment up to which everything
    is dealt with then. `missed`: how many passed while nobody looked, those that are published too; `more`: there are
    more than that. `next`: the tick after now, None if it never comes again."""

    ticks: tuple[int, ...]
    upto: int
    missed: int
    more: bool
    next: int | None


def due(schedule: str, zone: str, catch_up: CatchUp, upto: int, now: int) -> Due:
    """What is due of a schedule with which everything is dealt with up to a moment."""
    if upto - now > SET_BACK:
        upto = now
    passed = _last_ticks(schedule, zone, upto, now, MOST_MISSED + 2)
    missed = [tick for tick in passed if now - tick >= MISSED]
    more = len(missed) > MOST_MISSED
    missed = missed[-MOST_MISSED:]
    punctual = [tick for tick in passed if now - tick < MISSED]
    made_up = {"none": punctual, "last": passed[-1:], "all": [*missed, *punctual]}
    # A tick that is dealt with is so also if the clock is set back a little.
    upto = max(upto, passed[-1] if passed else upto)
    following = next_times(schedule, zone, max(now, upto), 1)
    return Due(
        ticks=tuple(made_up[catch_up]),
        upto=upto,
        missed=len(missed),
        more=more,
        next=following[0] if following else None,
    )


def _last_ticks(schedule: str, zone: str, after: int, upto: int, n: int) -> list[int]:
    """The last `n` ticks after one moment, and up to another."""
    span = n * 60_000  # no schedule comes more than once a minute
    while True:
        begin = max(after, upto - span)
        found = []
        for tick in ticks(schedule, zone, begin):
            if tick > upto:
                break
            found.append(tick)
        if begin == after or len(found) >= n:
            return found[-n:]
        span *= 4
