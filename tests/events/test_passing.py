"""What an event passes on its way to routes, one by one and, with delivering, as a whole."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mplp_cli.errors import Failure
from mplp_cli.events.passing import Passage
from mplp_cli.events.progress import Latencies
from mplp_cli.workflow.events.judging import judge
from mplp_cli.workflow.events.routes import Filter, Match, Routing, Transformer
from mplp_cli.workflow.published import Published, matches
from mplp_cli.workflow.retry import Retry
from tests.events.delivery import Project, event, refused, route, routing


def drop(name: str, **match: str) -> Filter:
    return Filter(id=name, rule="drop", match=Match(**match))


def keep(name: str, **match: str) -> Filter:
    return Filter(id=name, rule="keep", match=Match(**match))


def change(name: str, sets: dict[str, Any], **match: str) -> Transformer:
    return Transformer(id=name, match=Match(**match), set=sets)


def test_what_is_silenced_reaches_the_routes_that_ask_for_it() -> None:
    made = Passage(
        routing(route("pager"), route("log", silenced=True), route("odd", match={"where": "data.n > 1"}))
    )
    heard = Published(
        id="1", type="alert.firing", source="mplp/alerts/a", at=0, data={"silenced": False, "n": 2}
    )
    assert made.of(heard).routes == (0, 1, 2)
    assert made.of(replace(heard, data={"silenced": True, "n": 2})).routes == (1,)
    assert made.of(replace(heard, data={"silenced": True, "n": "x"})).touched() == [1]
    # Others may call what they like silenced.
    assert made.of(replace(heard, source="x", data={"silenced": True, "n": 2})).routes == (0, 1, 2)


def test_filters_see_the_event_as_published_and_routes_as_it_was_transformed() -> None:
    made = Passage(
        routing(
            route("old", match={"type": "a.old"}),
            route("new", match={"type": "a.new"}),
            filters=(drop("x", type="a.new"), keep("y", type="a.*")),
            transformers=(
                change("t", {"type": "a.new", "subject": "${event.id}", "data": {"was": "${event.data}"}}),
            ),
        )
    )
    passed = made.of(event("1", kind="a.old", data=[1]))
    assert passed.routes == (1,)
    assert (passed.event.type, passed.event.more, passed.event.data) == (
        "a.new",
        {"subject": "1"},
        {"was": [1]},
    )
    assert made.of(event("2", kind="a.new")).routes == ()
    assert made.of(event("3", kind="b.old")).routes == ()


def test_each_transformer_sees_what_the_one_before_has_made() -> None:
    steps = (
        change("one", {"type": "second"}, type="first"),
        change("two", {"data": {"n": 2}}, type="second"),
        change("three", {"data": "${event.data.n}"}, where="data.n == 2"),
    )
    passed = Passage(routing(route(match={"type": "second"}), transformers=steps)).of(
        event("1", kind="first")
    )
    assert (passed.routes, passed.event.data) == ((0,), 2)


BAD_WHERE = "data.n < 3"  # a text has no order with a number


@pytest.mark.parametrize(
    ("more", "poisoned"),
    [
        ({"filters": (drop("f", where=BAD_WHERE),)}, {"r"}),
        ({"filters": (keep("f", where=BAD_WHERE),)}, {"r"}),
        ({"filters": (drop("f", where=BAD_WHERE), drop("g", type="it.*"))}, set()),
        ({"transformers": (change("f", {"data": 1}, where=BAD_WHERE),)}, {"r"}),
        ({"transformers": (change("f", {"data": "${event.data.absent}"}),)}, {"r"}),
        ({"transformers": (change("f", {"type": "${event.data.absent}"}),)}, {"r", "elsewhere"}),
        ({"transformers": (change("f", {"type": "no type"}),)}, {"r", "elsewhere"}),
        ({"transformers": (change("f", {"subject": 1}),)}, {"r"}),
    ],
)
def test_what_cannot_be_judged_reaches_no_target_and_is_not_lost(
    more: dict[str, Any], poisoned: set[str]
) -> None:
    routes = (route("r", match={"type": "it.*"}), route("elsewhere", match={"type": "other"}))
    passed = Passage(routing(*routes, **more)).of(event("1", data={"n": "three"}))
    assert passed.routes == ()
    assert {routes[place].id for place, _ in passed.poisoned} == poisoned
    assert all("f" in error for _, error in passed.poisoned)


def test_the_condition_of_a_route_concerns_that_route_alone() -> None:
    passed = Passage(routing(route("r", match={"where": BAD_WHERE}), route("other"))).of(
        event("1", data={"n": "three"})
    )
    assert passed.routes == (1,)
    [(place, error)] = passed.poisoned
    assert place == 0
    assert "route r" in error


def test_types_without_end_are_not_remembered_without_end() -> None:
    made = Passage(routing(route(match={"type": "*7"})))
    taken = [made.of(event(f"{n}", kind=f"t{n}")).routes for n in range(3_000)]
    assert sum(map(len, taken)) == 300
    assert len(made._ways) <= 1_000
    assert len(made._reached) <= 1_000


def test_latencies_are_known_within_thirty_percent() -> None:
    known = Latencies()
    for number in range(1, 1_001):
        known.add(number / 1_000)
    assert known.mean == pytest.approx(0.5005)
    assert 0.99 <= known.quantile(0.99) <= 0.99 * 1.3
    assert Latencies().quantile(0.5) == 0


# ---- the whole way, against what is simply said

PATTERNS = st.sampled_from(["*", "a", "b", "a*", "*b"])
MATCHES = st.builds(
    Match,
    type=PATTERNS,
    source=st.sampled_from(["*", "*", "x"]),
    where=st.sampled_from(["", "", "data > 1", "id != 'e3'"]),
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "ab"]),
        st.sampled_from(["x", "y"]),
        st.sampled_from([0, 2, "text"]),
        st.integers(0, 3),
    ),
    max_size=25,
)


def judged(match: Match, one: Published) -> bool | None:
    """None: it cannot be said. The text of a `where` is judged by what is tested elsewhere."""
    if not matches(match.type, one.type) or match.source not in ("*", one.source):
        return False
    try:
        return judge(match)(one)
    except ValueError:
        return None


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(["drop", "keep"]), MATCHES), max_size=2),
    st.lists(MATCHES, min_size=1, max_size=3),
    EVENTS,
    st.integers(1, 3),
    st.integers(1, 4),
)
def test_exactly_the_events_that_match_are_delivered_or_dead(
    filters: list[tuple[Any, Match]], wanted: list[Match], events: list[Any], at_once: int, at_most: int
) -> None:
    published = [event(f"e{n}", s, kind, data) for n, (kind, s, data, _) in enumerate(events)]
    failing = {f"e{n}": times for n, (_, _, _, times) in enumerate(events)}
    routes = [
        route(f"r{n}", at_once=at_once, retry=Retry(max_retries=1, initial_delay=50))
        for n in range(len(wanted))
    ]
    declared = Routing(
        filters=tuple(Filter(id=f"f{n}", rule=rule, match=m) for n, (rule, m) in enumerate(filters)),
        routes=tuple(
            type(one)(id=one.id, match=m, target=one.target, retry=one.retry, at_once=one.at_once)
            for one, m in zip(routes, wanted, strict=True)
        ),
    )
    project = Project(declared)
    for target in project.targets.values():
        left = dict(failing)

        async def act(_number: int, one: Published, left: dict[str, int] = left) -> Failure | None:
            await asyncio.sleep(0.01)
            left[one.id] -= 1
            return refused() if left[one.id] >= 0 else None

        target._act, target.at_most = act, at_most

    async def work() -> None:
        async with project.delivering() as dispatcher:
            if published:
                await project.bus.publish(*published)
            assert await dispatcher.drain(1e6)

    project.clock.run(work)
    for number, match in enumerate(wanted):
        expected: dict[int, str] = {}
        for place, one in enumerate(published, 1):
            said = [(rule == "keep", judged(m, one)) for rule, m in filters]
            fits = judged(match, one)
            if any(fit is not None and fit is not keeps for keeps, fit in said) or fits is False:
                continue
            unsaid = fits is None or any(fit is None for _, fit in said)
            expected[place] = "dead" if unsaid or failing[one.id] > 1 else "delivered"
        assert project.states(f"r{number}") == expected
        first_tries = dict.fromkeys((one.source, n) for _, n, one in project.targets[f"r{number}"].tries)
        for source in ("x", "y"):
            order = [n for s, n in first_tries if s == source]
            assert order == sorted(order)
