"""Agents at work in a collab: single turns, whole sessions in each of the modes, votes."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.errors import AgentError, InvalidTransitionError, OperationError
from tests.modules.advisers import Told, consulted

BUDGET = AgentError("budget.exceeded", "no more calls")
DOWN = AgentError("agent.unavailable", "not now", retryable=True)
NAMES = ["author", "critic", "tester"]


@pytest.fixture
def collab(world: Any) -> Any:
    """Makes a collab in which everybody named has an agent of that name with an `x` before it."""

    def make(
        mode: str, agents: list[str] = NAMES, people: tuple[str, ...] = (), status: str = "draft"
    ) -> str:
        context = world("context/create-context", name="Work")["contextId"]
        roles = world("role/assign-roles", contextId=context, roles=[*agents, *people])["assignments"]
        who = [one | ({"agentId": f"x-{one['role']}"} if one["role"] in agents else {}) for one in roles]
        given = {"contextId": context, "title": "T", "mode": mode, "participants": who, "status": status}
        return str(world("collab/create-collab", **given)["collabId"])

    return make


def _script(*answers: Any) -> Any:
    left = list(answers)
    return lambda _question: left.pop(0) if len(left) > 1 else left[0]


def _turns(result: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(turn["participantId"], turn["result"]) for turn in result["turns"]]


def _check_turns(body: dict[str, Any]) -> int:
    """Each turn that was dispatched is completed once, right after it; how many there are."""
    events = [event for event in body["events"] if event["event_type"].startswith("collab.turn.")]
    for sent, done in zip(events[::2], events[1::2], strict=True):
        assert (sent["event_type"], done["event_type"]) == ("collab.turn.dispatched", "collab.turn.completed")
        for key in ("roleId", "turnNumber"):
            assert sent["data"][key] == done["data"][key]
    numbers = [event["data"]["turnNumber"] for event in events[::2]]
    assert numbers == list(range(1, len(numbers) + 1))
    return len(numbers)


# ---- one turn --------------------------------------------------------------------------------------


def test_an_agent_takes_the_turn_that_is_dispatched_to_it(world: Any, collab: Any) -> None:
    given = {"collabId": collab("round_robin", status="active"), "task": "write"}
    first = consulted(world, "collab/dispatch-turn", Told(_script({"text": "a"})), **given)
    assert (first["status"], first["result"], first["turnNumber"]) == ("completed", {"text": "a"}, 1)
    advisers = Told(_script("b"))
    assert consulted(world, "collab/dispatch-turn", advisers, **given)["participantIds"] == ["critic"]
    [question] = advisers.asked
    assert (question.agent, question.input["task"], question.input["turnNumber"]) == ("x-critic", "write", 2)
    assert question.input["history"] == [
        {"turnNumber": 1, "participantId": "author", "result": {"text": "a"}}
    ]
    assert _check_turns(world("collab/get-collab", collabId=given["collabId"])["collab"]) == 2


def test_a_turn_whose_agent_fails_is_not_begun_or_completed_with_the_failure(
    world: Any, collab: Any, protocol_problems: Any
) -> None:
    given = {"collabId": collab("round_robin", status="active"), "task": "write"}
    with pytest.raises(AgentError):
        consulted(world, "collab/dispatch-turn", Told(_script(DOWN)), **given)
    body = world("collab/get-collab", collabId=given["collabId"])["collab"]
    assert _check_turns(body) == 0
    result = consulted(world, "collab/dispatch-turn", Told(_script(DOWN)), **given, onFailure="record")
    failure = {"error": {"code": "agent.unavailable", "message": "not now"}}
    assert (result["status"], result["result"]) == ("completed", failure)
    body = world("collab/get-collab", collabId=given["collabId"])["collab"]
    assert _check_turns(body) == 1
    assert body["events"][-1]["data"]["result"] == failure
    assert protocol_problems("collab", body) == []


def test_a_person_completes_a_turn_afterwards(world: Any, collab: Any) -> None:
    given = {"collabId": collab("round_robin", ["critic"], ("author",), "active"), "task": "write"}
    consulted(world, "collab/dispatch-turn", Told(_script("fine")), **given)
    advisers = Told(_script(AssertionError("asked")))
    turn = consulted(world, "collab/dispatch-turn", advisers, **given)
    assert (turn["status"], turn["participantIds"], advisers.asked) == ("dispatched", ["author"], [])
    world("collab/complete-turn", collabId=given["collabId"], result="mine")
    assert _check_turns(world("collab/get-collab", collabId=given["collabId"])["collab"]) == 2


def test_who_joins_brings_its_agent_along(world: Any, collab: Any) -> None:
    identifier = collab("round_robin", ["author"], ("critic",), "active")
    world("collab/leave-collab", collabId=identifier, participantId="critic")
    world(
        "collab/join-collab",
        collabId=identifier,
        participant={"role": "critic", "participantId": "cy", "agentId": "x-cy"},
    )
    advisers = Told(_script("x"))
    consulted(world, "collab/run-collab", advisers, collabId=identifier, maxTurns=2)
    assert [question.agent for question in advisers.asked] == ["x-author", "x-cy"]


# ---- sessions --------------------------------------------------------------------------------------


def _run(world: Any, advisers: Any, identifier: str, **given: Any) -> dict[str, Any]:
    result: dict[str, Any] = consulted(world, "collab/run-collab", advisers, collabId=identifier, **given)
    assert _check_turns(result["collab"]) == len(result["turns"])
    return result


def test_in_rounds_one_works_after_the_other(world: Any, collab: Any, protocol_problems: Any) -> None:
    advisers = Told(_script(1, 2, 3, 4))
    result = _run(world, advisers, collab("round_robin", people=("olga",)), task="do", maxTurns=4)
    assert _turns(result) == [*zip(NAMES, (1, 2, 3), strict=True), *((name, 4) for name in NAMES)]
    assert (result["stopReason"], result["result"]) == ("max_turns", 4)
    assert [len(question.input["history"]) for question in advisers.asked] == [0, 1, 2, 3, 4, 5]
    assert protocol_problems("collab", result["collab"]) == []
    assert result["collab"]["status"] == "active"
    done = _run(world, Told(_script(1, {"done": True})), collab("round_robin"))
    assert (len(done["turns"]), done["stopReason"], done["turns"][0]["task"]) == (2, "done", "Ship it")


def test_a_broadcast_asks_all_at_once(world: Any, collab: Any) -> None:
    advisers = Told(_script(1, 2, 3, 4))
    result = _run(world, advisers, collab("broadcast"), maxTurns=6, contextWindow=2)
    assert [len(question.input["history"]) for question in advisers.asked] == [0, 0, 0, 2, 2, 2]
    assert _turns(result)[:3] == list(zip(NAMES, (1, 2, 3), strict=True))
    one_fails = _run(world, Told(_script(1, DOWN, 3)), collab("broadcast"), maxTurns=1, onFailure="record")
    assert [turn["error"] is None for turn in one_fails["turns"]] == [True, False, True]
    assert one_fails["stopReason"] == "max_turns"
    with pytest.raises(AgentError):
        _run(world, Told(_script(1, DOWN, 3)), collab("broadcast"), maxTurns=1)


def test_an_orchestrator_says_who_is_next(world: Any, collab: Any) -> None:
    team = ["orchestrator", "author", "critic"]
    script = [
        {"next": "author", "task": "write"}, "text", {"next": "critic"}, "fine", {"done": True, "result": "all"},
    ]  # fmt: skip
    advisers = Told(_script(*script))
    result = _run(world, advisers, collab("orchestrated", team), task="do")
    assert [(turn["participantId"], turn["task"]) for turn in result["turns"]] == [
        ("author", "write"),
        ("critic", "do"),
    ]
    assert (result["stopReason"], result["result"]) == ("done", "all")
    assert advisers.asked[2].input["history"][0]["result"] == "text"
    with pytest.raises(AgentError, match="names nobody of author, critic") as caught:
        _run(world, Told(_script({"next": "orchestrator"})), collab("orchestrated", team))
    assert caught.value.details["asked"] == "orchestrator-1"
    with pytest.raises(OperationError, match="nobody with an agent has the role `orchestrator`"):
        _run(world, Told(_script(AssertionError("asked"))), collab("orchestrated"))
    led = _run(world, Told(_script({"done": True})), collab("orchestrated"), orchestrator="critic")
    assert led["turns"] == []


def test_in_a_swarm_who_is_free_and_able_takes_the_next_task(world: Any, collab: Any) -> None:
    tasks = ["a", {"task": "b", "capability": "test.run"}, "c", "d", {"task": "e", "capability": "test.*"}]
    offered = {"x-author": ["text"], "x-critic": ["text"], "x-tester": ["test.run"]}
    advisers = Told(lambda question: question.input["task"].upper(), **offered)
    result = _run(world, advisers, collab("swarm"), tasks=tasks)
    assert [turn["task"] for turn in result["turns"]] == ["a", "b", "c", "d", "e"]
    assert [turn["result"] for turn in result["turns"]] == ["A", "B", "C", "D", "E"]
    takers = {turn["task"]: turn["participantId"] for turn in result["turns"]}
    assert (takers["b"], takers["e"]) == ("tester", "tester")
    assert len(set(takers.values())) == 3
    assert (result["stopReason"], len(advisers.asked)) == ("done", 5)
    with pytest.raises(OperationError, match=r"offers `fly`"):
        _run(world, advisers, collab("swarm"), tasks=[{"task": "x", "capability": "fly"}])


def test_a_swarm_that_begins_again_leaves_tasks_with_those_who_did_them(world: Any, collab: Any) -> None:
    identifier = collab("swarm")
    down: list[Any] = [DOWN]

    def say(question: Any) -> Any:
        return down.pop() if question.input["task"] == "b" and down else question.input["you"]

    advisers = Told(say)
    with pytest.raises(AgentError):
        _run(world, advisers, identifier, tasks=["a", "b", "c"])
    assert set(advisers.kept) == {"task-1-author", "task-3-tester"}
    result = _run(world, advisers, identifier, tasks=["a", "b", "c"])
    assert [name for name, _ in _turns(result)][::2] == ["author", "tester"]
    assert len(advisers.asked) == 4


def test_a_pair_works_until_the_critic_approves(world: Any, collab: Any) -> None:
    pair = ["author", "critic"]
    script = ["draft", {"approved": False, "comments": "too long"}, "short", {"approved": True}]
    advisers = Told(_script(*script))
    result = _run(world, advisers, collab("pair", pair))
    assert (result["stopReason"], result["result"], len(result["turns"])) == ("approved", "short", 4)
    assert (advisers.asked[1].schema or {})["required"] == ["approved"]
    assert advisers.asked[2].input["history"][1]["result"]["comments"] == "too long"
    never = _run(world, Told(_script({"approved": False})), collab("pair", pair), maxTurns=3)
    assert (never["stopReason"], len(never["turns"])) == ("max_turns", 3)
    with pytest.raises(OperationError, match="a pair is two participants with agents, not 3"):
        _run(world, Told(_script(AssertionError("asked"))), collab("pair"))


@pytest.mark.parametrize("mode", ["round_robin", "broadcast", "swarm"])
def test_a_budget_that_is_used_up_ends_the_work_with_what_was_done(
    world: Any, collab: Any, mode: str
) -> None:
    result = _run(world, Told(_script(1, BUDGET)), collab(mode), tasks=["a", "b", "c"])
    assert (_turns(result), result["stopReason"], result["reason"]) == (
        [("author", 1)],
        "budget",
        "no more calls",
    )
    with pytest.raises(AgentError):
        _run(world, Told(_script(BUDGET)), collab(mode), tasks=["a", "b", "c"])


def test_a_failure_that_is_recorded_completes_its_turn(world: Any, collab: Any) -> None:
    result = _run(world, Told(_script(1, DOWN)), collab("round_robin"), onFailure="record")
    assert [turn["error"] is None for turn in result["turns"]] == [True, False]
    assert (result["stopReason"], result["reason"]) == ("error", "not now")


def test_work_is_not_begun_where_its_turns_could_not_be_noted(world: Any, collab: Any) -> None:
    asked = Told(_script(AssertionError("asked")))
    locked = collab("broadcast")
    world("collab/set-governance", objectId=locked, locked=True)
    busy = collab("round_robin", status="active")
    world("collab/dispatch-turn", collabId=busy)
    over = collab("round_robin", status="completed")
    mute = collab("round_robin", [], ("author",))
    for identifier, error in (
        (locked, OperationError), (busy, InvalidTransitionError), (over, InvalidTransitionError),
        (mute, OperationError),
    ):  # fmt: skip
        with pytest.raises(error):
            _run(world, asked, identifier)
    with pytest.raises(OperationError, match="agents cannot be asked here"):
        world("collab/run-collab", collabId=busy)
    assert asked.asked == []


# ---- votes -----------------------------------------------------------------------------------------


def test_agents_vote_and_the_votes_are_counted_here(world: Any, collab: Any) -> None:
    identifier = collab("broadcast", people=("olga",), status="active")
    ballots = {
        "author": {"choice": "yes", "weight": 0.5, "reason": "short"},
        "critic": {"choice": "no"},
        "tester": DOWN,
    }
    given = {"collabId": identifier, "question": "Ship?", "options": ["yes", "no"]}
    advisers = Told(lambda question: ballots[question.input["you"]])
    asked = consulted(world, "collab/propose-decision", advisers, **given, agents=True)
    assert (asked["votes"], asked["abstained"]) == (2, ["tester"])
    assert (advisers.asked[0].schema or {})["properties"]["choice"]["enum"] == ["yes", "no"]
    decided = world("collab/finalize-decision", collabId=identifier, decisionId=asked["decisionId"])
    assert (decided["choice"], decided["tally"], decided["votes"]) == ("no", {"yes": 0.5, "no": 1.0}, 2)
    events = world("collab/get-collab", collabId=identifier)["collab"]["events"]
    cast = [
        e["data"] for e in events if e["event_type"] in ("collab.decision.voted", "collab.decision.abstained")
    ]
    assert cast[0]["reason"] == "short"
    assert cast[2]["reason"] == "agent.unavailable: not now"
    with pytest.raises(AgentError):
        consulted(world, "collab/propose-decision", Told(_script(DOWN)), **given, voters=["author", "critic"])
    with pytest.raises(OperationError, match="`olga` has no agent"):
        consulted(world, "collab/propose-decision", Told(_script(DOWN)), **given, voters=["olga"])
    with pytest.raises(OperationError, match="agents cannot be asked here"):
        world("collab/propose-decision", **given, agents=True)
    assert (
        consulted(world, "collab/propose-decision", Told(_script(DOWN)), **given, agents=False)["votes"] == 0
    )
