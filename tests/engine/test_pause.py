"""Pausing a run: what finishes, what does not start, what the rest of the world may do meanwhile, and going on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from mplp_cli.engine.drive import Drive
from mplp_cli.engine.requests import go_on, pause, put_to_rest
from mplp_cli.errors import RunStateError
from mplp_cli.protocols import Control
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.resources import Share
from tests.bench_of_runs import (
    RUN,
    Bench,
    Intervention,
    ask,
    begun,
    choice,
    collapse,
    die,
    error_of,
    facts,
    fallback,
    given,
    moment,
    parallel,
    planned,
    reason_of,
    retries,
    shell,
    statuses,
    step,
)
from tests.bench_of_runs import pause as wait
from tests.virtual import facts_of


def rest(drive: Drive) -> None:
    pause(drive, "ann", "the server is down")


def on(drive: Drive) -> None:
    go_on(drive, "bob")


def cancel(drive: Drive) -> None:
    drive.cancel("ann", "enough")


def kill(drive: Drive) -> None:
    drive.kill("ann")


def approve(name: str) -> Callable[[Drive], None]:
    return lambda drive: drive.decide(name, "approve", "ann", "")


def paused(steps: list[dict[str, Any]], *during: Intervention, **more: Any) -> tuple[RunState, Bench]:
    """A run that has come to its rest: no slot is held, nothing runs."""
    bench = Bench(planned(steps, **more))
    state = bench.start(during=during)
    assert state.status == "paused"
    assert (state.slots, state.holding, bench.work.running) == (bench.slots, set(), set())
    assert facts_of(bench.replayed()) == facts_of(state)
    return state, bench


def resumed(bench: Bench, **how: Any) -> RunState:
    state = bench.resume(**how)
    assert facts_of(bench.replayed()) == facts_of(state)
    return state


# ---- what a pause does -------------------------------------------------------------------------


def test_what_runs_finishes_and_nothing_new_starts() -> None:
    steps = [
        shell("runs", "sleep 5"),
        shell("queues", priority=-1),
        shell("next", dependencies=["runs"]),
        given("pure", dependencies=["runs"]),
        parallel("box", shell("inside"), dependencies=["runs"]),
        choice("fork", "true", [shell("taken")], dependencies=["runs"]),
        shell("judged", when="true", dependencies=["runs"]),
        wait("waits", dependencies=["runs"]),
    ]
    state, bench = paused(steps, (1, rest), max_parallel=1)
    assert statuses(state) == {
        "runs": "completed",
        "queues": "queued",
        "next": "queued",
        "pure": "queued",
        "box": "queued",
        "inside": "pending",
        "fork": "queued",
        "taken": "pending",
        "judged": "queued",
        "waits": "queued",
    }
    assert bench.clock.elapsed == 5
    assert bench.work.executed == ["runs"]
    assert set(statuses(resumed(bench)).values()) == {"completed"}
    assert bench.work.executed.count("runs") == 1


def test_the_flag_is_stored_before_anything_else_and_says_who_and_why() -> None:
    _, bench = paused([shell("a", "sleep 5")], (1, rest), finally_=[shell("f")])
    [flag] = facts(bench, h.RunPausing)
    assert (moment(bench, flag), flag.by, flag.message) == (1000, "ann", "the server is down")
    [end] = facts(bench, h.RunPaused)
    assert moment(bench, end) == 5000


def test_a_run_in_which_nothing_runs_is_paused_in_the_commit_of_the_request() -> None:
    _, bench = paused([wait("w", "1h")], (1, rest))
    assert [type(f) for f in bench.commits[-1]] == [h.RunPausing, h.RunPaused]


def test_finally_does_not_begin_while_the_run_pauses() -> None:
    state, bench = paused([shell("a", "sleep 5")], (1, rest), finally_=[shell("f")])
    assert statuses(state) == {"a": "completed", "f": "pending"}
    assert facts(bench, h.RunFinalizing) == []
    assert resumed(bench).status == "completed"
    assert bench.work.executed == ["a", "f"]


def test_a_pause_in_finally_rests_between_its_steps() -> None:
    state, bench = paused([shell("a")], (1, rest), finally_=[shell("f", "sleep 5"), shell("g")])
    assert statuses(state) == {"a": "completed", "f": "completed", "g": "queued"}
    assert resumed(bench).status == "completed"
    assert len(facts(bench, h.RunFinalizing)) == 1


def test_a_run_that_has_nothing_left_to_start_ends_in_spite_of_the_pause() -> None:
    bench = Bench(planned([shell("a", "sleep 5"), parallel("p", shell("b", "sleep 3"))]))
    state = bench.start(during=[(1, rest)])
    assert state.status == "completed"
    assert state.pausing is None


def test_a_failure_while_the_run_pauses_is_not_tried_again_before_it_goes_on() -> None:
    steps = [shell("a", "fail 1", retry_policy=retries(1, initial_delay="2s"))]
    state, bench = paused(steps, (0.005, rest))
    assert statuses(state) == {"a": "retrying"}
    bench.clock.elapsed += 1
    assert resumed(bench).status == "completed"
    assert begun(bench, "a") == [0, 2010]


def test_a_timeout_of_an_attempt_holds_while_the_run_pauses() -> None:
    state, bench = paused([shell("a", "sleep 100", timeout="10s")], (1, rest), finally_=[shell("f")])
    assert error_of(state, "a").type == "StepTimeoutError"
    assert bench.clock.elapsed == 10


def test_a_fallback_step_does_not_start_while_the_run_pauses() -> None:
    steps = [shell("a", "fail", fallback_actions=fallback("run-step", step=shell("b")))]
    state, bench = paused(steps, (0.005, rest))
    assert statuses(state) == {"a": "running", "b": "queued"}
    assert resumed(bench).status == "completed"
    assert bench.work.executed == ["a", "b"]


def test_a_question_that_comes_up_while_the_run_pauses_is_asked() -> None:
    state, bench = paused([shell("a", "fail 1", fallback_actions=ask())], (0.005, rest))
    assert statuses(state) == {"a": "waiting"}
    assert [asked.step for asked in bench.store.approvals()] == ["a"]


def test_no_step_is_claimed_while_the_run_pauses() -> None:
    steps = [shell("a", "sleep 5"), shell("b", "sleep 4"), *(shell(f"q{n}", priority=-1) for n in range(9))]
    _, bench = paused(steps, (1, rest), max_parallel=2)
    flag = bench.history().index(facts(bench, h.RunPausing)[0])
    assert not [f for f in bench.history()[flag:] if isinstance(f, h.StepsClaimed | h.StepStarted)]


def test_steps_claimed_before_the_pause_do_not_start_in_it() -> None:
    """Also while a commit waits for a few more steps that follow each other."""
    quick = [shell(f"s{n}") for n in range(40)]
    for at in (0.005, 0.011, 0.016, 0.021, 0.03):
        state, bench = paused(quick, (at, rest), max_parallel=2)
        flag = bench.history().index(facts(bench, h.RunPausing)[0])
        assert not [f for f in bench.history()[flag:] if isinstance(f, h.StepStarted)]
        assert "queued" in statuses(state).values()
        assert resumed(bench).status == "completed"
        assert sorted(bench.work.executed) == sorted(s["id"] for s in quick)


def test_in_a_foreach_the_items_at_work_finish_and_the_others_wait() -> None:
    each = step("foreach", "each", items=[1, 2, 3], max_parallel=1, steps=[shell("x", "sleep 5"), shell("y")])
    state, bench = paused([each], (1, rest))
    found = statuses(state)
    assert (found["each[0].x"], found["each[0].y"]) == ("completed", "queued")
    assert bench.work.executed == ["each[0].x"]
    assert resumed(bench).status == "completed"
    assert bench.work.executed == [f"each[{n}].{name}" for n in range(3) for name in "xy"]


def test_a_loop_begins_no_iteration_while_the_run_pauses_and_its_delay_goes_on() -> None:
    loop = step("loop", "again", max_iterations=3, delay="10s", timeout="20s", steps=[shell("x", "sleep 2")])
    state, bench = paused([loop], (1, rest))
    assert bench.work.executed == ["again[0].x"]
    assert bench.clock.elapsed == 2
    bench.clock.elapsed = 50
    state = resumed(bench)
    assert begun(bench, "again[1].x") == [50_000]
    assert statuses(state)["again"] == "completed", "the pause is not of its time"
    assert bench.clock.elapsed == 50 + 2 + 10 + 2


# ---- taking it back ----------------------------------------------------------------------------


def test_a_pause_can_be_taken_back_before_the_run_has_come_to_its_rest() -> None:
    steps = [
        shell("runs", "sleep 5"),
        shell("quick", "sleep 2"),
        given("pure", dependencies=["quick"]),
        shell("retries", "fail 1", retry_policy=retries(1, initial_delay="2s")),
        wait("waits", "2s"),
    ]
    bench = Bench(planned(steps))
    state = bench.start(during=[(1, rest), (4, on)])
    assert state.status == "completed"
    assert facts(bench, h.RunPaused) == []
    assert [moment(bench, f) for f in facts(bench, h.StepCompleted, "pure")] == [4000]
    assert [moment(bench, f) for f in facts(bench, h.StepCompleted, "waits")] == [4000]
    assert begun(bench, "retries") == [0, 4000]
    assert bench.clock.elapsed == 5
    assert facts_of(bench.replayed()) == facts_of(state)


def test_a_timer_that_has_not_come_yet_goes_on_when_the_pause_is_taken_back() -> None:
    bench = Bench(planned([shell("a", "sleep 9"), wait("w", "6s"), given("g", dependencies=["w"])]))
    bench.start(during=[(1, rest), (4, on)])
    assert [moment(bench, f) for f in facts(bench, h.StepCompleted, "g")] == [6000]
    assert len(facts(bench, h.StepCompleted, "w")) == 1


def test_pause_and_back_and_pause_again_in_one_moment_pauses() -> None:
    def hurry(drive: Drive) -> None:
        for act in (rest, on, rest):
            act(drive)

    state, _ = paused([shell("a", "sleep 2"), shell("b", dependencies=["a"])], (1, hurry))
    assert statuses(state) == {"a": "completed", "b": "queued"}


# ---- time --------------------------------------------------------------------------------------


def test_deadlines_that_passed_in_the_pause_are_due_at_once() -> None:
    steps = [wait("w", "10s"), shell("a", "fail 1", retry_policy=retries(1, initial_delay="5s"))]
    _, bench = paused(steps, (1, rest))
    bench.clock.elapsed = 100
    state = resumed(bench)
    assert state.status == "completed"
    assert bench.clock.elapsed == pytest.approx(100.01)


def test_a_wait_that_is_not_over_goes_on_from_where_it_is() -> None:
    _, bench = paused([wait("w", "10s")], (1, rest))
    bench.clock.elapsed = 4
    resumed(bench)
    assert bench.clock.elapsed == 10


def test_the_runs_own_timeout_does_not_count_the_pause() -> None:
    steps = [shell("a", "sleep 10"), shell("b", "sleep 10", dependencies=["a"])]
    _, bench = paused(steps, (1, rest), timeout="25s")
    bench.clock.elapsed = 1000
    assert resumed(bench).status == "completed"


def test_the_runs_own_timeout_counts_while_attempts_run() -> None:
    state, bench = paused([shell("a", "sleep 100")], (1, rest), timeout="10s", finally_=[shell("f")])
    assert statuses(state) == {"a": "cancelled", "f": "pending"}
    assert bench.clock.elapsed == 10
    state = resumed(bench)
    assert (state.status, statuses(state)["f"]) == ("failed", "completed")
    assert state.error is not None
    assert state.error.type == "RunTimeoutError"


def test_the_timeout_of_a_container_does_not_count_the_pause() -> None:
    box = parallel("p", shell("x", "sleep 5"), shell("y", "sleep 5"), max_parallel=1, timeout="12s")
    _, bench = paused([box], (1, rest))
    bench.clock.elapsed = 1000
    assert resumed(bench).status == "completed"
    assert bench.clock.elapsed == 1005


# ---- answers, cancels and kills of a paused run ------------------------------------------------


def test_an_answer_while_the_run_is_paused_counts_when_it_goes_on() -> None:
    state, bench = paused(
        [shell("a", "fail 1", fallback_actions=ask(timeout="10s")), shell("b", "sleep 5")], (1, rest)
    )
    assert statuses(state) == {"a": "waiting", "b": "completed"}
    bench.store.decide(RUN, "a", "approved", "ann", "", bench.clock.now())
    assert bench.store.runs()[0].status == "paused"
    bench.clock.elapsed = 100
    assert resumed(bench).status == "completed"
    assert bench.work.executed == ["a", "b", "a"]


def test_an_answer_while_the_run_pauses_starts_nothing_yet() -> None:
    steps = [shell("a", "fail 1", fallback_actions=ask()), shell("b", "sleep 5")]
    state, bench = paused(steps, (1, rest), (2, approve("a")))
    assert statuses(state) == {"a": "queued", "b": "completed"}
    assert resumed(bench).status == "completed"


@pytest.mark.parametrize(("act", "last"), [(cancel, "completed"), (kill, "cancelled")])
def test_a_paused_run_can_be_cancelled_and_killed_and_starts_nothing_for_that(
    act: Callable[[Drive], None], last: str
) -> None:
    operation = {"id": "op", "type": "module-operation", "module": "context", "operation": "create-context"}
    steps = [
        shell("a", "sleep 5"),
        shell("b", dependencies=["a"]),
        given("c", dependencies=["a"]),
        operation | {"parameters": {"name": "x"}, "dependencies": ["a"]},
        parallel("p", shell("x"), dependencies=["a"]),
    ]
    _, bench = paused(steps, (1, rest), finally_=[shell("f")])
    state = resumed(bench, before=act)
    assert state.status == "cancelled"
    ended = {"a": "completed", "f": last} | dict.fromkeys(("b", "c", "op", "p", "x"), "cancelled")
    assert statuses(state) == ended
    assert [f.step for f in facts(bench, h.StepStarted)] == (["a", "f"] if last == "completed" else ["a"])
    assert list(bench.store.objects()) == []


@pytest.mark.parametrize("act", [cancel, kill])
def test_a_run_that_pauses_can_be_cancelled_and_killed(act: Callable[[Drive], None]) -> None:
    bench = Bench(planned([shell("a", "sleep 50"), shell("b", dependencies=["a"]), wait("w", "9s")]))
    state = bench.start(during=[(1, rest), (2, act)])
    assert state.status == "cancelled"
    assert set(statuses(state).values()) == {"cancelled"}
    assert facts_of(bench.replayed()) == facts_of(state)
    assert bench.clock.elapsed == 2


def test_a_run_that_is_being_cancelled_does_not_pause() -> None:
    bench = Bench(planned([shell("a", "linger 50 5")], finally_=[shell("f")]))
    state = bench.start(during=[(1, cancel), (2, rest)])
    assert state.status == "cancelled"
    assert statuses(state) == {"a": "cancelled", "f": "completed"}


# ---- requests of other processes ---------------------------------------------------------------


def request(bench: Bench, verb: str) -> Callable[[Drive], None]:
    return lambda _: bench.store.request(RUN, Control(seq=0, verb=verb, by="bob", reason="so"))


def test_requests_to_pause_to_go_on_and_to_kill_are_heard() -> None:
    bench = Bench(planned([shell("a", "sleep 100")], finally_=[shell("f")]), poll=0.1)
    during = [(1, request(bench, "pause")), (2, request(bench, "resume")), (3, request(bench, "kill"))]
    state = bench.start(during=during)
    assert state.status == "cancelled"
    assert statuses(state) == {"a": "cancelled", "f": "cancelled"}
    assert reason_of(state, "a") == "so"
    heard = [facts(bench, kind)[0] for kind in (h.RunPausing, h.RunContinued, h.RunStopping)]
    assert [fact.by for fact in heard] == ["bob"] * 3
    assert all(n * 1000 <= moment(bench, fact) <= n * 1000 + 100 for n, fact in enumerate(heard, 1))


def test_a_kill_that_is_asked_for_while_a_cancel_is_stored_is_not_lost() -> None:
    ask_to_kill = Control(seq=0, verb="kill", by="bob")

    def both(drive: Drive) -> None:
        bench.store.request(RUN, ask_to_kill)
        drive.cancel("ann")

    bench = Bench(planned([shell("a", "linger 100 50")], finally_=[shell("f")]), poll=0.1)
    assert statuses(bench.start(during=[(1, both)])) == {"a": "cancelled", "f": "cancelled"}
    assert [stop.cause for stop in facts(bench, h.RunStopping)] == ["cancel", "kill"]


def in_the_very_moment(act: Callable[[Drive], object]) -> Intervention:
    """Something that another process does right before the commit that leaves the run to nobody."""

    def arrange(drive: Drive) -> None:
        park, left = drive.world.journal.park, [act]

        def late(
            events: Sequence[h.Event],
            objects: Sequence[Any] = (),
            said: Sequence[Any] = (),
            share: Share | None = None,
            told: Sequence[Any] = (),
        ) -> bool:
            if left:
                left.pop()(drive)
            return park(events, objects, said, share, told)

        drive.world.journal.park = late  # type: ignore[method-assign]

    return (0, arrange)


@pytest.mark.parametrize("verb", ["cancel", "kill", "pause"])
def test_a_request_in_the_very_moment_in_which_a_run_begins_to_wait_is_heard(verb: str) -> None:
    bench = Bench(planned([shell("a", "fail 1", fallback_actions=ask())]))
    state = bench.start(during=[in_the_very_moment(request(bench, verb))])
    assert state.status == ("paused" if verb == "pause" else "cancelled")
    assert facts(bench, h.RunWaiting) == []
    assert facts_of(bench.replayed()) == facts_of(state)
    assert bench.told == bench.history()


@pytest.mark.parametrize("verb", ["cancel", "kill", "resume"])
def test_a_request_in_the_very_moment_in_which_a_run_comes_to_its_rest_is_heard(verb: str) -> None:
    bench = Bench(planned([shell("a", "sleep 2"), shell("b", dependencies=["a"])]))
    state = bench.start(during=[(1, rest), in_the_very_moment(request(bench, verb))])
    assert state.status == ("completed" if verb == "resume" else "cancelled")
    assert facts(bench, h.RunPaused) == []


@pytest.mark.parametrize("pauses", [False, True])
def test_an_answer_in_the_very_moment_in_which_nobody_is_left_to_hear_it_is_heard(pauses: bool) -> None:
    bench = Bench(planned([shell("a", "fail 1", fallback_actions=ask()), shell("b", "sleep 2")]))

    def answer(_: Drive) -> None:
        bench.store.decide(RUN, "a", "approved", "bob", "", bench.clock.now())

    state = bench.start(during=[in_the_very_moment(answer), *([(1.0, rest)] if pauses else [])])
    assert state.status == ("paused" if pauses else "completed")
    assert statuses(state) == {"a": "queued" if pauses else "completed", "b": "completed"}
    assert len(facts(bench, h.StepDecided)) == 1


def test_a_pause_that_was_asked_of_a_process_that_died_is_forgotten_by_the_next_one() -> None:
    bench = Bench(planned([shell("a", "sleep 9"), shell("b", dependencies=["a"])]))
    die(bench, (2, False), during=[(1, request(bench, "pause"))])
    assert resumed(bench).status == "completed"


# ---- runs that nobody drives -------------------------------------------------------------------


def put(bench: Bench) -> RunState:
    """Pause a run that nobody drives, as another process does."""
    state = bench.replayed()
    journal = bench.store.own_run(RUN, "bob")
    journal.append(put_to_rest(state, "bob", "", bench.clock.now()))
    journal.close()
    assert facts_of(bench.replayed()) == facts_of(state)
    assert bench.store.runs()[0].status == state.status == "paused"
    return state


def test_a_run_that_waits_is_paused_and_asks_on() -> None:
    bench = Bench(
        planned([shell("a", "fail 1", fallback_actions=ask()), shell("b", "sleep 20")], timeout="30s")
    )
    assert bench.start().status == "waiting"
    bench.clock.elapsed += 1000
    assert statuses(put(bench)) == {"a": "waiting", "b": "completed"}
    bench.clock.elapsed += 1000
    assert resumed(bench).status == "waiting"
    assert resumed(bench, before=approve("a")).status == "completed"


def test_an_interrupted_run_is_paused_with_what_was_lost_back_in_the_queue_and_no_slot_held() -> None:
    steps = [shell("a", "sleep 9"), parallel("p", shell("x", "sleep 9"), max_parallel=1), shell("b", "fail")]
    bench = Bench(planned([*steps, shell("c", dependencies=["a"])]))
    die(bench, (3, False), during=[(1, cancel)])
    state = put(bench)
    assert statuses(state) == {"a": "queued", "p": "running", "x": "queued", "b": "failed", "c": "pending"}
    assert (state.slots, state.holding, state.lanes) == (4, set(), {1: 1})
    assert statuses(resumed(bench))["c"] == "completed"
    assert bench.work.executed == ["a", "x", "b", "a", "x", "c"]


def test_a_run_whose_process_died_while_it_paused_is_paused_by_the_first_who_asked() -> None:
    bench = Bench(planned([shell("a", "sleep 9"), shell("b", dependencies=["a"])]))
    die(bench, (3, False), during=[(1, rest)])
    state = put(bench)
    assert state.pausing is not None
    assert state.pausing.by == "ann"
    assert resumed(bench).status == "completed"


def test_a_run_whose_process_died_while_it_paused_goes_on_when_it_is_resumed() -> None:
    bench = Bench(planned([shell("a", "sleep 9"), shell("b", dependencies=["a"])]))
    die(bench, (3, False), during=[(1, rest)])
    assert resumed(bench).status == "completed"


def test_a_run_that_has_ended_or_was_cancelled_or_is_paused_cannot_be_put_to_rest() -> None:
    done = Bench(planned([shell("a")]))
    done.start()
    with pytest.raises(RunStateError, match="the run is completed already"):
        put_to_rest(done.replayed(), "bob", "", 0)
    stopped = Bench(planned([shell("a", "linger 100 9")]))
    die(stopped, (3, False), during=[(1, cancel)])
    with pytest.raises(RunStateError, match="has been cancelled"):
        put_to_rest(stopped.replayed(), "bob", "", 0)
    state, _ = paused([wait("w", "9s")], (1, rest))
    with pytest.raises(RunStateError, match="the run is paused already"):
        put_to_rest(state, "bob", "", 0)


# ---- questions in finally ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "last"),
    [(cancel, "completed"), (kill, "cancelled")],
)
def test_a_run_that_waits_in_finally_can_be_cancelled_and_killed(
    act: Callable[[Drive], None], last: str
) -> None:
    """A cancel withdraws the question, and the rest of `finally` runs."""
    finally_ = [shell("f", "fail", fallback_actions=ask()), shell("g")]
    bench = Bench(planned([shell("a")], finally_=finally_))
    assert bench.start().status == "waiting"
    state = resumed(bench, before=act)
    assert state.status == "cancelled"
    assert statuses(state) == {"a": "completed", "f": "cancelled", "g": last}
    assert bench.store.approvals() == []


def test_a_cancel_in_finally_withdraws_the_question_of_a_run_that_goes_on() -> None:
    finally_ = [parallel("p", shell("f", "fail", fallback_actions=ask()), shell("g", "sleep 9")), shell("i")]
    bench = Bench(planned([shell("a")], finally_=finally_))
    state = bench.start(during=[(5, cancel)])
    assert statuses(state) == {
        "a": "completed",
        "p": "failed",
        "f": "cancelled",
        "g": "completed",
        "i": "completed",
    }
    assert reason_of(state, "f") == "enough"
    assert facts_of(bench.replayed()) == facts_of(state)


def test_a_run_that_was_cancelled_and_asks_in_finally_can_be_cancelled_once_more() -> None:
    bench = Bench(planned([shell("a", "sleep 9")], finally_=[shell("f", "fail", fallback_actions=ask())]))
    assert bench.start(during=[(1, cancel)]).status == "waiting"
    state = resumed(bench, before=lambda d: d.cancel("bob"))
    assert (state.status, statuses(state)["f"]) == ("cancelled", "cancelled")


# ---- nothing leaks ------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 0.005, 0.01, 0.5, 1, 1.01, 2, 3])
def test_whenever_it_is_paused_slots_are_free_and_it_ends_as_if_it_had_not_been(at: float) -> None:
    steps = [
        parallel("p", shell("x", "sleep 1"), shell("y", "fail 1", retry_policy=retries(1)), max_parallel=1),
        choice("c", "true", [shell("t", "sleep 1"), wait("u")]),
        shell("f", "fail", fallback_actions=fallback("run-step", step=shell("i", "sleep 1"))),
        wait("w", "20s"),
        shell("z", dependencies=["w"]),
    ]
    _, bench = paused(steps, (at, rest), max_parallel=2)
    state = resumed(bench)
    assert state.status == "completed"
    assert set(statuses(state).values()) == {"completed"}
    assert not bench.work.breaches


# ---- steps that run once --------------------------------------------------------------------------


def test_an_attempt_that_runs_once_and_was_lost_is_asked_about_after_the_pause() -> None:
    bench = Bench(planned([shell("a", "sleep 9", once=True)]))
    die(bench, (99, False), during=[(1, collapse)])
    assert statuses(put(bench)) == {"a": "waiting"}
    assert resumed(bench).status == "waiting"
    assert [asked.step for asked in bench.store.approvals()] == ["a"]
    assert bench.work.executed == ["a"]
