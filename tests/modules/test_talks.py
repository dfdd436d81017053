"""Agents that talk to each other in a dialog."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.errors import AgentError, DuplicateObjectError, OperationError
from tests.modules.advisers import Told, consulted

BUDGET = AgentError("budget.exceeded", "no more calls")
DOWN = AgentError("agent.unavailable", "not now", retryable=True)


@pytest.fixture
def talk(world: Any) -> Any:
    context = world("context/create-context", name="Talk")["contextId"]
    people = [
        {"role": "author", "participantId": "ann", "agentId": "writer"},
        {"role": "owner", "participantId": "olga"},
        {"role": "critic", "participantId": "ben", "agentId": "critic"},
    ]

    def go(*answers: Any, **given: Any) -> tuple[dict[str, Any], Any]:
        left = list(answers)
        advisers = Told(lambda _question: left.pop(0) if len(left) > 1 else left[0])
        given = {"contextId": context, "participants": people, "topic": "T"} | given
        return consulted(world, "dialog/facilitate-communication", advisers, **given), advisers

    return go


def _said(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Who has said what, without the welcome."""
    return [(one["event"]["data"]["senderId"], one["content"]) for one in result["dialog"]["messages"][1:]]


def test_those_with_an_agent_speak_in_turn_for_whole_rounds(talk: Any, protocol_problems: Any) -> None:
    result, advisers = talk("one", {"text": "two"}, "three", "four", maxTurns=3)
    assert _said(result) == [("ann", "one"), ("ben", "two"), ("ann", "three"), ("ben", "four")]
    assert (result["turns"], result["stopReason"], result["status"]) == (4, "max_turns", "active")
    assert [(q.key, q.agent) for q in advisers.asked[:2]] == [("turn-1", "writer"), ("turn-2", "critic")]
    heard = advisers.asked[2].input
    assert heard["messages"] == [{"speaker": "ann", "text": "one"}, {"speaker": "ben", "text": "two"}]
    assert (heard["you"], heard["participants"]) == ("ann", ["ann", "olga", "ben"])
    assert protocol_problems("dialog", result["dialog"]) == []
    assert result["dialog"]["events"][-1]["event_type"] == "dialog.talk.ended"
    assert {one["role"] for one in result["dialog"]["messages"][1:]} == {"agent"}


@pytest.mark.parametrize(
    ("answers", "given", "said", "stop"),
    [
        (["no", "it is DONE now", "x"], {"until": "DONE"}, 2, "until"),
        (["no", {"text": "bye", "done": True}], {}, 2, "until"),
        (["no", {"done": True}], {}, 1, "until"),
        (["no", "PASS", "", None], {}, 1, "consensus"),
        (["no", {"pass": True}, "but", "PASS", "PASS"], {}, 2, "consensus"),
        (["no", "yes", BUDGET], {}, 2, "budget"),
        (["no", DOWN], {"onFailure": "record"}, 1, "error"),
        (["no", 7], {"onFailure": "record"}, 1, "error"),
        (["no", "yes"], {"mode": "pair", "maxTurns": 3}, 3, "max_turns"),
    ],
)
def test_a_talk_says_why_it_has_ended(
    talk: Any, answers: list[Any], given: dict[str, Any], said: int, stop: str
) -> None:
    result, _ = talk(*answers, **{"maxTurns": 8} | given)
    assert (len(_said(result)), result["stopReason"]) == (said, stop)
    assert (result["reason"] is not None) == (stop in ("budget", "error"))


@pytest.mark.parametrize("answers", [[BUDGET], ["no", DOWN], ["no", {"odd": 1}]])
def test_where_nothing_can_be_kept_the_step_fails(talk: Any, world: Any, answers: list[Any]) -> None:
    with pytest.raises(AgentError):
        talk(*answers, mode="round-robin")
    assert world("dialog/list-dialogs")["total"] == 0


def test_an_agent_sees_the_last_messages(talk: Any) -> None:
    before = [{"content": "hello", "senderId": "olga"}, {"content": "hi"}]
    _, advisers = talk("x", maxTurns=2, contextWindow=2, messages=before)
    first, second = (question.input["messages"] for question in advisers.asked)
    assert first == [{"speaker": "olga", "text": "hello"}, {"speaker": "agent", "text": "hi"}]
    assert second == [first[1], {"speaker": "ann", "text": "x"}]


def test_in_a_broadcast_nobody_of_a_round_hears_the_others(talk: Any) -> None:
    result, advisers = talk("one", "two", "three", "four", mode="broadcast", maxTurns=4)
    assert [len(question.input["messages"]) for question in advisers.asked] == [0, 0, 2, 2]
    assert _said(result)[1] == ("ben", "two")
    assert result["turns"] == 4


def test_a_moderator_says_who_speaks(talk: Any) -> None:
    script = [
        {"nextSpeaker": "ben"},
        "I",
        {"nextSpeaker": "ben"},
        "again",
        {"done": True, "reason": "enough"},
    ]
    result, advisers = talk(*script, mode="moderated")
    assert _said(result) == [("ben", "I"), ("ben", "again")]
    assert (result["stopReason"], result["reason"]) == ("until", "enough")
    assert (advisers.asked[0].capability, advisers.asked[0].agent) == ("dialog.moderate", "")
    assert advisers.asked[0].schema["properties"]["nextSpeaker"]["enum"] == ["ann", "ben", None]
    _, advisers = talk({"done": True}, mode="moderated", moderator="mo")
    assert (advisers.asked[0].capability, advisers.asked[0].agent) == ("", "mo")
    for wrong in ("olga", "nobody", None):
        with pytest.raises(AgentError, match="names nobody of ann, ben") as caught:
            talk({"nextSpeaker": wrong}, mode="moderated")
        assert caught.value.details["asked"] == "moderator-1"


def test_what_would_be_refused_is_refused_before_anybody_is_asked(talk: Any) -> None:
    existing = talk("x", maxTurns=1)[0]["dialogId"]
    with pytest.raises(DuplicateObjectError):
        talk(AssertionError("asked"), maxTurns=1, dialogId=existing)
    alone = [{"role": "a", "agentId": "a"}]
    for participants, given in ((["ann"], {}), (alone, {"mode": "pair"})):
        with pytest.raises(OperationError, match=r"is an agent|a pair is two agents"):
            talk(AssertionError("asked"), maxTurns=1, participants=participants, **given)


def test_a_talk_that_was_held_elsewhere_is_taken_down(talk: Any, world: Any) -> None:
    given = {"messages": [{"content": "x", "senderId": "ann"}], "talk": {"turns": 1, "stopReason": "until"}}
    result, advisers = talk(AssertionError("asked"), mode="pair", **given)
    assert (result["turns"], result["stopReason"], advisers.asked) == (1, "until", [])
    with pytest.raises(OperationError, match="agents cannot be asked here"):
        world("dialog/facilitate-communication", participants=["ann"], mode="pair")
