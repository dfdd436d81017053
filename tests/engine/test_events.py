"""Events: steps that publish them, steps that wait for them, and what a death in between changes (nothing)."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.engine.drive import Drive
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.published import (
    Published,
    check_type,
    check_wanted,
    cloud_event,
    emitted_id,
    matches,
)
from tests.bench_of_runs import (
    RUN,
    Bench,
    Died,
    ask,
    collapse,
    error_of,
    facts,
    fallback,
    given,
    moment,
    parallel,
    planned,
    problems_of,
    result_of,
    retries,
    shell,
    statuses,
    step,
)
from tests.virtual import facts_of


def emit(name: str, kind: str = "build.done", data: Any = None, **keys: Any) -> dict[str, Any]:
    """An emit step."""
    return step("emit", name, event={"type": kind, "data": data}, **keys)


def awaits(name: str, kind: str = "build.*", where: Any = None, **keys: Any) -> dict[str, Any]:
    """A step that waits for an event."""
    return step(
        "wait", name, event={"type": kind} if where is None else {"type": kind, "where": where}, **keys
    )


def until(name: str, time: str, **keys: Any) -> dict[str, Any]:
    """A step that waits until a time."""
    return step("wait", name, until=time, **keys)


def event(name: str, kind: str = "build.done", **data: Any) -> Published:
    return Published(id=name, type=kind, source="ci", at=1_700_000_000_000, data=data)


def tell(bench: Bench, name: str, kind: str = "build.done", **data: Any) -> Any:
    return lambda _: bench.store.board.publish(event(name, kind, **data))


def bench_of(*steps: dict[str, Any], **more: Any) -> Bench:
    """A bench whose runs hear events within a tenth of a second."""
    return Bench(planned(list(steps), **more), poll=0.1)


def whole(bench: Bench, state: RunState) -> None:
    assert facts_of(bench.replayed()) == facts_of(state)


# ---- emit --------------------------------------------------------------------------------------


def test_an_emitted_event_is_published_with_the_completion_of_its_step() -> None:
    bench = bench_of(given("v", {"n": 3}), emit("e", "build.${v.result.n}", {"n": "${v.result.n}"}))
    state = bench.start()
    [(_, told)] = bench.store.board.newest(9_999)
    assert (told.type, told.data, told.source) == ("build.3", {"n": 3}, f"mplp/w/{RUN}/e")
    assert result_of(state, "e") == {"eventId": told.id}
    assert (told.id, told.at) == (emitted_id(RUN, "e", 1), facts(bench, h.StepEmitted)[0].at)
    whole(bench, state)


@pytest.mark.parametrize("batch", [1, 256])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("commit", range(1, 7))
def test_however_often_the_process_dies_an_event_is_published_once(
    commit: int, after: bool, batch: int
) -> None:
    bench = Bench(
        planned([emit("a"), emit("b", dependencies=["a"]), shell("c", dependencies=["b"])]), batch=batch
    )
    try:
        state = bench.start(dies=(commit, after))
    except Died:
        state = bench.replayed() if bench.replayed().status == "completed" else bench.resume()
    assert state.status == "completed"
    published = [told.id for _, told in bench.store.board.newest(9_999)]
    assert published == [emitted_id(RUN, name, 1) for name in ("a", "b")]
    assert published == [result_of(state, name)["eventId"] for name in ("a", "b")]


def test_what_is_emitted_at_each_end_of_a_run_is_an_event_of_its_own() -> None:
    bench = bench_of(
        shell("a", "fail 1"), finally_=[step("emit", "e", event={"type": "end", "data": "${run.status}"})]
    )
    assert bench.start().status == "failed"
    assert bench.resume().status == "completed"
    assert [told.data for _, told in bench.store.board.newest(9_999)] == ["failed", "completed"]
    assert len({told.id for _, told in bench.store.board.newest(9_999)}) == 2


def test_an_event_of_no_type_fails_the_step_and_publishes_nothing() -> None:
    bench = bench_of(given("v", {"n": "a b"}), emit("e", "${v.result.n}"))
    state = bench.start()
    assert error_of(state, "e").message.startswith("'a b' is not a type of events; it begins with")
    assert bench.store.board.newest(9_999) == []


def test_a_cancelled_run_publishes_nothing_more() -> None:
    bench = bench_of(shell("a", "sleep 5"), emit("e", dependencies=["a"]))
    bench.start(during=[(1, lambda d: d.cancel("ann"))])
    assert bench.store.board.newest(9_999) == []


# ---- waiting for an event ----------------------------------------------------------------------


def test_the_first_event_that_fits_ends_the_wait_and_is_kept_in_the_history() -> None:
    bench = bench_of(
        awaits("w", where="event.data.n > 1 and event.source == 'ci'"),
        given("b", {"n": "${w.result.event.data.n}"}),
    )
    state = bench.start(
        during=[
            (1, tell(bench, "one", n=1)),
            (2, tell(bench, "other", "test.done", n=5)),
            (3, tell(bench, "two", n=2)),
            (3, tell(bench, "three", n=3)),
        ]
    )
    assert state.status == "completed"
    result = result_of(state, "w")
    assert result["event"] == {
        "id": "two",
        "type": "build.done",
        "source": "ci",
        "time": "2023-11-14T22:13:20.000Z",
        "data": {"n": 2},
    }
    assert (result["by"], 3000 <= result["waited"] <= 3100) == ("event", True)
    assert result_of(state, "b") == {"n": 2}
    whole(bench, state)


def test_an_event_from_before_the_wait_does_not_count() -> None:
    bench = bench_of(shell("a", "sleep 5"), awaits("w", dependencies=["a"], timeout="10s"))
    state = bench.start(during=[(3, tell(bench, "early")), (8, tell(bench, "late"))])
    assert result_of(state, "w")["event"]["id"] == "late"


def test_an_event_that_the_run_itself_published_before_does_not_count() -> None:
    """Also when the wait begins in the very commit that publishes it."""
    for batch in (1, 256):
        steps = [emit("a"), awaits("w", dependencies=["a"]), emit("b", dependencies=["a", "s"]), shell("s")]
        bench = Bench(planned(steps), poll=0.1, batch=batch)
        state = bench.start()
        assert result_of(state, "w")["event"]["id"] == result_of(state, "b")["eventId"]


def test_one_event_ends_every_wait_that_it_fits_and_a_wait_takes_one_event() -> None:
    bench = bench_of(parallel("p", awaits("v"), awaits("w")), awaits("next", dependencies=["p"]))
    state = bench.start(during=[(1, tell(bench, "one")), (2, tell(bench, "two"))])
    ids = [result_of(state, name)["event"]["id"] for name in ("v", "w", "next")]
    assert ids == ["one", "one", "two"]


def test_what_came_while_no_process_drove_the_run_ends_the_wait_when_it_is_taken_up() -> None:
    bench = bench_of(awaits("w", where="event.data.n == 2"))
    with pytest.raises(Died):
        bench.start(during=[(5, collapse)])
    for number in (1, 2, 3):
        bench.store.board.publish(event(f"e{number}", n=number))
    state = bench.resume()
    assert result_of(state, "w")["event"]["id"] == "e2"
    whole(bench, state)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("commit", range(1, 6))
def test_a_death_at_any_commit_neither_loses_an_event_nor_takes_it_twice(commit: int, after: bool) -> None:
    bench = bench_of(awaits("v"), awaits("w", dependencies=["v"]), shell("c", dependencies=["w"]))
    during = [(1, tell(bench, "one")), (2, tell(bench, "two"))]
    try:
        state = bench.start(dies=(commit, after), during=during)
    except Died:
        for name in ("one", "two"):
            bench.store.board.publish(event(name))  # what is there already stays as it is
        state = (
            bench.replayed()
            if bench.replayed().status == "completed"
            else bench.resume(during=[(1, tell(bench, "three")), (2, tell(bench, "four"))])
        )
    ended = [f.result["event"]["id"] for f in facts(bench, h.StepCompleted) if "event" in f.result]
    assert state.status == "completed"
    assert len(ended) == len(set(ended)) == 2
    assert ended == sorted(ended, key=[told.id for _, told in bench.store.board.newest(9_999)].index)


def test_an_event_that_lacks_what_is_asked_for_does_not_fit() -> None:
    bench = bench_of(awaits("w", where="event.data.deep.n == 1"))
    state = bench.start(during=[(1, tell(bench, "none")), (2, tell(bench, "one", deep={"n": 1}))])
    assert result_of(state, "w")["event"]["id"] == "one"


def test_an_event_that_cannot_be_judged_fails_the_step_and_is_named() -> None:
    bench = bench_of(awaits("w", where="event.data.n"))
    state = bench.start(during=[(1, tell(bench, "odd", n="text"))])
    error = error_of(state, "w")
    assert error.type == "ExpressionError"
    assert error.message.startswith("the event odd could not be judged: a condition is true or false")


def test_a_step_result_that_is_missing_in_the_condition_fails_the_step() -> None:
    bench = bench_of(
        shell("a", when="1 > 2"),
        awaits("w", where="event.data.n == a.result.n", dependencies=["a"], join="all-ended"),
    )
    state = bench.start(during=[(1, tell(bench, "one", n=1))])
    assert error_of(state, "w").type == "UnresolvedReferenceError"


def test_nothing_comes_in_time() -> None:
    bench = bench_of(awaits("w", timeout="90s"))
    state = bench.start()
    assert error_of(state, "w").type == "StepTimeoutError"
    assert [moment(bench, f) for f in facts(bench, h.StepFailed)] == [90_000]
    mended = bench_of(awaits("w", timeout="90s", fallback_actions=fallback("use-value", "timeout", value=1)))
    assert mended.start().status == "completed"


def test_its_own_retries_wait_again_and_what_came_in_between_does_not_count() -> None:
    policy = retries(1, initial_delay="10s")
    bench = bench_of(awaits("w", timeout="5s", retry_policy=policy))
    state = bench.start(during=[(8, tell(bench, "between")), (17, tell(bench, "then"))])
    assert result_of(state, "w")["event"]["id"] == "then"
    whole(bench, state)


def test_a_wait_that_is_put_to_a_person_takes_no_event_meanwhile() -> None:
    bench = bench_of(
        awaits("w", timeout="5s", fallback_actions=ask(condition="timeout")), shell("s", "sleep 20")
    )
    state = bench.start(during=[(8, tell(bench, "between"))])
    assert (state.status, statuses(state)["w"]) == ("waiting", "waiting")


def test_an_event_in_the_moment_of_the_deadline_is_taken_or_too_late_never_both() -> None:
    for action in (None, fallback("run-step", step=shell("c")), ask()):
        for early in (-0.1, -0.001, 0.0, 0.001):
            steps = [awaits("w", timeout="5s", fallback_actions=action or []), shell("s", "sleep 60")]
            bench = bench_of(*steps)
            state = bench.start(during=[(5 + early, tell(bench, "one"))])
            assert statuses(state)["w"] in ("completed", "failed", "waiting")
            whole(bench, state)


def test_a_run_that_is_cancelled_waits_no_more() -> None:
    bench = bench_of(awaits("w"))
    state = bench.start(during=[(5, lambda d: d.cancel("ann"))])
    assert (state.status, statuses(state)) == ("cancelled", {"w": "cancelled"})


def test_a_run_that_waits_for_a_person_too_goes_on_with_the_event() -> None:
    bench = bench_of(step("approval", "g", message="?"), awaits("w"), shell("c", dependencies=["w"]))
    state = bench.start(during=[(5, tell(bench, "one"))])
    assert statuses(state) == {"g": "waiting", "w": "completed", "c": "completed"}
    assert state.status == "waiting"


def test_thousands_of_events_that_do_not_fit_are_looked_at_once() -> None:
    bench = bench_of(awaits("w", where="event.data.n == 2500"))

    def flood(drive: Drive) -> None:
        for number in range(3000):
            bench.store.board.publish(event(f"e{number}", n=number))

    state = bench.start(during=[(1, flood)])
    assert result_of(state, "w")["event"]["id"] == "e2500"
    assert moment(bench, facts(bench, h.StepCompleted)[0]) <= 1100


def test_in_an_item_event_and_item_are_both_known_and_each_item_publishes_its_own() -> None:
    wait = awaits("w", where="event.data.n == item")
    told = step("emit", "e", event={"type": "seen", "data": "${w.result.event.id}"})
    bench = bench_of(step("foreach", "each", items=[1, 2], steps=[wait, told]))
    state = bench.start(during=[(1, tell(bench, "two", n=2)), (2, tell(bench, "one", n=1))])
    assert state.status == "completed"
    seen = {t.source.rpartition("/")[2]: t.data for _, t in bench.store.board.newest(9) if t.type == "seen"}
    assert seen == {"each[0].e": "one", "each[1].e": "two"}
    whole(bench, state)


# ---- waiting until a time ----------------------------------------------------------------------

#: The virtual clock begins at 2023-11-14T22:13:20Z.
LATER = "2023-11-14T23:13:20+01:00"


@pytest.mark.parametrize(
    ("time", "waited"),
    [("2023-11-14T22:14:20Z", 60_000), ("2023-11-14T23:13:20.5+01:00", 500), ("2001-01-01T00:00:00Z", 0)],
)
def test_a_wait_ends_at_its_time_and_one_that_is_over_ends_at_once(time: str, waited: int) -> None:
    bench = bench_of(given("v", {"t": time}), until("w", "${v.result.t}"))
    state = bench.start()
    assert result_of(state, "w") == {"by": "time", "waited": waited}


def test_a_time_is_the_same_for_a_run_that_was_lost_in_between() -> None:
    bench = bench_of(until("w", "2023-11-14T22:14:20Z"))
    with pytest.raises(Died):
        bench.start(during=[(5, collapse)])
    bench.clock.elapsed += 1000
    assert bench.resume().status == "completed"


def test_a_time_beyond_the_timeout_times_out_and_one_at_it_does_not() -> None:
    for time, status in (("2023-11-14T22:14:20Z", "completed"), ("2023-11-14T22:14:20.001Z", "failed")):
        state = bench_of(until("w", time, timeout="60s")).start()
        assert statuses(state) == {"w": status}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2030-01-01T10:00:00", "says no time zone"),
        ("2030-01-01", "says no time zone"),
        ("noon", "is not a time"),
        ("2030-02-30T10:00:00Z", "is not a time: day"),
        (1_900_000_000, "is not a time"),
    ],
)
def test_what_is_no_time_fails_the_step(value: Any, said: str) -> None:
    state = bench_of(given("v", {"t": value}), until("w", "${v.result.t}")).start()
    assert said in error_of(state, "w").message


# ---- the words ---------------------------------------------------------------------------------


def test_event_is_known_in_where_only() -> None:
    assert problems_of([awaits("w", where="event.data.x == 1")]) == []
    assert [p.code for p in problems_of([awaits("w", where="event.kind == 1")])] == ["ref-unknown-name"]
    assert [p.code for p in problems_of([given("a", {"x": "${event.data}"})])] == ["ref-no-event"]
    assert [p.code for p in problems_of([awaits("w", "${event.type}")])] == ["ref-no-event"]
    assert [p.code for p in problems_of([awaits("w", where="secrets.X == 1")], secrets=["X"])] == [
        "ref-secret-place"
    ]


@pytest.mark.parametrize(
    ("wanted", "yes", "no"),
    [
        ("git.tag", ["git.tag"], ["git.tags", "xgit.tag", "git-tag"]),
        ("git.*", ["git.tag", "git.", "git.tag.x"], ["git", "agit.tag"]),
        ("*.done", ["a.done", ".done", "a.b.done"], ["a.done.x"]),
        ("a*b*c", ["abc", "a.b.c", "abbcc", "abcabc"], ["ab", "acb", "abcd"]),
        ("*", ["anything"], []),
        ("a**b", ["ab", "a.b"], ["b"]),
    ],
)
def test_a_star_stands_for_any_text(wanted: str, yes: list[str], no: list[str]) -> None:
    assert check_wanted(wanted) == wanted
    assert [name for name in yes if not matches(wanted, name)] == []
    assert [name for name in no if matches(wanted, name)] == []


def test_many_stars_take_no_time() -> None:
    assert not matches("*a" * 60 + "*b", "a" * 5000)


@pytest.mark.parametrize("name", ["", "a b", "a*", ".a", "ä", "a" * 201, 3, None])
def test_what_is_no_type_cannot_be_published(name: Any) -> None:
    with pytest.raises(ValueError, match="is not a type of events"):
        check_type(name)


def test_an_event_has_the_form_of_cloudevents() -> None:
    assert cloud_event(event("one", n=1)) == {
        "specversion": "1.0",
        "id": "one",
        "source": "ci",
        "type": "build.done",
        "time": "2023-11-14T22:13:20.000Z",
        "datacontenttype": "application/json",
        "data": {"n": 1},
    }
