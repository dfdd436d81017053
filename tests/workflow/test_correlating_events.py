"""Which events belong together, and how many are in a window: against oracles that try everything there is."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations, permutations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mplp_cli.workflow.events.correlation import Correlator, correlate, correlations
from mplp_cli.workflow.events.insights import compared, poisson_tail
from mplp_cli.workflow.events.judging import DeclarationError
from mplp_cli.workflow.events.routes import Match
from mplp_cli.workflow.events.rules import AggregatedEvent, CorrelationRule, EventCorrelation
from mplp_cli.workflow.events.windows import Windows, aggregate
from mplp_cli.workflow.published import Published


def event(number: int, at: int, kind: str = "a", key: str = "k") -> Published:
    return Published(id=f"e{number}", type=kind, source="s", at=at, data={"key": key, "n": number})


@st.composite
def streams(draw: st.DrawFn, kinds: str = "aabbcx", most: int = 12, until: int = 24) -> list[Published]:
    rows = draw(
        st.lists(
            st.tuples(st.integers(0, until), st.sampled_from(kinds), st.sampled_from("kl")),
            max_size=most,
        )
    )
    return [event(number, at, kind, key) for number, (at, kind, key) in enumerate(rows)]


#: What an event of each kind fits: `[ab]` fits two matches of a join.
_MATCHES = {
    "a": Match(type="a"),
    "b": Match(type="b"),
    "c": Match(type="c"),
    "ab": Match(where="type in ['a', 'b']"),
    "any": Match(),
}


KINDS = ("frequency", "sequence", "absence", "join")


@st.composite
def rules(draw: st.DrawFn, kind: str = "", lateness: int = 0) -> CorrelationRule:
    kind = kind or draw(st.sampled_from(KINDS))
    count = {"frequency": 1, "absence": 2}.get(kind) or draw(st.integers(2, 3))
    events = tuple(_MATCHES[draw(st.sampled_from(sorted(_MATCHES)))] for _ in range(count))
    return CorrelationRule(
        id="r",
        type=kind,  # type: ignore[arg-type]  # one of its four words
        events=events,
        window=draw(st.sampled_from([0, 1, 5, 9, 14, 20])),
        minimum_events=draw(st.integers(1, 4)) if kind == "frequency" else count,
        key=draw(st.sampled_from(["", "${event.data.key}"])),
        lateness=lateness,
    )


# ---- the oracles


def fits(match: Match, one: Published) -> bool:
    if match.where:
        return one.type in ("a", "b")
    return match.type in ("*", one.type)


def ordered(events: list[Published]) -> list[Published]:
    return sorted(events, key=lambda one: (one.at, one.source, one.id))


def expected(rule: CorrelationRule, events: list[Published]) -> list[list[str]]:
    """The ids of the events of each correlation, by trying every choice of events."""
    keys = {one.data["key"] for one in events} if rule.key else {None}
    return sorted(
        [one.id for one in chosen]
        for key in keys
        for chosen in _of_key(rule, [one for one in events if key in (None, one.data["key"])], events)
    )


def _of_key(
    rule: CorrelationRule, events: list[Published], everything: list[Published]
) -> list[list[Published]]:
    line = ordered(events)
    if rule.type == "absence":
        end = max((one.at for one in everything), default=0)
        return [
            [first]
            for place, first in enumerate(line)
            if fits(rule.events[0], first)
            and first.at + rule.window <= end
            and not any(
                fits(rule.events[1], later) and later.at - first.at <= rule.window
                for later in line[place + 1 :]
            )
        ]
    found: list[list[Published]] = []
    free: list[Published] = []
    for last in line:
        choices = [[*some, last] for some in combinations(free, _size(rule) - 1)]
        good = [some for some in choices if last.at - some[0].at <= rule.window and _is_match(rule, some)]
        if not good:
            free.append(last)
            continue
        # The one whose events are the latest, looking from the last to the first.
        best = max(good, key=lambda some: [line.index(one) for one in reversed(some)])
        found.append(best)
        free = [] if rule.type == "frequency" else [one for one in free if one not in best]
    return found


def _size(rule: CorrelationRule) -> int:
    return rule.minimum_events if rule.type == "frequency" else len(rule.events)


def _is_match(rule: CorrelationRule, some: list[Published]) -> bool:
    if rule.type == "frequency":
        return all(fits(rule.events[0], one) for one in some)
    orders = [tuple(some)] if rule.type == "sequence" else permutations(some)
    return any(all(map(fits, rule.events, order)) for order in orders)


def told(found: list[EventCorrelation]) -> list[list[str]]:
    return sorted(one.events for one in found)


# ---- correlation


@pytest.mark.parametrize("kind", KINDS)
@given(events=streams(), data=st.data())
@settings(max_examples=100)
def test_a_list_gives_what_trying_everything_gives_in_whatever_order_it_is(
    kind: str, events: list[Published], data: st.DataObject
) -> None:
    rule = data.draw(rules(kind))
    shuffled = data.draw(st.permutations([*events, *events[:2]]))
    found = [*correlations(shuffled, Correlator(rule))]
    assert told(found) == expected(rule, events)
    assert {one.correlation_type for one in found} <= {rule.type}
    assert len({one.id for one in found}) == len(found)
    first = correlate(shuffled, [rule])
    assert [one.id for one in first] == [one.id for one in found[:1]]


@pytest.mark.parametrize("kind", KINDS)
@given(events=streams(until=15), lateness=st.integers(1, 12), data=st.data())
@settings(max_examples=60)
def test_events_out_of_order_within_the_lateness_change_nothing(
    kind: str, events: list[Published], lateness: int, data: st.DataObject
) -> None:
    rule = data.draw(rules(kind, lateness))
    some = st.sampled_from([0, lateness // 2, lateness])
    delays = data.draw(st.lists(some, min_size=len(events), max_size=len(events)))
    arrivals = sorted(zip(events, delays, strict=True), key=lambda pair: pair[0].at + pair[1])
    correlator, found = Correlator(rule), []
    for one, delay in arrivals:
        found += correlator.take(one, one.at + delay)
    end = max((one.at for one in events), default=0)
    found += correlator.advance(end + rule.lateness + 1)
    assert told(found) == expected(rule, events)
    assert correlator.late == 0
    whole = {one.id: one for one in correlations(events, Correlator(rule))}
    assert {one.id: one for one in found} == whole, "confidence and insights are the same, too"


@given(rules(), st.integers(0, 8), streams(kinds="ab"), st.data())
@settings(max_examples=150)
def test_events_that_are_late_are_counted_as_late_and_in_nothing_else(
    rule: CorrelationRule, lateness: int, events: list[Published], data: st.DataObject
) -> None:
    rule = msgspec.structs.replace(rule, lateness=lateness, events=(Match(),) * len(rule.events))
    correlator, found, taken, latest = Correlator(rule), [], [], 0
    for one in events:
        if one.at >= latest - lateness:
            taken.append(one)
            latest = max(latest, one.at)
        found += correlator.take(one, latest)
    found += correlator.advance(latest + lateness + 1)
    assert correlator.late == len(events) - len(taken)
    if lateness:
        assert told(found) == expected(rule, taken)


def rule_of(kind: str, *types: str, window: int = 10, **more: object) -> CorrelationRule:
    matches = tuple(Match(type=name) for name in types)
    return msgspec.convert(
        {"id": "r", "type": kind, "events": matches, "window": window, "minimum_events": len(types), **more},
        CorrelationRule,
    )


def test_one_event_less_than_the_minimum_is_nothing_and_the_minimum_is_one_correlation() -> None:
    rule = rule_of("frequency", "a", minimum_events=5)
    events = [event(number, number) for number in range(12)]
    assert correlate(events[:4], [rule]) == []
    (found,) = correlate(events[:5], [rule])
    assert found.events == ["e0", "e1", "e2", "e3", "e4"]
    assert len(correlate(events, [rule])) == 1, "of one list there is at most one for each rule"
    assert told([*correlations(events, Correlator(rule))]) == [
        ["e0", "e1", "e2", "e3", "e4"],
        ["e5", "e6", "e7", "e8", "e9"],
    ]


@pytest.mark.parametrize("kind", ["frequency", "sequence", "join"])
def test_an_event_exactly_a_window_after_the_first_belongs_and_a_millisecond_later_does_not(
    kind: str,
) -> None:
    rule = rule_of(kind, "a", "b") if kind != "frequency" else rule_of(kind, "*", minimum_events=2)
    assert len(correlate([event(1, 5), event(2, 15, "b")], [rule])) == 1
    assert correlate([event(1, 5), event(2, 16, "b")], [rule]) == []


def test_what_follows_exactly_a_window_after_it_is_not_absent() -> None:
    rule = rule_of("absence", "a", "b")
    correlator = Correlator(rule)
    assert correlator.take(event(1, 5), 5) == []
    assert correlator.due() == 16
    assert correlator.advance(15) == []
    assert correlator.take(event(2, 15, "b"), 15) == []
    assert correlator.due() is None
    (found,) = [*correlator.take(event(3, 20), 20), *correlator.advance(31)]
    assert (found.events, found.timestamp) == (["e3"], 30)


def test_a_correlation_has_the_keys_and_insights_that_are_documented() -> None:
    (found,) = correlate([event(1, 5), event(2, 9)], [rule_of("frequency", "a", minimum_events=2)])
    document = msgspec.to_builtins(found)
    assert [*document] == [
        "id", "ruleId", "events", "correlationType", "confidence", "insights", "timestamp",
    ]  # fmt: skip
    assert [(one["type"], sorted(one)) for one in document["insights"]] == [
        ("pattern", ["data", "type"]),
        ("anomaly", ["data", "type"]),
        ("performance", ["data", "type"]),
    ]
    assert found.confidence == 0.5
    assert found.insights[0].data["confidence"]["basis"] == "no history"
    assert found.insights[1].data["span"]["basis"] == "no history"
    assert found.insights[2].data == {
        "span": 4,
        "rate": 250.0,
        "gaps": {"min": 4, "mean": 4.0, "p50": 4, "p95": 4, "max": 4},
        "latencies": [4],
    }


def test_many_events_where_few_were_before_are_told_with_more_confidence_than_the_usual() -> None:
    rule = rule_of("frequency", "a", window=60, minimum_events=4)
    seldom = [event(number, number * 100) for number in range(20)]
    burst = [event(100 + number, 2_000 + number) for number in range(4)]
    (found,) = correlate([*seldom, *burst], [rule])
    computed = found.insights[0].data["confidence"]
    assert computed["expected"] == pytest.approx(20 * 60 / 2_000)
    assert found.confidence == pytest.approx(1 - poisson_tail(4, 0.6), abs=1e-6)
    assert found.confidence > 0.99
    often = [event(number, number * 20) for number in range(101)]
    usual = [*correlations(often, Correlator(rule))][-1]
    assert usual.confidence < 0.7


@given(st.integers(0, 400), st.floats(0.001, 300))
def test_the_tail_of_the_poisson_distribution_is_the_sum_of_its_terms(count: int, mean: float) -> None:
    terms = [math.exp(n * math.log(mean) - mean - math.lgamma(n + 1)) for n in range(count, count + 1_500)]
    assert poisson_tail(count, mean) == pytest.approx(math.fsum(terms), rel=1e-6, abs=1e-12)


def test_a_sequence_is_trusted_as_far_as_earlier_ones_were_completed() -> None:
    rule = rule_of("sequence", "a", "b")
    begun = [event(number, number * 100) for number in range(10)]
    completed = [event(50 + number, number * 100 + 5, "b") for number in range(0, 10, 2)]
    found = [*correlations([*begun, *completed], Correlator(rule))]
    assert [one.insights[0].data["confidence"].get("used") for one in found] == [None, 1, 2, 3, 4]
    assert found[-1].confidence == pytest.approx((4 + 1) / (4 + 4 + 2))


def test_a_span_unlike_all_before_is_an_anomaly() -> None:
    assert compared(100, [1, 2, 3, 4, 5])["anomalous"] is True
    assert compared(3, [1, 2, 3, 4, 5])["anomalous"] is False
    assert compared(7, [7, 7, 7, 7, 7])["anomalous"] is False
    assert compared(8, [7, 7, 7, 7, 7]) == {
        "value": 8, "basis": "history", "n": 5, "median": 7, "mad": 0, "score": None, "anomalous": True,
    }  # fmt: skip
    assert compared(8, [7, 7]) == {"value": 8, "basis": "no history", "n": 2, "anomalous": False}


@pytest.mark.parametrize("kind", ["frequency", "sequence", "join", "absence"])
def test_what_a_rule_holds_is_bounded_and_what_is_dropped_is_counted(kind: str) -> None:
    matches = ("a", "b") if kind != "frequency" else ("a",)
    rule = rule_of(kind, *matches, window=1_000_000, minimum_events=1_000, key="${event.data.key}")
    correlator = Correlator(rule, keys=10, most=25)
    for number in range(1_000):
        assert correlator.take(event(number, number, "a", str(number % 40)), number) == []
    assert correlator.dropped >= 1_000 - 25
    single = Correlator(msgspec.structs.replace(rule, key=""), keys=10, most=25)
    for number in range(1_000):
        single.take(event(number, number), number)
    assert 1_000 - 25 <= single.dropped < 1_000
    waiting = Correlator(msgspec.structs.replace(rule, lateness=100_000), keys=10, most=25)
    for number in range(1_000):
        waiting.take(event(number, number, "a", str(number)), number)
    assert waiting.counted >= 1_000 - 25


def test_an_event_without_the_key_is_refused_and_counted() -> None:
    correlator = Correlator(rule_of("frequency", "a", minimum_events=1, key="${event.data.other}"))
    assert correlator.take(event(1, 1), 1) == []
    assert correlator.refused == 1


def test_an_event_a_little_too_late_counts_at_the_edge_if_there_is_slack() -> None:
    rule = rule_of("frequency", "a", minimum_events=2)
    strict, lenient = Correlator(rule), Correlator(rule, slack=3)
    for correlator in (strict, lenient):
        correlator.take(event(1, 10), 10)
    assert strict.take(event(2, 7), 10) == []
    assert strict.late == 1
    assert len(lenient.take(event(2, 7), 10)) == 1
    assert lenient.take(event(3, 6), 10) == []
    assert lenient.late == 1


# ---- aggregation


@given(
    streams(),
    st.integers(1, 15),
    st.integers(1, 15),
    st.none() | st.integers(0, 20),
    st.sampled_from(["type", "source", "", "data.key", "${event.type}/${event.data.key}"]),
)
@settings(max_examples=150)
def test_windows_hold_what_trying_every_window_finds(
    events: list[Published], size: int, step: int, lateness: int | None, by: str
) -> None:
    size, step = max(size, step), min(size, step)
    made = aggregate(events, by=by, windows=Windows(size=size, step=step), lateness=lateness, field="data.n")
    counted: list[Published] = []
    late: list[Published] = []
    for one in events:
        is_late = lateness is not None and any(one.at < other.at - lateness for other in counted)
        (late if is_late else counted).append(one)
    assert made.late == late
    names: dict[str, Callable[[Published], str]] = {
        "type": lambda one: one.type,
        "source": lambda one: one.source,
        "": lambda one: "",
        "data.key": lambda one: one.data["key"],
        "${event.type}/${event.data.key}": lambda one: f"{one.type}/{one.data['key']}",
    }
    rows = []
    for start in range(-(size // step + 2) * step, 60, step):
        for key in sorted({names[by](one) for one in counted}):
            inside = ordered(
                [one for one in counted if start <= one.at < start + size and names[by](one) == key]
            )
            if inside:
                rows.append((start, start + size, key, [one.id for one in inside]))
                (group,) = [one for one in made.groups if (one.start, one.key) == (start, key)]
                _has_summary(group, [one.data["n"] for one in inside])
                assert (group.count, group.first, group.last) == (len(inside), inside[0].at, inside[-1].at)
    assert [(one.start, one.end, one.key, one.events) for one in made.groups] == rows


def _has_summary(group: AggregatedEvent, numbers: list[int]) -> None:
    summary = group.summary
    assert summary is not None
    assert (summary.count, summary.sum, summary.min, summary.max) == (
        len(numbers), sum(numbers), min(numbers), max(numbers),
    )  # fmt: skip
    assert summary.mean == pytest.approx(sum(numbers) / len(numbers))
    for percent, value in ((50, summary.p50), (95, summary.p95), (99, summary.p99)):
        enough = [n for n in numbers if sum(other <= n for other in numbers) * 100 >= percent * len(numbers)]
        assert value == min(enough)


def test_without_windows_there_is_one_group_for_each_key() -> None:
    made = aggregate([event(1, 9), event(2, 3), event(3, 5, "b")])
    more = {"start": None, "end": None, "summary": None}
    assert msgspec.to_builtins(made.groups) == [
        {"key": "a", "count": 2, "first": 3, "last": 9, "events": ["e2", "e1"], **more},
        {"key": "b", "count": 1, "first": 5, "last": 5, "events": ["e3"], **more},
    ]


def test_events_without_the_key_or_the_number_are_not_silently_lost() -> None:
    events = [event(1, 1), Published(id="odd", type="a", source="s", at=2, data={"key": ["x"], "n": "7"})]
    made = aggregate(events, by="data.key", field="data.n")
    assert [(one.key, one.count, one.summary and one.summary.count) for one in made.groups] == [
        ('["x"]', 1, None),
        ("k", 1, 1),
    ]
    made = aggregate([*events, Published(id="bare", type="a", source="s", at=3)], by="data.key")
    assert [one.id for one, _ in made.refused] == ["bare"]


@pytest.mark.parametrize(("size", "step"), [(0, 1), (5, 0), (5, 6), (100_000, 1)])
def test_windows_that_make_no_sense_are_refused(size: int, step: int) -> None:
    with pytest.raises(ValueError, match=r"window"):
        Windows(size=size, step=step)


def test_a_key_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(DeclarationError):
        aggregate([], by="data.")
    with pytest.raises(DeclarationError):
        aggregate([], by="customer")
