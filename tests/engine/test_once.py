"""`once`: an attempt whose outcome nobody knows is not made again before a person was asked."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from mplp_cli.engine.drive import Drive
from mplp_cli.observe.explanation import explain
from mplp_cli.render.explained import explained_screen
from mplp_cli.render.theme import PLAIN
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.state import RunState
from tests.bench_of_runs import (
    Bench,
    Died,
    ask,
    collapse,
    error_of,
    facts,
    fallback,
    parallel,
    planned,
    retries,
    shell,
    statuses,
    step,
)
from tests.virtual import facts_of


def once(name: str = "a", run: str = "sleep 5", **keys: Any) -> dict[str, Any]:
    return shell(name, run, once=True, **keys)


def lost(*steps: dict[str, Any], after: float = 1, **more: Any) -> Bench:
    """A run whose process was lost that many seconds after its start."""
    bench = Bench(planned(list(steps), **more))
    with pytest.raises(Died):
        bench.start(during=[(after, collapse)])
    return bench


def resumed(bench: Bench, **how: Any) -> RunState:
    state = bench.resume(**how)
    assert facts_of(bench.replayed()) == facts_of(state)
    return state


def approve(drive: Drive) -> None:
    drive.decide("a", "approve", "ann", "")


def reject(drive: Drive) -> None:
    drive.decide("a", "reject", "ann", "it went out")


def test_a_lost_attempt_is_asked_about_and_not_made_again() -> None:
    bench = lost(once(), shell("b", dependencies=["a"]), shell("c", "sleep 9"))
    state = resumed(bench)
    assert state.status == "waiting"
    assert statuses(state) == {"a": "waiting", "b": "pending", "c": "completed"}
    assert bench.work.executed == ["a", "c", "c"]
    [pending] = bench.store.approvals()
    assert pending.message == (
        "`a` was at work when the process was lost (attempt 1), and may have had its effect. It runs once. Try again?"
    )
    assert error_of(state, "a").type == "UnknownOutcomeError"
    assert [o.body["status"] for o in bench.store.objects("confirm")] == ["pending"]


def test_approve_tries_again_with_all_retries_and_reject_fails_the_step() -> None:
    bench = lost(once("a", "sleep 5", retry_policy=retries(1)), shell("b", dependencies=["a"]))
    resumed(bench)
    state = resumed(bench, before=approve)
    assert state.status == "completed"
    assert bench.work.executed == ["a", "a", "b"]
    assert state.attempts[0] == 2
    bench = lost(once(), shell("b", dependencies=["a"]), finally_=[shell("f")])
    resumed(bench)
    state = resumed(bench, before=reject)
    assert statuses(state) == {"a": "failed", "b": "omitted", "f": "completed"}
    assert error_of(state, "a").message == "rejected by ann: it went out"


def test_a_recorded_failure_is_retried_as_ever() -> None:
    bench = Bench(planned([once("a", "fail 2", retry_policy=retries(2, initial_delay="1m"))]))
    with pytest.raises(Died):
        bench.start(during=[(30, collapse)])
    assert resumed(bench).status == "completed"
    assert bench.work.executed == ["a", "a", "a"]
    assert facts(bench, h.StepWaiting) == []


def test_a_step_that_never_began_is_no_question_although_it_was_next() -> None:
    steps = [once(f"s{n}") for n in range(6)]
    bench = lost(*steps, max_parallel=2)
    assert [f.steps for f in facts(bench, h.StepsClaimed)] == []
    state = resumed(bench)
    assert sorted(f.step for f in facts(bench, h.StepWaiting)) == ["s0", "s1"]
    assert list(statuses(state).values()) == ["waiting", "waiting", *["completed"] * 4]


@pytest.mark.parametrize("at", [1, 2, 3, 4])
@pytest.mark.parametrize("after", [False, True])
def test_its_effect_happens_once_wherever_the_process_is_lost(at: int, *, after: bool) -> None:
    """Lost at any commit, twice: what was begun is asked about, what was not is done."""
    bench = Bench(planned([once("a", "ok"), shell("b", dependencies=["a"])]))
    with suppress(Died):
        bench.start(dies=(at, after))
    if bench.replayed().status != "completed":
        try:
            state = bench.resume((1, after))
        except Died:
            state = bench.replayed()
        if state.status == "running":
            state = bench.resume()
        assert state.status in ("completed", "waiting")
        assert (state.status == "waiting") == (statuses(state)["a"] == "waiting")
    assert bench.work.executed.count("a") <= 1
    assert not bench.work.breaches


def test_it_is_asked_once_more_if_the_process_is_lost_before_the_question_is_stored() -> None:
    bench = lost(once())
    for after in (False, False):
        with pytest.raises(Died):
            bench.resume((1, after))
    state = resumed(bench)
    assert state.status == "waiting"
    assert len(facts(bench, h.StepWaiting)) == 1
    assert resumed(bench).status == "waiting"
    assert len(facts(bench, h.StepWaiting)) == 1


def test_a_run_that_is_cancelled_meanwhile_asks_nobody() -> None:
    bench = lost(once(), shell("b", dependencies=["a"]))
    state = resumed(bench, before=lambda drive: drive.cancel("ann"))
    assert statuses(state) == {"a": "cancelled", "b": "cancelled"}
    assert state.status == "cancelled"
    assert bench.store.approvals() == []


def test_a_run_that_was_stopping_when_it_was_lost_asks_nobody() -> None:
    bench = Bench(planned([once("a", "linger 9 9")]))
    with pytest.raises(Died):
        bench.start(during=[(1, lambda drive: drive.cancel("ann")), (2, collapse)])
    state = resumed(bench)
    assert (state.status, statuses(state)) == ("cancelled", {"a": "cancelled"})


def test_a_question_can_be_cancelled_and_the_run_ends() -> None:
    bench = lost(once(), finally_=[shell("f")])
    resumed(bench)
    state = resumed(bench, before=lambda drive: drive.cancel("ann"))
    assert statuses(state) == {"a": "cancelled", "f": "completed"}
    assert [a.state for a in bench.store.approvals(state=None)] == ["withdrawn"]


def test_those_are_asked_whom_its_fallback_asks() -> None:
    bench = lost(once(fallback_actions=ask(message="m", approvers=["bob"])))
    resumed(bench)
    [pending] = bench.store.approvals()
    assert pending.approvers == ["bob"]


def test_inside_a_parallel_step_and_in_a_fallback_it_is_asked_too() -> None:
    bench = lost(parallel("p", once("a"), shell("b", "sleep 5"), max_parallel=1))
    state = resumed(bench)
    assert statuses(state) == {"p": "running", "a": "waiting", "b": "completed"}
    assert resumed(bench, before=approve).status == "completed"
    bench = lost(shell("z", "fail", fallback_actions=fallback("run-step", step=once("a"))))
    assert statuses(resumed(bench)) == {"z": "running", "a": "waiting"}
    state = resumed(bench, before=approve)
    assert statuses(state) == {"z": "completed", "a": "completed"}


def test_explain_tells_the_lost_attempt_and_the_question() -> None:
    bench = lost(once())
    resumed(bench)
    resumed(bench, before=approve)
    told = explain(bench.plan, bench.history(), "a")
    assert [(one.attempt, one.outcome) for one in told.tries] == [(1, "lost"), (2, "completed")]
    [question] = told.questions
    assert question.decision == "approved"
    assert (
        "the process that drove the run was lost" in explained_screen(told, "completed", 0, PLAIN, 200).plain
    )


def test_items_of_a_foreach_are_asked_about_each() -> None:
    bench = lost(step("foreach", "f", items=[1, 2, 3], steps=[once()]), max_parallel=2)
    state = resumed(bench)
    asked = sorted(f.step for f in facts(bench, h.StepWaiting))
    assert asked == ["f[0].a", "f[1].a"]
    assert state.status == "waiting"
    for name in asked:
        state = resumed(bench, before=lambda drive, name=name: drive.decide(name, "approve", "ann", ""))
    assert state.status == "completed"
    assert sorted(bench.work.executed) == ["f[0].a", "f[0].a", "f[1].a", "f[1].a", "f[2].a"]
