"""Module operations that ask agents: what they say is kept, and the operation works with it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mplp_cli.errors import AgentError
from mplp_cli.loading.agents import load_agents
from mplp_cli.protocols import Answered, Attempt
from mplp_cli.staffing import _lost
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.answers import Given
from tests.bench_of_runs import Bench, Died, error_of, facts, planned, result_of

TWO = {"steps": [{"description": "Look"}, {"description": "Leap", "dependsOn": [0]}]}


class Planner:
    """An agent that takes a second, and answers one thing after another; an error is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[Attempt] = []

    async def __call__(self, attempt: Attempt) -> Answered:
        self.asked.append(attempt)
        await asyncio.sleep(1)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return Answered(answer, "", "planner")


def steps(**plan: Any) -> list[dict[str, Any]]:
    return [
        {
            "id": "context", "type": "module-operation", "module": "context", "operation": "create-context",
            "parameters": {"name": "Ship"},
        },
        {
            "id": "plan", "type": "module-operation", "module": "plan", "operation": "create-plan",
            "parameters": {"contextId": "${context.result.contextId}", "objective": "Ship it", "agent": "planner"},
            **plan,
        },
    ]  # fmt: skip


def bench_with(planner: Planner, **plan: Any) -> Bench:
    return Bench(planned(steps(**plan)), advise=planner)


def test_an_operation_works_with_what_an_agent_has_said() -> None:
    planner = Planner(TWO)
    bench = bench_with(planner)
    state = bench.start()
    assert state.status == "completed", state.error
    [plan] = [item.body for item in bench.store.objects("plan")]
    first, second = plan["steps"]
    assert [first["description"], second["description"]] == ["Look", "Leap"]
    assert second["dependencies"] == [first["step_id"]]
    [asked] = planner.asked
    assert asked.body["input"]["objective"] == "Ship it"
    assert asked.body["agent"] == "planner"
    assert result_of(state, "plan")["planId"] == plan["plan_id"]


def test_without_the_parameter_nobody_is_asked() -> None:
    made = steps(parameters={"contextId": "${context.result.contextId}", "assignedRoles": ["dev"]})
    planner = Planner(TWO)
    bench = Bench(planned(made), advise=planner)
    assert bench.start().status == "completed"
    assert planner.asked == []
    assert not bench.plan.steps[1].effect


@pytest.mark.parametrize("after", [False, True])
def test_an_answer_that_is_stored_is_never_asked_for_again(*, after: bool) -> None:
    whole = bench_with(Planner(TWO))
    whole.start()
    for commit in range(1, len(whole.commits) + 1):
        planner = Planner(TWO)
        bench = bench_with(planner)
        state = bench.whole_in_spite_of((commit, after))
        assert state.status == "completed", state.error
        assert len(list(bench.store.objects("plan"))) == 1
        lost = 0 if any(isinstance(fact, h.RunResumed) for fact in bench.history()) else 1
        assert len(planner.asked) <= 2 - lost
        assert len(facts(bench, h.StepAdvised)) == 1
        assert state.spending.lost.get("plan", 0) == state.uncounted.get(1, 0)


def test_what_was_answered_stands_when_another_agent_fails() -> None:
    planner = Planner(AgentError("agent.unavailable", "not now", retryable=True), TWO)
    bench = bench_with(planner, **{"retry-policy": {"max-retries": 1}})
    assert bench.start().status == "completed"
    assert len({attempt.idempotency_key for attempt in planner.asked}) == 1


def test_an_answer_that_the_operation_refuses_is_asked_for_anew() -> None:
    circle = {"steps": [{"description": "A", "dependsOn": [1]}, {"description": "B", "dependsOn": [0]}]}
    planner = Planner(circle, TWO)
    bench = bench_with(planner, **{"retry-policy": {"max-retries": 1}})
    state = bench.start()
    assert state.status == "completed", state.error
    assert len(planner.asked) == 2
    assert state.advice == {}


def test_what_an_agent_asks_a_person_answers_and_it_goes_on_with_that() -> None:
    when = AgentError("agent.input_required", "when?", agent="planner", details={"question": "when?"})
    planner = Planner(when, TWO)
    bench = bench_with(planner)
    assert bench.start().status == "waiting"
    given = Given(inputs={"answer": "in May"})
    state = bench.resume(before=lambda drive: drive.decide("plan", "approve", "ann", "", given))
    assert state.status == "completed", state.error
    first, second = planner.asked
    assert first.reply is None
    assert second.reply is not None
    assert (second.reply.asked["question"], second.reply.given) == ("when?", {"answer": "in May"})


def test_an_answer_of_a_person_is_for_the_question_that_they_were_asked() -> None:
    asked: list[tuple[str, bool]] = []

    async def advise(attempt: Attempt) -> Answered:
        agent = str(attempt.body["agent"])
        asked.append((agent, attempt.reply is not None))
        if agent == "bob" and attempt.reply is None:
            raise AgentError("agent.input_required", "which?", agent="bob", details={"question": "which?"})
        if agent == "cid" and attempt.number == 1:
            raise AgentError("agent.unavailable", "not now", agent="cid")
        return Answered({"decision": "approve", "reason": "sound", "confidence": 1}, "", agent)

    approval = {
        "id": "ask", "type": "module-operation", "module": "confirm", "operation": "request-approval",
        "parameters": {"advisers": [{"agent": name} for name in ("ann", "bob", "cid")]},
    }  # fmt: skip
    bench = Bench(planned([approval]), advise=advise)
    assert bench.start().status == "waiting"
    given = Given(inputs={"answer": "this"})
    state = bench.resume(before=lambda drive: drive.decide("ask", "approve", "ann", "", given))
    assert state.status == "completed", state.error
    assert asked == [("ann", False), ("bob", False), ("cid", False), ("bob", True), ("cid", False)]


def test_of_a_call_that_is_lost_it_is_known_whom_it_asked() -> None:
    bench = bench_with(Planner(TWO))
    with pytest.raises(Died):
        bench.start(dies=(2, False))
    known = load_agents(b"agents: [{id: planner, kind: mock, capabilities: [x], default: 1}]", "agents.yaml")[
        0
    ]
    assert known is not None
    lost = [agent.id for agent in _lost(bench.replayed(), {one.id: one for one in known.agents})]
    assert lost == ["planner"]


def test_an_operation_that_asks_has_the_time_of_an_agent() -> None:
    assert [step.timeout for step in planned(steps()).steps] == [30_000, 600_000]


def test_where_there_are_no_agents_the_step_says_so() -> None:
    state = Bench(planned(steps())).start()
    assert state.status == "failed"
    assert error_of(state, "plan").details["code"] == "agent.not_found"


def test_a_run_that_is_cancelled_meanwhile_writes_nothing() -> None:
    bench = bench_with(Planner(TWO))
    state = bench.start(during=[(0.5, lambda drive: drive.cancel("ann"))])
    assert state.status == "cancelled"
    assert list(bench.store.objects("plan")) == []


def test_a_step_that_asks_keeps_to_its_timeout() -> None:
    state = bench_with(Planner(TWO), timeout="500ms").start()
    assert error_of(state, "plan").type == "StepTimeoutError"


def test_what_was_said_before_the_time_was_over_is_not_asked_for_again() -> None:
    asked: list[str] = []

    async def advise(attempt: Attempt) -> Answered:
        agent = str(attempt.body["agent"])
        asked.append(agent)
        await asyncio.sleep(10 if agent == "bob" and attempt.number == 1 else 1)
        return Answered({"decision": "approve", "reason": "sound", "confidence": 1}, "", agent)

    approval = {
        "id": "ask", "type": "module-operation", "module": "confirm", "operation": "request-approval",
        "parameters": {"advisers": [{"agent": "ann"}, {"agent": "bob"}]},
        "timeout": "5s", "retry-policy": {"max-retries": 1},
    }  # fmt: skip
    assert Bench(planned([approval]), advise=advise).start().status == "completed"
    assert asked == ["ann", "bob", "bob"]


def talk(**more: Any) -> list[dict[str, Any]]:
    people = [{"role": role, "agentId": role} for role in ("author", "critic")]
    parameters = {"contextId": "${context.result.contextId}", "participants": people, "maxTurns": 4} | more
    context, step = steps(module="dialog", operation="facilitate-communication", parameters=parameters)
    return [context, step | {"retry-policy": {"max-retries": 1}}]


@pytest.mark.parametrize("after", [False, True])
def test_a_talk_goes_on_where_it_was_broken_off(*, after: bool) -> None:
    whole = Bench(planned(talk()), advise=Planner("a", "b", "c", "d"))
    whole.start()
    for commit in range(1, len(whole.commits) + 1):
        planner = Planner("a", "b", "c", "d")
        bench = Bench(planned(talk()), advise=planner)
        state = bench.whole_in_spite_of((commit, after))
        assert state.status == "completed", state.error
        kept = [fact.key for fact in facts(bench, h.StepAdvised)]
        assert kept == ["turn-1", "turn-2", "turn-3", "turn-4"]
        # What was lost is an answer that was not stored yet, and the question that came of it.
        assert len(planner.asked) <= 6
        [dialog] = [item.body for item in bench.store.objects("dialog")]
        assert len(dialog["messages"]) == 5


def test_a_talk_is_not_begun_anew_for_a_turn_that_failed_or_came_too_late() -> None:
    planner = Planner("a", "b", AgentError("agent.unavailable", "not now", retryable=True), "c", "d")
    bench = Bench(planned(talk()), advise=planner)
    assert bench.start().status == "completed"
    assert len(planner.asked) == 5
    slow = Planner("a", "b", "c", "d")
    made = talk()
    made[1]["timeout"] = "2500ms"
    bench = Bench(planned(made), advise=slow)
    assert bench.start().status == "completed"
    assert len(slow.asked) == 5


def test_what_is_said_in_a_talk_has_the_time_when_it_was_said() -> None:
    bench = Bench(planned(talk()), advise=Planner("a", "b", "c", "d"))
    bench.start()
    [dialog] = [item.body for item in bench.store.objects("dialog")]
    times = [message["timestamp"] for message in dialog["messages"]]
    assert sorted(set(times)) == times
    assert dialog["started_at"] == times[0]
