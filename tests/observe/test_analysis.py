"""What measurements mean: limits, the one number, and where things are going."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins

from mplp_cli.observe.analysis import Failing, Full, Load, analyse, overall_of
from mplp_cli.observe.trends import LEAST, Measure, Reading, trend_of
from mplp_cli.workflow.bottlenecks import Bottleneck, Metrics, Network, Use

CPU = Measure(name="cpu", floor=0.05, limit=0.8, part=True)
BUSY = Metrics(
    cpu=Use(utilization=0.81), memory=Use(utilization=0.91), network=Network(latency=100.1)
)  # each just above its limit
FINE = Metrics(cpu=Use(utilization=0.8), memory=Use(utilization=0.9), network=Network(latency=100.0))


def every_five_seconds(*values: float) -> list[Reading]:
    return [(1_000_000 + 5_000 * n, value) for n, value in enumerate(values)]


def noise(n: int) -> float:
    """Between -1 and 1, without a trend."""
    return (n * 29 % 61) / 30 - 1


def types(load: Load) -> list[str]:
    return [one.type for one in analyse(load, {}).bottlenecks]


@pytest.mark.parametrize(
    ("at_the_limit", "above", "kind"),
    [
        (Load(slot_wait=1.0, queued=1), Load(slot_wait=1.001, queued=1), "slots"),
        (Load(slot_wait=9.0, queued=0), Load(slot_wait=9.0, queued=1), "slots"),
        (Load(dead={"audit": 0}), Load(dead={"audit": 1}), "dead-letters"),
        (Load(behind={"route:audit": 100}), Load(behind={"route:audit": 101}), "backlog"),
        (Load(failing=[Failing("w", 1, 1, "r")]), Load(failing=[Failing("w", 2, 2, "r")]), "workflow"),
        (Load(failing=[Failing("w", 2, 4, "r")]), Load(failing=[Failing("w", 2, 3, "r")]), "workflow"),
        (Load(commit=0.1), Load(commit=0.1001), "journal"),
        (Load(), Load(full=[Full("gpu", 1, "train 1a2b3c4d")]), "resource"),
    ],
)
def test_what_is_exactly_at_its_limit_is_no_bottleneck(at_the_limit: Load, above: Load, kind: str) -> None:
    assert types(at_the_limit) == []
    assert types(above) == [kind]
    assert analyse(above, {}).recommendations, "each says what to do"


def test_those_of_the_machine_come_first_and_in_their_order() -> None:
    assert types(Load(machine=FINE)) == []
    assert types(Load(machine=BUSY, commit=1.0)) == ["cpu", "memory", "network", "journal"]


def test_a_slot_more_is_advised_only_where_the_cores_have_room() -> None:
    idle, busy = (
        analyse(Load(machine=each, slot_wait=5.0, queued=3), {}).recommendations for each in (FINE, BUSY)
    )
    assert "max-parallel" in idle[0]
    assert not [text for text in busy if "room" in text]


def of(*severities: str) -> list[Bottleneck]:
    return [Bottleneck(type="cpu", severity=s, description="", recommendations=()) for s in severities]  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    ("severities", "overall"),
    [
        ((), 100),
        (("medium",), 90),
        (("high",), 75),
        (("critical",), 60),
        (("critical", "high", "medium"), 25),
        (("high",) * 4, 0),
        (("critical", "critical", "critical"), 0),
    ],
)
def test_overall_is_what_bottlenecks_leave_of_100(severities: tuple[str, ...], overall: int) -> None:
    assert overall_of(of(*severities)) == overall


@given(st.lists(st.sampled_from(["medium", "high", "critical"]), max_size=12))
def test_overall_stays_between_0_and_100_and_falls_with_each_bottleneck(severities: list[str]) -> None:
    numbers = [overall_of(of(*severities[:n])) for n in range(len(severities) + 1)]
    assert numbers == sorted(numbers, reverse=True)
    assert all(0 <= number <= 100 for number in numbers)


def test_the_analysis_has_exactly_these_keys() -> None:
    made = to_builtins(analyse(Load(machine=BUSY), {"cpu": every_five_seconds(*[0.5] * 20)}))
    assert list(made) == ["overall", "bottlenecks", "trends", "recommendations"]
    assert list(made["bottlenecks"][0]) == ["type", "severity", "description", "recommendations"]
    assert [trend["metric"] for trend in made["trends"]] == [
        "cpu", "memory", "storage", "steps", "step time", "events", "backlog"
    ]  # fmt: skip
    assert made["overall"] == 25


# ---- trends ------------------------------------------------------------------------------------


def test_a_rising_measurement_says_how_fast_and_when_it_is_at_its_limit() -> None:
    found = trend_of(CPU, every_five_seconds(*(0.2 + n * 0.005 + 0.02 * noise(n) for n in range(60))))
    assert found.direction == "rising"
    assert found.slope == pytest.approx(0.06, rel=0.1)  # 0.005 in 5 seconds
    assert found.confidence is not None
    assert found.confidence > 0.999
    assert found.reaches == pytest.approx(5.2, abs=0.7)  # from about 0.49 to 0.8
    assert f"at 80 % in about {found.reaches:.0f} min" in found.description


def test_a_few_wild_readings_make_no_trend_and_hide_none() -> None:
    level = [0.4 + 0.03 * noise(n) for n in range(60)]
    level[55:58] = [1.0, 1.0, 1.0]
    assert trend_of(CPU, every_five_seconds(*level)).direction == "steady"
    falls = [0.9 - n * 0.01 for n in range(60)]
    falls[40] = falls[50] = 5.0
    found = trend_of(CPU, every_five_seconds(*falls))
    assert (found.direction, found.reaches) == ("falling", None)
    assert found.slope == pytest.approx(-0.12, rel=0.05)


def test_a_sure_trend_that_is_too_small_to_matter_is_steady() -> None:
    found = trend_of(CPU, every_five_seconds(*(0.5 + n * 0.0001 for n in range(60))))
    assert (found.direction, found.confidence) == ("steady", 1.0)


@pytest.mark.parametrize("count", [0, 1, LEAST - 1])
def test_few_readings_are_not_enough_data(count: int) -> None:
    found = trend_of(CPU, every_five_seconds(*(0.1 * n for n in range(count))))
    assert (found.direction, found.slope, found.confidence) == ("unknown", None, None)
    assert found.description.startswith("not enough data")
    close = [(1_000 * n, float(n)) for n in range(20)]  # many, and of 19 seconds
    assert trend_of(CPU, close).direction == "unknown"


@given(st.lists(st.floats(0, 1e6), min_size=LEAST, max_size=150))
def test_readings_turned_round_have_the_opposite_trend(values: list[float]) -> None:
    measure = Measure(name="any", floor=0.1)
    there, back = (trend_of(measure, every_five_seconds(*each)) for each in (values, [-v for v in values]))
    assert there.slope == pytest.approx(-(back.slope or 0.0), abs=1e-5)
    assert there.confidence == back.confidence
    assert {there.direction, back.direction} in ({"steady"}, {"rising", "falling"})


def test_what_will_be_at_its_limit_is_told_unless_it_is_there_already() -> None:
    rises = {"memory": every_five_seconds(*(0.6 + n * 0.002 for n in range(60)))}
    [said] = analyse(Load(machine=FINE), rises).recommendations
    assert said == "memory is at its limit in about 8 min, if it goes on like this"
    assert said not in analyse(Load(machine=BUSY), rises).recommendations
