"""Schedules: which moments they mean on the days on which clocks are changed, and what is due after a while."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mplp_cli.workflow.events.schedules import MOST_MISSED, check_schedule, due, next_times
from mplp_cli.workflow.events.triggers import CatchUp

BERLIN, YORK, HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
#: Days on which clocks are changed, by an hour or by half of one.
CHANGES = [
    (BERLIN, date(2027, 3, 28)),
    (BERLIN, date(2027, 10, 31)),
    (YORK, date(2027, 3, 14)),
    (YORK, date(2027, 11, 7)),
    (HOWE, date(2027, 4, 4)),
    (HOWE, date(2027, 10, 3)),
]
MINUTE = 60_000


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def at(text: str, zone: str) -> int:
    return ms(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def shown(times: list[int], zone: str) -> list[str]:
    return [datetime.fromtimestamp(one / 1000, ZoneInfo(zone)).strftime("%d %H:%M %z") for one in times]


def by_the_clock(
    minutes: set[int], hours: set[int], zone: ZoneInfo, begin: datetime, end: datetime
) -> list[int]:
    """Every minute at which the clock of the zone shows one of the times."""
    found, moment = [], begin
    while moment <= end:
        wall = moment.astimezone(zone)
        if moment > begin and wall.minute in minutes and wall.hour in hours:
            found.append(ms(moment))
        moment += timedelta(minutes=1)
    return found


def once_a_day(
    minutes: set[int], hours: set[int], zone: ZoneInfo, begin: datetime, end: datetime
) -> list[int]:
    """Each time of each day once: when the clock first shows it, or goes past it."""
    found: set[int] = set()
    for offset in range(-2, 4):
        day = (begin + timedelta(days=offset)).date()
        for hour in hours:
            for minute in minutes:
                wanted = datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 - of the wall clock
                moment = wanted.replace(tzinfo=UTC) - timedelta(hours=15)
                while moment.astimezone(zone).replace(tzinfo=None) < wanted:
                    moment += timedelta(minutes=1)
                found.add(ms(moment))
    return sorted(one for one in found if ms(begin) < one <= ms(end))


@settings(max_examples=40)
@example(change=(BERLIN, date(2027, 10, 31)), minutes="*", hours="*", begin=20 * 60)
@given(
    change=st.sampled_from(CHANGES),
    minutes=st.sampled_from(["*", "*/15", "*/7", "0", "30", "0,30", "5-50/9"]),
    hours=st.sampled_from(["*", "*/2", "2", "1-3", "0,2,23", "1,2"]),
    begin=st.integers(0, 36 * 60),
)
def test_a_schedule_means_the_moments_that_the_clock_of_its_zone_says(
    change: tuple[str, date], minutes: str, hours: str, begin: int
) -> None:
    zone = ZoneInfo(change[0])
    first = (
        datetime.combine(change[1], datetime.min.time(), UTC) - timedelta(hours=20) + timedelta(minutes=begin)
    )
    last = first + timedelta(hours=30)
    oracle = by_the_clock if "*" in (minutes[0], hours[0]) else once_a_day
    expected = oracle(_numbers(minutes, 60), _numbers(hours, 24), zone, first, last)
    found = next_times(f"{minutes} {hours} * * *", change[0], ms(first), len(expected) + 1)
    assert shown(found[: len(expected)], change[0]) == shown(expected, change[0])
    assert found[-1] > ms(last)


def _numbers(field: str, end: int) -> set[int]:
    found = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        low, _, high = ("0", "", str(end - 1)) if span == "*" else span.partition("-")
        found |= set(range(int(low), int(high or low) + 1, int(step or 1)))
    return found


def test_a_time_that_comes_twice_or_never_on_a_day_comes_once_and_quarters_come_in_both_hours() -> None:
    autumn, spring = at("2027-10-31T00:00", BERLIN), at("2027-03-28T00:00", BERLIN)
    assert shown(next_times("30 2 * * *", BERLIN, autumn, 2), BERLIN) == ["31 02:30 +0200", "01 02:30 +0100"]
    assert shown(next_times("30 2 * * *", BERLIN, spring, 2), BERLIN) == ["28 03:00 +0200", "29 02:30 +0200"]
    quarters = next_times("*/15 * * * *", BERLIN, at("2027-10-31T01:59", BERLIN), 9)
    assert [b - a for a, b in pairwise(quarters)] == [15 * MINUTE] * 8
    assert [text[3:5] for text in shown(quarters, BERLIN)] == ["02"] * 8 + ["03"]


def test_leap_days_last_days_and_names_come_when_the_calendar_says() -> None:
    begin = at("2027-01-15T12:00", "UTC")
    leap = next_times("0 0 29 2 *", "UTC", at("2095-03-01T00:00", "UTC"), 2)
    assert [datetime.fromtimestamp(one / 1000, UTC).year for one in leap] == [2096, 2104]
    assert shown(next_times("0 6 L * *", "UTC", begin, 2), "UTC") == ["31 06:00 +0000", "28 06:00 +0000"]
    for name, same in (("@daily", "0 0 * * *"), ("@hourly", "0 * * * *"), ("@weekly", "0 0 * * 0")):
        assert next_times(name, BERLIN, begin, 3) == next_times(same, BERLIN, begin, 3)


@pytest.mark.parametrize(
    ("schedule", "zone", "said"),
    [
        ("* * * *", "UTC", "five fields"),
        ("61 * * * *", "UTC", "`61`"),
        ("@often", "UTC", "@often"),
        ("@daily", "Mars/Base", "Mars/Base"),
        ("@daily", "../etc/passwd", "time zone"),
    ],
)
def test_what_is_no_schedule_says_why(schedule: str, zone: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("*", r"\*").replace("/", "/")):
        check_schedule(schedule, zone)


@pytest.mark.parametrize(("catch_up", "ticks"), [("none", []), ("last", [9]), ("all", [6, 7, 8, 9])])
def test_times_that_passed_while_nobody_looked_are_made_up_for_as_the_policy_says(
    catch_up: CatchUp, ticks: list[int]
) -> None:
    hour = 60 * MINUTE
    begin = at("2027-01-01T00:00", "UTC")
    found = due("0 * * * *", "UTC", catch_up, begin + 5 * hour, begin + 9 * hour + 10 * MINUTE)
    assert [(tick - begin) // hour for tick in found.ticks] == ticks
    assert (found.missed, found.more, found.next) == (4, False, begin + 10 * hour)
    punctual = due("0 * * * *", "UTC", "none", begin + 5 * hour, begin + 9 * hour + 5)
    assert [(tick - begin) // hour for tick in punctual.ticks] == [9]


def test_of_a_year_of_missed_minutes_no_more_than_a_thousand_are_made_up_for_and_that_is_said() -> None:
    begin = at("2027-01-01T00:00", "UTC")
    now = begin + 365 * 86_400_000
    found = due("* * * * *", BERLIN, "all", begin, now + 30_000)
    assert (len(found.ticks), found.missed, found.more) == (MOST_MISSED + 1, MOST_MISSED, True)
    assert found.ticks[-1] == now
    assert found.ticks == tuple(now - i * MINUTE for i in range(MOST_MISSED, -1, -1))
