"""Questions to people: who is asked what, what an answer does, what happens when none comes."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any, cast

import pytest

from mplp_cli.engine.drive import Drive
from mplp_cli.errors import OperationError, RunStateError
from mplp_cli.protocols import Operations
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
    given,
    moment,
    parallel,
    planned,
    reason_of,
    result_of,
    retries,
    shell,
    statuses,
)
from tests.virtual import facts_of


def approve(name: str, by: str = "ann") -> Any:
    return lambda drive: drive.decide(name, "approve", by, "")


def reject(name: str, reason: str = "") -> Any:
    return lambda drive: drive.decide(name, "reject", "ann", reason)


def confirms(bench: Bench) -> list[dict[str, Any]]:
    return [found.body for found in bench.store.objects("confirm")]


def asked(*steps: dict[str, Any], **more: Any) -> tuple[RunState, Bench]:
    """A run that waits for a person."""
    bench = Bench(planned(list(steps), **more))
    state = bench.start()
    assert state.status == "waiting"
    return state, bench


def resumed(bench: Bench, **how: Any) -> RunState:
    state = bench.resume(**how)
    assert facts_of(bench.replayed()) == facts_of(state)
    return state


# ---- the question ------------------------------------------------------------------------------


def test_a_step_that_fails_asks_when_its_retries_are_used_up_and_the_run_waits() -> None:
    state, bench = asked(
        shell("a", "fail", retry_policy=retries(2), fallback_actions=ask()), shell("b", dependencies=["a"])
    )
    assert statuses(state) == {"a": "waiting", "b": "pending"}
    assert bench.work.executed == ["a"] * 3
    assert len(facts(bench, h.RunWaiting)) == 1
    [pending] = bench.store.approvals()
    assert (pending.step, pending.attempt, pending.state) == ("a", 3, "pending")
    assert pending.message == "`a` failed: scripted failure. Try again?"


def test_the_message_may_hold_references_and_approvers_are_named() -> None:
    _, bench = asked(
        given("z", {"n": 3}),
        shell("a", "fail", fallback_actions=ask(message="n is ${z.result.n}", approvers=["ann", "bob"])),
    )
    [pending] = bench.store.approvals()
    assert (pending.message, pending.approvers) == ("n is 3", ["ann", "bob"])


def test_a_message_that_cannot_be_filled_in_is_no_reason_not_to_ask() -> None:
    _, bench = asked(given("z"), shell("a", "fail", fallback_actions=ask(message="n is ${z.result.nope}")))
    assert bench.store.approvals()[0].message == (
        "`a` failed: scripted failure. Try again? "
        "(its own message could not be filled in: `result` has no `nope`; it has n)"
    )


def test_a_pending_confirm_object_is_stored_in_the_commit_of_the_question() -> None:
    _, bench = asked(shell("a", "fail", fallback_actions=ask()))
    [confirm] = confirms(bench)
    [question] = facts(bench, h.StepWaiting)
    assert confirm["confirm_id"] == question.approval.id
    assert confirm["status"] == "pending"
    assert question.error.message == "scripted failure"


def test_other_branches_go_on_while_a_person_is_asked() -> None:
    state, bench = asked(
        shell("a", "fail", fallback_actions=ask()), shell("b", "sleep 5"), shell("c", dependencies=["b"])
    )
    assert statuses(state) == {"a": "waiting", "b": "completed", "c": "completed"}
    assert [moment(bench, f) for f in facts(bench, h.RunWaiting)] == [5010]


def test_a_step_that_waits_for_a_person_holds_no_slot_and_no_lane() -> None:
    state, _ = asked(
        parallel("p", shell("a", "fail", fallback_actions=ask()), shell("b"), max_parallel=1), max_parallel=1
    )
    assert statuses(state) == {"p": "running", "a": "waiting", "b": "completed"}
    assert (state.slots, state.lanes) == (1, {0: 1})


def test_a_run_waits_when_all_others_wait_for_the_lane_that_the_question_keeps_taken() -> None:
    nested = parallel("q", shell("a", "fail 1", fallback_actions=ask()))
    state, bench = asked(parallel("p", nested, shell("b"), shell("c"), max_parallel=1), shell("d"))
    assert statuses(state) == {
        "p": "running",
        "q": "running",
        "a": "waiting",
        "b": "queued",
        "c": "queued",
        "d": "completed",
    }
    state = resumed(bench, before=approve("a"))
    assert state.status == "completed"
    assert bench.work.executed == ["a", "d", "a", "b", "c"]


def test_finally_does_not_run_while_the_run_waits() -> None:
    state, bench = asked(shell("a", "fail", fallback_actions=ask()), finally_=[shell("f")])
    assert statuses(state)["f"] == "pending"
    assert bench.work.executed == ["a"]


def test_the_seeds_example_asks_on_a_timeout_only() -> None:
    handling = {"fallback-actions": fallback("escalate-to-human", "timeout")}
    state, _ = asked(shell("a", "sleep 9", timeout="1s"), error_handling=handling)
    assert statuses(state) == {"a": "waiting"}
    bench = Bench(planned([shell("a", "fail")], error_handling=handling))
    assert bench.start().status == "failed"


# ---- the answer --------------------------------------------------------------------------------


def test_approve_means_try_again_with_all_retries() -> None:
    step = shell("a", "fail 5", retry_policy=retries(2), fallback_actions=ask())
    _, bench = asked(step)
    state = resumed(bench, before=approve("a"))
    assert state.status == "completed"
    assert bench.work.executed == ["a"] * 6
    assert state.attempts == [6]
    assert error_of(state, "a") is None
    assert [(f.decision, f.by) for f in facts(bench, h.StepDecided)] == [("approved", "ann")]
    assert confirms(bench)[0]["status"] == "approved"


def test_reject_fails_the_step_with_who_and_why() -> None:
    _, bench = asked(
        shell("a", "fail", fallback_actions=ask()), shell("b", dependencies=["a"]), finally_=[shell("f")]
    )
    state = resumed(bench, before=reject("a", "not on a Friday"))
    assert statuses(state) == {"a": "failed", "b": "omitted", "f": "completed"}
    assert state.status == "failed"
    assert error_of(state, "a").type == "RejectedError"
    assert error_of(state, "a").message == "rejected by ann: not on a Friday"
    assert confirms(bench)[0]["status"] == "rejected"
    assert bench.store.approvals() == []


def test_an_answer_during_the_run_takes_effect_at_once() -> None:
    bench = Bench(planned([shell("a", "fail 1", fallback_actions=ask()), shell("b", "sleep 60")]))
    state = bench.start(during=[(20, approve("a"))])
    assert state.status == "completed"
    assert [moment(bench, f) for f in facts(bench, h.StepCompleted, "a")] == [20_010]
    assert facts(bench, h.RunWaiting) == []


def test_an_answer_left_by_another_process_is_found_by_a_run_that_goes_on() -> None:
    bench = Bench(planned([shell("a", "fail 1", fallback_actions=ask()), shell("b", "sleep 60")]), poll=0.1)

    def decide(drive: Drive) -> None:
        bench.store.decide(drive.state.run_id, "a", "approved", "bob", "", drive.world.clock.now())

    state = bench.start(during=[(20, decide)])
    assert state.status == "completed"
    assert [f.by for f in facts(bench, h.StepDecided)] == ["bob"]


def test_approved_and_failed_again_asks_again_in_an_object_of_its_own() -> None:
    _, bench = asked(shell("a", "fail 2", fallback_actions=ask()))
    assert resumed(bench, before=approve("a")).status == "waiting"
    assert len(facts(bench, h.StepWaiting, "a")) == 2
    assert len({f.approval.id for f in facts(bench, h.StepWaiting, "a")}) == 2
    assert resumed(bench, before=approve("a")).status == "completed"
    assert sorted(c["status"] for c in confirms(bench)) == ["approved", "approved"]


def test_a_question_that_the_module_refuses_fails_the_step_with_both_reasons() -> None:
    bench = Bench(planned([shell("a", "fail", fallback_actions=ask())]))
    state = bench.start(during=[(0.005, _refuse_all)])
    assert statuses(state) == {"a": "failed"}
    assert error_of(state, "a").message == "scripted failure; nobody could be asked: no"


def _refuse_all(drive: Drive) -> None:
    class Refusing:
        def call(self, module: str, operation: str, parameters: Any, caller: Any) -> Any:
            raise OperationError("no")

        def said(self) -> list[Any]:
            return []

    drive.world = dataclasses.replace(drive.world, operations=cast("Operations", Refusing()))


def test_an_object_that_a_step_has_settled_itself_does_not_keep_the_answer_out() -> None:
    _, bench = asked(shell("a", "fail 1", fallback_actions=ask()))

    def answer(drive: Drive) -> None:
        _refuse_all(drive)
        approve("a")(drive)

    assert resumed(bench, before=answer).status == "completed"


def test_two_questions_are_answered_each_for_itself() -> None:
    steps = [shell("a", "fail 1", fallback_actions=ask()), shell("b", "fail 1", fallback_actions=ask())]
    _, bench = asked(*steps)
    state = resumed(bench, before=approve("a"))
    assert statuses(state) == {"a": "completed", "b": "waiting"}
    assert state.status == "waiting"
    state = resumed(bench, before=reject("b"))
    assert statuses(state) == {"a": "completed", "b": "failed"}
    assert error_of(state, "b").message == "rejected by ann: no reason given"


def test_a_question_inside_a_container_keeps_it_open() -> None:
    _, bench = asked(
        parallel("p", shell("a", "fail 1", fallback_actions=ask()), shell("b")),
        shell("z", dependencies=["p"]),
    )
    state = resumed(bench, before=approve("a"))
    assert state.status == "completed"
    assert [r["status"] for r in result_of(state, "p")["results"]] == ["fulfilled", "fulfilled"]


def test_a_question_in_finally_is_answered_like_any_other() -> None:
    _, bench = asked(shell("a"), finally_=[shell("f", "fail 1", fallback_actions=ask()), shell("g")])
    state = resumed(bench, before=approve("f"))
    assert state.status == "completed"
    assert bench.work.executed == ["a", "f", "f", "g"]


def test_a_step_whose_condition_could_not_be_judged_is_judged_again_when_it_is_approved() -> None:
    _, bench = asked(given("z"), shell("a", when="z.result.n", fallback_actions=ask()))
    state = resumed(bench, before=approve("a"))
    assert statuses(state)["a"] == "waiting"
    assert bench.work.executed == []


def test_what_does_not_ask_cannot_be_answered() -> None:
    _, bench = asked(shell("a", "fail", fallback_actions=ask()), shell("b"))
    for name in ("b", "nobody"):
        with pytest.raises(RunStateError, match=f"`{name}` does not wait for an approval"):
            bench.resume(before=approve(name))
    state = bench.replayed()
    assert state.status == "waiting"


def test_the_first_of_two_answers_in_one_moment_counts() -> None:
    refused: list[str] = []

    def both(drive: Drive) -> None:
        approve("a")(drive)
        try:
            reject("a")(drive)
        except RunStateError as error:
            refused.append(error.message)

    bench = Bench(planned([shell("a", "fail 1", fallback_actions=ask()), shell("b", "sleep 60")]))
    state = bench.start(during=[(20, both)])
    assert statuses(state)["a"] == "completed"
    assert refused == ["`a` has its answer already"]


def test_a_rejection_does_not_set_off_another_fallback() -> None:
    actions = [*ask(condition="OSError"), {"condition": "any", "action": "abort"}]
    _, bench = asked(
        shell("a", "fail", fallback_actions=actions),
        shell("b", dependencies=["c"], join="all-ended"),
        shell("c", dependencies=["a"], join="all-ended"),
    )
    state = resumed(bench, before=reject("a"))
    assert statuses(state) == {"a": "failed", "c": "completed", "b": "completed"}


# ---- no answer ---------------------------------------------------------------------------------


def test_a_question_whose_time_is_over_fails_the_step_and_says_how_long_it_was_open() -> None:
    bench = Bench(
        planned([shell("a", "fail", fallback_actions=ask(timeout="130s")), shell("b", "sleep 500")])
    )
    state = bench.start()
    assert statuses(state) == {"a": "failed", "b": "completed"}
    assert error_of(state, "a").message == "scripted failure; nobody answered within 2m10s"
    assert error_of(state, "a").details == {"stepId": "a", "timeout": 130_000}
    assert [moment(bench, f) for f in facts(bench, h.StepFailed, "a")] == [130_010]
    assert bench.store.approvals() == []


def test_an_answer_in_the_very_moment_of_the_deadline_is_either_taken_or_too_late_never_both() -> None:
    for act, ends in ((approve("a"), {"completed", "failed"}), (reject("a"), {"failed"})):
        for early in (-0.001, 0.0, 0.001):
            bench = Bench(
                planned([shell("a", "fail 1", fallback_actions=ask(timeout="130s")), shell("b", "sleep 500")])
            )

            def answer(drive: Drive, act: Any = act) -> None:
                with contextlib.suppress(RunStateError):
                    act(drive)

            state = bench.start(during=[(130.01 + early, answer)])
            assert statuses(state)["a"] in ends
            assert statuses(state)["b"] == "completed"
            decided, failed = facts(bench, h.StepDecided), facts(bench, h.StepFailed, "a")
            assert len(decided) + len([f for f in failed if "nobody" in f.error.message]) == 1


def test_the_deadline_of_an_answered_question_means_nothing_any_more() -> None:
    """Not for the retry that the step waits for, and not for its next question."""
    step = shell(
        "a",
        "fail 4",
        retry_policy=retries(1, initial_delay="100s", max_delay="100s"),
        fallback_actions=ask(timeout="150s"),
    )
    bench = Bench(planned([step, shell("b", "sleep 590")]))
    state = bench.start(during=[(200, approve("a")), (400, approve("a"))])
    assert statuses(state)["a"] == "completed"
    assert [moment(bench, f) for f in facts(bench, h.StepRetryDue)] == [100_010, 300_010]


def test_a_run_that_is_resumed_after_the_deadline_does_not_wait_for_nobody() -> None:
    _, bench = asked(shell("a", "fail", fallback_actions=ask(timeout="1h")))
    bench.clock.elapsed += 7200
    assert resumed(bench).status == "failed"


def test_a_cancelled_run_withdraws_its_questions() -> None:
    bench = Bench(planned([shell("a", "fail", fallback_actions=ask()), shell("b", "sleep 60")]))
    state = bench.start(during=[(20, lambda d: d.cancel("ann", "stop"))])
    assert statuses(state) == {"a": "cancelled", "b": "cancelled"}
    assert reason_of(state, "a") == "stop"
    assert bench.store.approvals() == []
    assert [a.state for a in bench.store.approvals(state=None)] == ["withdrawn"]


def test_an_answer_that_was_recorded_survives_a_crash() -> None:
    bench = Bench(planned([shell("a", "fail 1", fallback_actions=ask()), shell("b", "sleep 60")]))
    with pytest.raises(Died):
        bench.start(during=[(20, approve("a")), (20.005, collapse)])
    state = resumed(bench)
    assert statuses(state) == {"a": "completed", "b": "completed"}
    assert len(facts(bench, h.StepDecided)) == 1
