"""Why a step is what it is, from facts alone."""

from __future__ import annotations

import msgspec

from mplp_cli.errors import Failure
from mplp_cli.loading import load_workflow
from mplp_cli.observe.explanation import Explanation, explain
from mplp_cli.observe.reasons import came_to_start, why_so
from mplp_cli.render.explained import explained_document, explained_screen
from mplp_cli.render.theme import PLAIN
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.plan import Plan
from mplp_cli.workflow.published import Published

BAD = Failure(type="ShellExitError", message="exit code 3")


def plan_of(steps: str) -> Plan:
    text = f"workflow:\n  id: w\n  name: W\n  version: 1.0.0\n  inputs: {{n: {{type: integer}}}}\n  steps: {steps}\n"
    loaded = load_workflow(text.encode(), "w.yaml")
    assert loaded.plan is not None, loaded.problems
    return loaded.plan


def started(n: int = 1) -> h.RunStarted:
    return h.RunStarted(1_000, "r1", "w", {"n": n}, {}, "/", 4)


def told(plan: Plan, step: str, *facts: h.Event, n: int = 1) -> Explanation:
    return explain(plan, [started(n), *facts], step)


def screen(one: Explanation, status: str = "running", width: int = 80) -> str:
    return explained_screen(one, status, 9_000, PLAIN, width).plain


FLAKY = (
    '[{id: a, type: shell, run: "false", retry-policy: {max-retries: 3, initial-delay: 10s, max-delay: 15s}}]'
)


def test_each_attempt_is_told_with_the_reason_of_its_delay() -> None:
    one = told(
        plan_of(FLAKY),
        "a",
        h.StepStarted(1_005, "a", 1),
        h.StepRetrying(2_000, "a", 1, BAD, 10_000, 12_000),
        h.StepRetryDue(12_000, "a"),
        h.StepStarted(12_040, "a", 2),
        h.StepRetrying(13_000, "a", 2, BAD, 15_000, 28_000),
    )
    first, second = one.tries
    assert (first.queued, first.ended_at, first.outcome, first.error) == (5, 2_000, "failed", BAD)
    assert (first.delay, first.delay_why) == (10_000, "exponential: 10.0s * 2^0")
    assert second.queued == 40
    assert second.delay_why == "exponential: 10.0s * 2^1, at most 15.0s"
    assert why_so(one).startswith("Attempt 2 of 4 failed: exit code 3")


def test_a_delay_that_a_server_asked_for_is_told_as_such() -> None:
    asked = Failure(type="HttpStatusError", message="503", details={"retryAfter": 7_000})
    one = told(
        plan_of(FLAKY),
        "a",
        h.StepStarted(1_000, "a", 1),
        h.StepRetrying(2_000, "a", 1, asked, 7_000, 9_000),
    )
    assert one.tries[0].delay_why == "the server asked for 7.0s"


def test_an_attempt_that_was_lost_with_its_process_does_not_count() -> None:
    one = told(
        plan_of(FLAKY),
        "a",
        h.StepStarted(1_000, "a", 1),
        h.RunResumed(5_000, "somebody"),
        h.StepStarted(5_010, "a", 2),
        h.StepRetrying(6_000, "a", 2, BAD, 10_000, 16_000),
    )
    assert [t.outcome for t in one.tries] == ["lost", "failed"]
    assert one.tries[1].queued == 10
    assert one.tries[1].delay_why == "exponential: 10.0s * 2^0"
    assert "does not count" in screen(one)


def test_a_step_that_was_claimed_when_the_process_was_lost_may_have_begun() -> None:
    one = told(
        plan_of(FLAKY),
        "a",
        h.StepsClaimed(1_000, ["a"]),
        h.RunResumed(5_000, "somebody"),
        h.StepStarted(5_001, "a", 1),
        h.RunResumed(7_000, "somebody"),
    )
    assert [(t.attempt, t.outcome) for t in one.tries] == [(1, "unknown"), (1, "lost")]
    assert "may have begun" in " ".join(screen(one).split())


def test_a_waiting_step_is_not_lost_with_the_process() -> None:
    plan = plan_of("[{id: a, type: wait, for: 10s}]")
    one = told(plan, "a", h.StepWaiting(1_000, "a", 1, until=11_000), h.RunResumed(5_000, "somebody"))
    assert [t.outcome for t in one.tries] == ["running"]
    assert one.status == "waiting"
    assert "10.0s in all" in why_so(one)


def test_a_failure_says_why_nothing_more_was_tried() -> None:
    def why(step: str, failure: Failure, attempts: int = 1) -> str:
        plan = plan_of(f"[{{id: a, type: shell, run: x, {step}}}]")
        facts: list[h.Event] = [
            h.StepStarted(1_000, "a", attempts),
            h.StepFailed(2_000, "a", attempts, failure),
        ]
        return why_so(told(plan, "a", *facts))

    assert why("retry-policy: {max-retries: 0}", BAD).endswith("exit code 3. It has no retries.")
    assert why("retry-policy: {max-retries: 1}", BAD, 2).endswith("All 2 attempts are used up.")
    final = msgspec.structs.replace(BAD, retryable=False)
    assert why("retry-policy: {max-retries: 1}", final).endswith("Such an error is never tried again.")
    only = why("retry-policy: {max-retries: 1, retry-on: [timeout]}", BAD)
    assert only.endswith("Its `retry-on` (`timeout`) does not fit.")
    other = why("fallback-actions: [{condition: timeout, action: skip}]", BAD)
    assert other.endswith("It has no retries. No fallback action fits.")


WHEN = "[{id: a, type: set, values: {x: [1]}}, {id: b, type: shell, when: '${a.result.x[0]} > inputs.n', run: x}]"


def test_a_skipped_step_shows_its_condition_with_the_values_of_that_moment() -> None:
    one = told(
        plan_of(WHEN),
        "b",
        h.StepCompleted(1_100, "a", 1, {"x": [1]}),
        h.StepSkipped(1_100, "b", "its condition was false"),
        n=5,
    )
    [condition] = one.conditions
    assert (condition.key, condition.holds) == ("when", False)
    assert [(o.name, o.value) for o in condition.operands] == [("a.result.x[0]", 1), ("inputs.n", 5)]
    assert "Its `when` was false" in screen(one)


def test_a_condition_that_could_not_be_judged_says_what_was_missing() -> None:
    one = told(
        plan_of(WHEN),
        "b",
        h.StepCompleted(1_100, "a", 1, {"y": 0}),
        h.StepFailed(
            1_100, "b", 0, Failure(type="UnresolvedReferenceError", message="no x", retryable=False)
        ),
    )
    [condition] = one.conditions
    assert condition.holds is None
    assert condition.operands[0].missing
    assert "could not be judged" in screen(one)
    assert "It failed before its first attempt." in why_so(one)


def test_a_step_of_a_conditional_knows_the_branch_and_its_container_the_operands() -> None:
    plan = plan_of(
        "[{id: a, type: set, values: {}}, {id: c, type: conditional, condition: {type: step-result, step-id: a,"
        " path: x, operator: exists}, then: {id: t, type: shell, run: x}}]"
    )
    facts: list[h.Event] = [
        h.StepCompleted(1_100, "a", 1, {"x": 2}),
        h.StepStarted(1_100, "c", 1, "then"),
    ]
    outer, inner = told(plan, "c", *facts), told(plan, "t", *facts)
    assert outer.conditions[0].holds is True
    assert outer.conditions[0].expression == "a.result.x exists"
    assert came_to_start(inner) == ["`c` took its branch `then`."]
    assert explained_document(inner, "running", 0)["in"] == "c"


def test_dependencies_are_told_as_they_stood_when_the_step_became_ready() -> None:
    plan = plan_of(
        "[{id: a, type: shell, run: x}, {id: b, type: shell, run: x},"
        " {id: c, type: shell, run: x, dependencies: [a, b], join: any-completed}]"
    )
    one = told(
        plan,
        "c",
        h.StepStarted(1_000, "a", 1),
        h.StepStarted(1_000, "b", 1),
        h.StepCompleted(2_000, "a", 1, None),
        h.StepStarted(2_001, "c", 1),
        h.StepFailed(3_000, "b", 1, BAD),
    )
    assert [(n.step, n.when_ready, n.status) for n in one.needs] == [
        ("a", "completed", "completed"),
        ("b", "running", "failed"),
    ]
    assert "was running when this step became ready" in screen(one, width=100)


def test_who_approved_is_told() -> None:
    plan = plan_of(
        "[{id: a, type: shell, run: x, fallback-actions: [{condition: any, action: escalate-to-human}]}]"
    )
    asked = h.Approval("c1", "Really?", ["ann"])
    facts: list[h.Event] = [
        h.StepStarted(1_000, "a", 1),
        h.StepWaiting(2_000, "a", 1, approval=asked, error=BAD),
    ]
    waiting = told(plan, "a", *facts)
    assert why_so(waiting) == "It waits for a person (ann): Really?"
    assert "not answered yet" in screen(waiting)
    done = told(
        plan,
        "a",
        *facts,
        h.StepDecided(4_000, "a", "approved", "ann", "fine"),
        h.StepStarted(4_000, "a", 2),
        h.StepCompleted(5_000, "a", 2, None),
    )
    [question] = done.questions
    assert (question.decision, question.by, question.reason) == ("approved", "ann", "fine")
    assert "approved by ann: fine" in screen(done)
    assert [t.outcome for t in done.tries] == ["asked", "completed"]


GATE = "[{id: a, type: approval, message: 'Go on?', approvers: [ann], timeout: 1h, retry-policy: {max-retries: 1}}]"


def test_what_an_approval_step_asked_and_what_became_of_it_is_told() -> None:
    plan = plan_of(GATE)
    ask = h.StepWaiting(2_000, "a", 1, 3_602_000, h.Approval("c1", "Go on?", ["ann"], 3_602_000, own=True))
    waiting = told(plan, "a", ask)
    assert why_so(waiting) == "It waits for a person (ann): Go on?"
    assert [t.outcome for t in waiting.tries] == ["running"]
    yes = h.StepDecided(9_000, "a", "approved", "ann", "fine", {"n": 1}, given_at=4_000)
    done = told(plan, "a", ask, yes, h.StepCompleted(9_000, "a", 1, {"decision": "approved"}))
    assert why_so(done) == "It was approved by ann, with n."
    assert (done.questions[0].decision, done.questions[0].decided_at) == ("approved", 4_000)
    assert [t.outcome for t in done.tries] == ["completed"]
    no = h.StepDecided(9_000, "a", "rejected", "ann", "no")
    error = Failure(type="RejectedError", message="rejected by ann: no", retryable=False)
    failed = told(plan, "a", ask, no, h.StepFailed(9_000, "a", 1, error))
    assert why_so(failed) == "RejectedError: rejected by ann: no."
    assert [t.outcome for t in failed.tries] == ["failed"]


def test_a_question_that_nobody_answered_and_the_one_after_it_are_told_apart() -> None:
    ask = h.StepWaiting(2_000, "a", 1, 3_000, h.Approval("c1", "Go on?", ["ann"], 3_000, own=True))
    late = h.StepDecided(3_000, "a", "expired", reason="nobody answered within 1.0s")
    error = Failure(type="StepTimeoutError", message="nobody answered within 1.0s")
    again = h.StepRetrying(3_000, "a", 1, error, 500, 3_500), h.StepRetryDue(3_500, "a")
    second = h.StepWaiting(3_500, "a", 2, 4_500, h.Approval("c2", "Go on?", ["ann"], 4_500, own=True))
    shown = screen(told(plan_of(GATE), "a", ask, late, *again, second))
    assert "+2.0s nobody answered within 1.0s" in shown
    assert shown.count("not answered yet") == 1


def test_what_a_step_waits_for_and_what_ended_its_wait_is_told() -> None:
    plan = plan_of("[{id: a, type: wait, timeout: 5s, event: {type: x.*, where: 'event.data > 1'}}]")
    waits = h.StepWaiting(2_000, "a", 1, 7_000, event=h.Awaited("x.*", 0))
    assert why_so(told(plan, "a", waits)) == (
        "It waits for an event x.* that fits `event.data > 1` for 5.0s at most."
    )
    event = {"id": "e1", "type": "x.y", "source": "ci", "time": "", "data": 2}
    done = told(plan, "a", waits, h.StepCompleted(3_000, "a", 1, {"by": "event", "event": event}))
    assert why_so(done) == "The event e1 (x.y, from ci) ended its wait."


def test_what_a_step_published_is_told() -> None:
    plan = plan_of("[{id: a, type: emit, event: {type: x}}]")
    event = Published(id="e1", type="x", source="mplp", at=2_000)
    done = told(
        plan, "a", h.StepEmitted(2_000, "a", 1, event), h.StepCompleted(2_000, "a", 1, {"eventId": "e1"})
    )
    assert why_so(done) == "It published the event e1."
    assert [(t.started_at, t.outcome) for t in done.tries] == [(2_000, "completed")]


def test_every_status_has_a_reason_and_the_screen_fits() -> None:
    plan = plan_of(WHEN)
    one = told(plan, "b")
    assert one.status == "pending"
    assert came_to_start(one) == ["It waits for the end of `a`."]
    stopped = told(plan, "b", h.RunStopping(1_050, "cancel", "ann", "cancelled by ann: enough"))
    assert why_so(stopped) == "It was cancelled: cancelled by ann: enough."
    for width in (40, 80):
        assert max(map(len, screen(one, width=width).splitlines())) <= width


def test_text_of_a_step_is_data() -> None:
    bad = Failure(type="ShellExitError", message="\x1b[31m[/red]")
    one = told(
        plan_of("[{id: a, type: shell, run: x}]"),
        "a",
        h.StepStarted(1_000, "a", 1),
        h.StepFailed(2_000, "a", 1, bad),
    )
    assert "\x1b" not in screen(one)
    assert "\\x1b[31m[/red]" in screen(one)
