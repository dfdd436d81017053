"""Approval steps: what they ask, what an answer is bound to, and what a no or silence means."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from mplp_cli.engine.drive import Drive
from mplp_cli.engine.people import digest_of
from mplp_cli.errors import RunStateError
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.answers import NOTHING, Given
from mplp_cli.workflow.fold.state import RunState
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
    reason_of,
    result_of,
    retries,
    run_steps,
    shell,
    statuses,
    step,
)
from tests.virtual import facts_of

FORM = {"version": {"type": "string"}, "share": {"type": "integer", "default": 10}}


def gate(name: str = "g", **keys: Any) -> dict[str, Any]:
    """An approval step."""
    return step("approval", name, **{"message": "Go on?", **keys})


def say(verb: Any, name: str = "g", reason: str = "", by: str = "ann", bound: Given = NOTHING) -> Any:
    return lambda drive: drive.decide(name, verb, by, reason, bound)


def confirms(bench: Bench) -> list[str]:
    return [found.body["status"] for found in bench.store.objects("confirm")]


def asked(*steps: dict[str, Any], **more: Any) -> tuple[RunState, Bench]:
    """A run that waits for a person."""
    bench = Bench(planned(list(steps), **more))
    state = bench.start()
    assert state.status == "waiting"
    return state, bench


def answered(bench: Bench, act: Any) -> RunState:
    state = bench.resume(before=act)
    assert facts_of(bench.replayed()) == facts_of(state)
    return state


# ---- the question ------------------------------------------------------------------------------


def test_it_asks_without_a_slot_and_the_run_waits() -> None:
    state, bench = asked(
        given("v", {"n": "1.2"}),
        gate(message="Deploy ${v.result.n}?", approvers=["ann", "${v.result.n}"], inputs=FORM),
        shell("b", dependencies=["g"]),
    )
    assert statuses(state) == {"v": "completed", "g": "waiting", "b": "pending"}
    assert state.slots == bench.slots
    [pending] = bench.store.approvals()
    assert (pending.step, pending.attempt, pending.message) == ("g", 1, "Deploy 1.2?")
    assert (pending.approvers, pending.form) == (["ann", "1.2"], FORM)
    assert pending.digest == digest_of(state, state.plan.number["g"])


def test_its_confirm_object_is_stored_in_the_commit_of_the_question_and_names_the_approvers() -> None:
    _, bench = asked(gate(approvers=["ann"]))
    [confirm] = bench.store.objects("confirm")
    [question] = facts(bench, h.StepWaiting)
    assert (confirm.id, confirm.body["status"]) == (question.approval.id, "pending")
    assert confirm.body["reason"] == "Go on?"
    assert confirm.body["events"][0]["data"] == {"mode": "single_approver", "approvers": ["ann"]}


def test_a_message_that_cannot_be_filled_in_fails_the_step() -> None:
    bench = Bench(planned([given("v"), gate(message="${v.result.nope}")]))
    state = bench.start()
    assert error_of(state, "g").type == "UnresolvedReferenceError"
    assert bench.store.approvals(state=None) == []


def test_a_condition_that_is_false_asks_nobody() -> None:
    bench = Bench(planned([gate(when="1 > 2")]))
    assert statuses(bench.start()) == {"g": "skipped"}
    assert bench.store.approvals(state=None) == []


def test_the_timeout_and_the_retries_of_work_are_not_those_of_a_question() -> None:
    policy = {"max-retries": 3}
    plan = planned([gate(), shell("s")], defaults={"timeout": "1s", "retry-policy": policy})
    assert (plan.steps[0].timeout, plan.steps[0].max_attempts) == (0, 1)
    assert (plan.steps[1].timeout, plan.steps[1].max_attempts) == (1000, 4)


# ---- the answer --------------------------------------------------------------------------------


def test_yes_completes_it_with_who_when_why_and_the_inputs() -> None:
    _, bench = asked(gate(inputs=FORM), given("b", {"v": "${g.result.inputs.version}"}))
    bound = Given(inputs={"version": "1.2", "share": 10})
    state = answered(bench, say("approve", reason="looks good", bound=bound))
    assert state.status == "completed"
    result = result_of(state, "g")
    assert result.pop("at").endswith("Z")
    assert result == {
        "decision": "approved",
        "by": "ann",
        "reason": "looks good",
        "inputs": {"version": "1.2", "share": 10},
    }
    assert result_of(state, "b") == {"v": "1.2"}
    assert confirms(bench) == ["approved"]


def test_the_decision_and_the_completion_are_one_commit() -> None:
    _, bench = asked(gate())
    answered(bench, say("approve"))
    [commit] = [c for c in bench.commits if any(isinstance(f, h.StepDecided) for f in c)]
    kinds = [type(f) for f in commit]
    assert kinds[kinds.index(h.StepDecided) + 1] is h.StepCompleted


def test_an_answer_that_is_heard_later_keeps_its_time() -> None:
    _, bench = asked(gate())
    at = bench.clock.now() + 5_000
    bench.store.decide(RUN, "g", "approved", "bob", "", at)
    bench.clock.elapsed += 3600
    state = bench.resume()
    [fact] = facts(bench, h.StepDecided)
    assert (fact.by, fact.given_at) == ("bob", at)
    assert fact.at > at
    assert result_of(state, "g")["at"] == "2023-11-14T22:13:25.000Z"


def test_no_fails_it_with_who_and_why() -> None:
    _, bench = asked(gate(), shell("b", dependencies=["g"]), finally_=[shell("f")])
    state = answered(bench, say("reject", reason="not on a Friday"))
    assert statuses(state) == {"g": "failed", "b": "omitted", "f": "completed"}
    assert error_of(state, "g").type == "RejectedError"
    assert error_of(state, "g").message == "rejected by ann: not on a Friday"
    assert confirms(bench) == ["rejected"]


@pytest.mark.parametrize("condition", ["error", "any", "RejectedError"])
def test_a_no_may_be_mended(condition: str) -> None:
    actions = fallback("use-value", condition, value={"decision": "rejected"})
    _, bench = asked(gate(fallback_actions=actions), given("b", {"d": "${g.result.decision}"}))
    state = answered(bench, say("reject"))
    assert (state.status, result_of(state, "b")) == ("completed", {"d": "rejected"})


def test_a_no_may_run_another_step_or_skip() -> None:
    _, bench = asked(
        gate(fallback_actions=fallback("run-step", step=shell("undo"))),
        gate("k", fallback_actions=fallback("skip")),
    )
    answered(bench, say("reject"))
    state = answered(bench, say("reject", "k"))
    assert statuses(state) == {"g": "completed", "undo": "completed", "k": "skipped"}


def test_a_no_is_not_asked_again() -> None:
    handling = {"fallback-actions": [*ask(), {"condition": "any", "action": "abort"}]}
    _, bench = asked(gate(), shell("b", "sleep 0.1", dependencies=["g"]), error_handling=handling)
    state = answered(bench, say("reject"))
    assert state.status == "failed"
    assert len(facts(bench, h.StepWaiting)) == 1
    assert (
        reason_of(state, "b") == "`g` failed and its fallback is `abort`" or statuses(state)["b"] == "omitted"
    )


def test_asking_again_after_a_no_is_refused_beforehand() -> None:
    [problem] = problems_of([gate(fallback_actions=ask(condition="RejectedError"))])
    assert (problem.code, problem.path[-1]) == ("plan-asked-again", "action")


def test_a_no_that_was_recorded_survives_a_crash_before_what_follows_from_it() -> None:
    """With batches of one fact, what follows from an answer stands in a commit of its own."""
    actions = fallback("use-value", "any", value="mended")
    for after in (True, False):
        for commit in range(1, 6):
            bench = Bench(planned([gate(fallback_actions=actions)]), batch=1)
            bench.start()
            with contextlib.suppress(Died):
                bench.resume((commit, after), before=say("reject"))
            if bench.replayed().status == "completed":
                continue
            heard = bool(facts(bench, h.StepDecided))
            state = bench.resume(before=None if heard else say("reject"))
            assert (state.status, result_of(state, "g")) == ("completed", "mended")
            assert len(facts(bench, h.StepDecided)) == 1


def test_questions_in_a_container_keep_it_open_and_take_no_lane() -> None:
    state, bench = asked(parallel("p", gate(), gate("k"), shell("s"), max_parallel=1))
    assert statuses(state) == {"p": "running", "g": "waiting", "k": "waiting", "s": "completed"}
    answered(bench, say("approve", "k"))
    state = answered(bench, say("approve"))
    assert [r["status"] for r in result_of(state, "p")["results"]] == ["fulfilled"] * 3


# ---- what an answer is bound to ----------------------------------------------------------------


def test_only_those_who_are_asked_may_answer() -> None:
    _, bench = asked(gate(approvers=["ann", "bob"]))
    for verb in ("approve", "reject"):
        with pytest.raises(RunStateError, match="'eve' is not among those who are asked: ann, bob"):
            bench.resume(before=say(verb, by="eve"))
    assert facts(bench, h.StepDecided) == []
    assert answered(bench, say("approve", by="bob")).status == "completed"


def test_an_answer_to_an_earlier_question_is_refused() -> None:
    bench = Bench(planned([gate(timeout="10s", retry_policy=retries(1)), shell("b", "sleep 60")]))
    digests: list[str] = []
    refused: list[str] = []

    def note(drive: Drive) -> None:
        digests.append(digest_of(drive.state, 0))

    def stale(drive: Drive) -> None:
        note(drive)
        try:
            say("approve", bound=Given(digests[0]))(drive)
        except RunStateError as error:
            refused.append(error.message)

    def fresh(drive: Drive) -> None:
        say("approve", bound=Given(digests[1]))(drive)

    state = bench.start(during=[(5, note), (13, stale), (14, fresh)])
    assert refused == ["`g` asks something else by now"]
    assert digests[0] != digests[1]
    assert (state.status, state.attempts[0]) == ("completed", 2)


def test_an_answer_that_is_stored_in_time_counts_though_no_poll_has_brought_it() -> None:
    bench = Bench(planned([gate(timeout="10s"), shell("b", "sleep 30")]))

    def decide(_: Drive) -> None:
        bench.store.decide(RUN, "g", "approved", "bob", "", bench.clock.now())

    state = bench.start(during=[(5, decide)])
    assert state.status == "completed"
    assert [(f.decision, moment(bench, f)) for f in facts(bench, h.StepDecided)] == [("approved", 10_000)]


# ---- silence -----------------------------------------------------------------------------------


def test_nobody_answers_in_time() -> None:
    bench = Bench(planned([gate(timeout="130s"), shell("b", "sleep 500")]))
    state = bench.start()
    assert statuses(state) == {"g": "failed", "b": "completed"}
    error = error_of(state, "g")
    assert (error.type, error.message) == ("StepTimeoutError", "nobody answered within 2m10s")
    assert error.details == {"stepId": "g", "timeout": 130_000}
    assert [(f.decision, moment(bench, f)) for f in facts(bench, h.StepDecided)] == [("expired", 130_000)]
    assert [a.state for a in bench.store.approvals(state=None)] == ["withdrawn"]
    assert confirms(bench) == ["cancelled"]


def test_silence_may_be_mended_and_is_not_a_no() -> None:
    actions = [*fallback("abort", "RejectedError"), *fallback("use-value", "timeout", value="by default")]
    bench = Bench(planned([gate(timeout="1m", fallback_actions=actions), shell("b", "sleep 500")]))
    state = bench.start()
    assert (state.status, result_of(state, "g")) == ("completed", "by default")


def test_silence_may_be_put_to_somebody_else_who_may_have_it_asked_again() -> None:
    actions = ask(condition="timeout", message="Ask once more?", approvers=["boss"])
    bench = Bench(planned([gate(timeout="1m", fallback_actions=actions), shell("b", "sleep 100")]))
    assert bench.start().status == "waiting"
    assert [a.message for a in bench.store.approvals()] == ["Ask once more?"]
    assert answered(bench, say("approve", by="boss")).status == "waiting"
    assert [(a.message, a.attempt) for a in bench.store.approvals()] == [("Go on?", 2)]
    assert answered(bench, say("approve")).status == "completed"
    assert sorted(confirms(bench)) == ["approved", "approved", "cancelled"]


def test_a_deadline_means_nothing_to_the_step_that_runs_instead() -> None:
    """Also when the process that had begun it is lost."""
    instead = fallback("run-step", "timeout", step=shell("c", "sleep 5"))
    bench = Bench(planned([gate(timeout="10s", fallback_actions=instead), shell("b", "sleep 30")]))
    with pytest.raises(Died):
        bench.start(during=[(12, collapse)])
    state = bench.resume()
    assert statuses(state) == {"g": "completed", "c": "completed", "b": "completed"}


def test_its_own_retries_ask_again() -> None:
    bench = Bench(planned([gate(timeout="10s", retry_policy=retries(2)), shell("b", "sleep 100")]))
    state = bench.start()
    assert statuses(state) == {"g": "failed", "b": "completed"}
    assert len(facts(bench, h.StepWaiting)) == 3
    assert confirms(bench) == ["cancelled"] * 3


def test_a_run_that_is_taken_up_after_the_deadline_does_not_wait_for_nobody() -> None:
    _, bench = asked(gate(timeout="1h"))
    bench.clock.elapsed += 7200
    assert bench.resume().status == "failed"
    assert confirms(bench) == ["cancelled"]


def test_an_answer_in_the_moment_of_the_deadline_is_taken_or_too_late_never_both() -> None:
    for verb in ("approve", "reject"):
        for early in (-0.001, 0.0, 0.001):
            bench = Bench(planned([gate(timeout="130s"), shell("b", "sleep 500")]))

            def act(drive: Drive, verb: Any = verb) -> None:
                with contextlib.suppress(RunStateError):
                    say(verb)(drive)

            state = bench.start(during=[(130 + early, act)])
            [decided] = facts(bench, h.StepDecided)
            ends = {"approved": "completed", "rejected": "failed", "expired": "failed"}
            assert statuses(state)["g"] == ends[decided.decision]
            assert confirms(bench) == [decided.decision.replace("expired", "cancelled")]


# ---- questions that are taken back -------------------------------------------------------------


def test_what_a_cancelled_run_asked_is_taken_back_in_the_same_commit() -> None:
    bench = Bench(planned([gate(), shell("a", "fail", fallback_actions=ask()), shell("b", "sleep 60")]))
    state = bench.start(during=[(20, lambda d: d.cancel("ann", "enough"))])
    assert statuses(state) == {"g": "cancelled", "a": "cancelled", "b": "cancelled"}
    assert confirms(bench) == ["cancelled", "cancelled"]
    bodies = [found.body for found in bench.store.objects("confirm")]
    assert [body["decisions"][0]["reason"] for body in bodies] == ["enough", "enough"]
    # nothing but the commit of the stop can have written it
    stopped = Bench(planned([gate(), shell("b", "linger 60 5")]))
    with pytest.raises(Died):
        stopped.start(during=[(20, lambda d: d.cancel("ann", "enough")), (21, collapse)])
    assert (stopped.replayed().step_status[0], confirms(stopped)) == ("cancelled", ["cancelled"])


def test_a_question_in_a_container_whose_time_is_over_is_taken_back() -> None:
    bench = Bench(planned([parallel("p", gate(), timeout="10s"), shell("b", "sleep 60")]))
    state = bench.start()
    assert statuses(state) == {"p": "failed", "g": "cancelled", "b": "completed"}
    assert confirms(bench) == ["cancelled"]
    assert [a.state for a in bench.store.approvals(state=None)] == ["withdrawn"]


def test_a_question_about_a_failure_that_nobody_answers_in_time_is_taken_back() -> None:
    bench = Bench(planned([shell("a", "fail", fallback_actions=ask(timeout="10s")), shell("b", "sleep 60")]))
    bench.start()
    assert confirms(bench) == ["cancelled"]


def test_a_question_that_is_over_before_it_is_asked_leaves_no_object_that_is_not_stored() -> None:
    """The race is won in the turn in which the question is asked."""
    state, bench = run_steps([step("parallel", "r", race=True, steps=[given("first", {}), gate()])])
    assert statuses(state) == {"r": "completed", "first": "completed", "g": "cancelled"}
    assert facts(bench, h.StepWaiting) == []
    assert bench.unstored() == []
    assert confirms(bench) == ["cancelled"]
    [*_, last] = bench.store.objects("confirm")
    assert [v.version for v in bench.store.object_versions("confirm", last.id)] == [1, 2]


def test_a_doubt_that_is_over_before_anybody_is_asked_leaves_no_open_question() -> None:
    fails = shell("b", when="${known.result.none} == 1", fallback_actions=ask())
    race = step("parallel", "r", race=True, steps=[given("first", {}), fails], dependencies=["known"])
    state, bench = run_steps([given("known"), race])
    assert statuses(state)["b"] == "cancelled"
    assert (bench.unstored(), "pending" in confirms(bench)) == ([], False)


@pytest.mark.parametrize("batch", [1, 256])
def test_an_operation_in_a_container_that_ends_in_the_same_turn_is_stored_as_the_modules_know_it(
    batch: int,
) -> None:
    makes = step(
        "module-operation", "m", module="context", operation="create-context", parameters={"name": "A"}
    )
    first = [given("won", {}), makes]
    fails = [given("bad", {"n": "${x.result.none}"}, dependencies=["x"]), given("x"), makes | {"id": "n"}]
    steps = [step("parallel", "race", race=True, steps=first), parallel("all", *fails)]
    bench = Bench(planned(steps), batch=batch)
    bench.acts = {n: lambda drive: drive.cancel("ann") for n in (3, 5)}
    assert bench.start().status == ("cancelled" if batch == 1 else "failed")
    made = [fact for fact in facts(bench, h.StepCompleted) if fact.step in ("m", "n")]
    assert len(made) == len(list(bench.store.objects("context")))
    assert bench.unstored() == []


@pytest.mark.parametrize("batch", [1, 256])
@pytest.mark.parametrize("late", [True, False])
def test_an_answer_and_a_stop_in_one_turn_leave_one_end_of_the_object(batch: int, late: bool) -> None:
    bench = Bench(planned([gate(), shell("b", "linger 60 5")]), batch=batch)
    acts = [lambda d: d.cancel("ann"), say("approve")]

    def both(drive: Drive) -> None:
        for act in acts if late else reversed(acts):
            act(drive)

    state = bench.start(during=[(10, both)])
    assert state.status == "cancelled"
    assert statuses(state)["g"] == ("cancelled" if late else "completed")
    assert (bench.unstored(), confirms(bench)) == ([], ["approved"])


@pytest.mark.parametrize("commit", range(3, 7))
def test_wherever_a_process_dies_after_a_stop_and_a_late_answer_no_question_stays_open(commit: int) -> None:
    bench = Bench(planned([gate(), shell("b", "linger 60 5")]), batch=1)

    def both(drive: Drive) -> None:
        drive.cancel("ann")
        say("approve")(drive)

    with contextlib.suppress(Died):
        bench.start(dies=(commit, True), during=[(10, both)])
    if bench.replayed().status == "running":
        bench.resume()
    assert bench.replayed().status == "cancelled"
    assert confirms(bench) in (["approved"], ["cancelled"])


def test_an_object_that_a_step_has_settled_keeps_its_end() -> None:
    bench = Bench(planned([gate(), shell("b", "sleep 60")]))

    def settle(drive: Drive) -> None:
        parameters = {"confirmId": drive.state.approvals[0].id, "decidedByRole": "x"}
        caller: Any = type("Caller", (), {"run": RUN, "workflow": "w", "step": "b", "description": ""})
        outcome = drive.world.operations.call("confirm", "approve", parameters, caller)
        drive.world.operations.apply(outcome.writes)

    state = bench.start(during=[(10, settle), (20, lambda d: d.cancel("ann"))])
    assert state.status == "cancelled"


# ---- in items ----------------------------------------------------------------------------------


def test_each_item_asks_for_itself_and_its_answer_goes_nowhere_else() -> None:
    each = step(
        "foreach",
        "each",
        items=["a", "b"],
        steps=[
            gate("g", message="Send ${item}?", inputs=FORM),
            given("s", {"v": "${g.result.inputs.version}"}),
        ],
    )
    _, bench = asked(each)
    questions = bench.store.approvals()
    assert [(q.step, q.message) for q in questions] == [("each[0].g", "Send a?"), ("each[1].g", "Send b?")]
    assert len({q.digest for q in questions}) == 2
    answered(bench, say("approve", "each[1].g", bound=Given(questions[1].digest, {"version": "2"})))
    state = answered(bench, say("approve", "each[0].g", bound=Given(questions[0].digest, {"version": "1"})))
    assert state.status == "completed"
    assert result_of(state, "each") == [{"v": "1"}, {"v": "2"}]


def test_a_loop_may_ask_until_somebody_says_yes() -> None:
    inner = gate("g", fallback_actions=fallback("use-value", value={"decision": "rejected"}))
    loop = step("loop", "l", steps=[inner], until="g.result.decision == 'approved'", max_iterations=3)
    _, bench = asked(loop)
    answered(bench, say("reject", "l[0].g"))
    state = answered(bench, say("approve", "l[1].g"))
    assert state.status == "completed"
    assert result_of(state, "l")["iterations"] == 2
