"""Operations of role, plan and confirm with agents: they supply content, the module decides and writes."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.errors import AgentError, OperationError
from mplp_cli.protocols import Candidate
from tests.modules.advisers import Scripted, consulted
from tests.modules.conftest import World

GONE = AgentError("agent.unavailable", "nobody is there", retryable=True)


def context(world: World) -> str:
    return str(world("context/create-context", name="Ship")["contextId"])


def events(body: dict[str, Any]) -> list[str]:
    return [event["event_type"] for event in body["events"]]


# ---- roles --------------------------------------------------------------------------------------


def team(*who: tuple[str, str, str]) -> list[Candidate]:
    return [Candidate(id=name, capabilities=offers.split(), status=status) for name, offers, status in who]


TEAM = team(
    ("ann", "role.dev role.tester", "active"),
    ("bob", "role.dev", "degraded"),
    ("cid", "role.dev", "active"),
    ("gone", "role.dev role.lead", "unreachable"),
)


def assigned(world: World, advisers: Scripted, roles: list[str], **more: Any) -> dict[str, str | None]:
    given = consulted(world, "role/assign-roles", advisers, contextId=context(world), roles=roles, **more)
    return {one["role"]: one["agentId"] for one in given["assignments"]}


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("first", {"dev": "ann", "tester": "ann"}),
        ("least-loaded", {"dev": "ann", "tester": "ann"}),
        ("round-robin", {"dev": "ann", "tester": "ann"}),
        ("agent:chief", {"dev": "cid", "tester": "ann"}),
    ],
)
def test_each_role_gets_an_agent_that_offers_it(world: World, select: str, expected: dict[str, str]) -> None:
    advisers = Scripted({"role-dev": {"agentId": "cid"}}, TEAM)
    assert assigned(world, advisers, ["dev", "tester"], select=select) == expected


def test_who_has_fewest_roles_gets_the_next_one(world: World) -> None:
    able = {"dev": "x", "tester": "x", "lead": "x"}
    both = team(("ann", "x", "active"), ("bob", "x", ""))
    found = assigned(world, Scripted({}, both), list(able), select="least-loaded", capabilities=able)
    assert found == {"dev": "ann", "tester": "bob", "lead": "ann"}


def test_a_role_goes_round(world: World) -> None:
    able = {"dev": "x", "tester": "x", "lead": "x"}
    both = team(("ann", "x", ""), ("bob", "x", ""))
    found = assigned(world, Scripted({}, both), list(able), select="round-robin", capabilities=able)
    assert found == {"dev": "ann", "tester": "bob", "lead": "ann"}


def test_who_is_named_keeps_the_role(world: World) -> None:
    found = assigned(world, Scripted({}, TEAM), ["dev"], select="first", agents={"dev": "zoe"})
    assert found == {"dev": "zoe"}


def test_an_agent_that_cannot_be_reached_gets_no_role(world: World) -> None:
    with pytest.raises(OperationError, match=r"no agent offers `role\.lead`"):
        assigned(world, Scripted({}, TEAM), ["lead"], select="first")


@pytest.mark.parametrize("kind", ["human", "system"])
def test_a_role_that_no_agent_takes_may_be_left_to_somebody_else(world: World, kind: str) -> None:
    found = consulted(
        world, "role/assign-roles", Scripted({}, TEAM),
        contextId=context(world), roles=["lead", "dev"], select="first", onMissing=kind,
    )  # fmt: skip
    assert [one["kind"] for one in found["assignments"]] == [kind, "agent"]
    said = found["roles"][1]["events"][-1]["data"]
    assert said["reason"] == "ann offers role.dev; first of 3"


def test_a_choice_that_was_no_candidate_is_not_taken(world: World) -> None:
    with pytest.raises(AgentError, match="`eve` is none of ann, cid, bob") as caught:
        assigned(world, Scripted({"chief": {"agentId": "eve"}}, TEAM), ["dev"], select="agent:chief")
    assert caught.value.code == "agent.output_invalid"
    assert caught.value.details["asked"] == "role-dev"


# ---- plans --------------------------------------------------------------------------------------


def ready_plan(world: World, *steps: dict[str, Any]) -> str:
    plan = str(world("plan/create-plan", contextId=context(world), steps=list(steps))["planId"])
    world("plan/approve-plan", planId=plan)
    return plan


def step(number: int, role: str | None, *needs: int) -> dict[str, Any]:
    return {
        "stepId": uuid(number), "description": f"step {number}", "agentRole": role,
        "dependencies": [uuid(other) for other in needs] or None,
    }  # fmt: skip


def uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-0000000000{number:02}"


ROLES = [{"role": "dev", "agentId": "ann"}, {"role": "tester", "agentId": "bob"}, {"role": "lead"}]


def executed(
    world: World, plan: str, answers: dict[str, Any], **more: Any
) -> tuple[dict[str, Any], Scripted]:
    advisers = Scripted(answers)
    given = {"planId": plan, "assignments": ROLES, **more}
    return consulted(world, "plan/execute-plan", advisers, **given), advisers


def test_agents_do_the_steps_of_their_roles_in_order(world: World) -> None:
    plan = ready_plan(world, step(1, "dev"), step(2, "tester", 1))
    done, advisers = executed(world, plan, {"ann": "built", "bob": {"tests": 3}})
    assert [one.agent for one in advisers.asked] == ["ann", "bob"]
    assert advisers.asked[1].input["before"] == [{"description": "step 1", "output": "built"}]
    assert done["status"] == "completed"
    assert done["outputs"] == {uuid(1): "built", uuid(2): {"tests": 3}}
    assert events(done["plan"])[-5:] == [
        "plan.step.started", "plan.step.completed", "plan.step.started", "plan.step.completed", "plan.completed",
    ]  # fmt: skip


def test_steps_of_people_and_what_waits_for_them_are_left(world: World) -> None:
    plan = ready_plan(world, step(1, "lead"), step(2, "dev", 1), step(3, "dev"), step(4, None))
    done, _ = executed(world, plan, {"ann": "built"})
    assert [one["status"] for one in done["steps"]] == ["pending", "pending", "completed", "pending"]
    assert (done["status"], done["ready"]) == ("in_progress", [uuid(1), uuid(4)])


def test_a_failure_fails_the_call_after_the_other_steps(world: World) -> None:
    plan = ready_plan(world, step(1, "dev"), step(2, "tester"), step(3, "tester", 2))
    advisers = Scripted({"ann": GONE, "bob": "tested"})
    with pytest.raises(AgentError, match="nobody is there"):
        consulted(world, "plan/execute-plan", advisers, planId=plan, assignments=ROLES)
    assert [one.key for one in advisers.asked] == [f"step-{uuid(n)}" for n in (1, 2, 3)]
    assert world("plan/get-plan", planId=plan)["status"] == "approved"


def test_a_failure_can_be_recorded_instead(world: World) -> None:
    plan = ready_plan(world, step(1, "dev"), step(2, "dev", 1), step(3, "tester"))
    done, _ = executed(world, plan, {"ann": GONE, "bob": "tested"}, onFailure="record")
    assert [one["status"] for one in done["steps"]] == ["failed", "pending", "completed"]
    again, advisers = executed(world, plan, {"ann": "built", "bob": "tested"})
    assert [one.agent for one in advisers.asked] == ["ann", "ann"]
    assert again["status"] == "completed"


def test_what_waits_for_a_step_that_has_failed_is_not_begun(world: World) -> None:
    plan = ready_plan(world, step(1, "lead"), step(2, "dev", 1))
    failed = {"stepId": uuid(1), "status": "failed", "error": "ill"}
    done, advisers = executed(world, plan, {"ann": "built"}, outcomes=[failed])
    assert advisers.asked == []
    assert [one["status"] for one in done["steps"]] == ["failed", "pending"]


def test_of_a_plan_that_is_not_approved_nobody_is_asked(world: World) -> None:
    plan = world("plan/create-plan", contextId=context(world), steps=[step(1, "dev")])["planId"]
    advisers = Scripted({"ann": "built"})
    with pytest.raises(OperationError, match="is `draft`"):
        consulted(world, "plan/execute-plan", advisers, planId=plan, assignments=ROLES)
    assert advisers.asked == []


def test_a_dry_run_asks_nobody(world: World) -> None:
    plan = ready_plan(world, step(1, "dev"))
    done, advisers = executed(world, plan, {"ann": "built"}, dryRun=True)
    assert (advisers.asked, done["status"], done["ready"]) == ([], "approved", [uuid(1)])


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            [{"description": "A", "dependsOn": [1]}, {"description": "B", "dependsOn": [0]}],
            "wait for one another",
        ),
        ([{"description": "A", "dependsOn": [3]}], "step 0 depends on step 3 of 1"),
        ([{"description": "A", "agentRole": "king"}], "the role `king`, not of dev"),
        ([{"description": ""}], "length"),
    ],
)
def test_a_draft_that_is_no_plan_is_asked_for_anew(world: World, answer: Any, why: str) -> None:
    advisers = Scripted({"planner": {"steps": answer}})
    with pytest.raises(AgentError, match=why) as caught:
        consulted(
            world, "plan/create-plan", advisers,
            contextId=context(world), agent="planner", assignedRoles=["dev"],
        )  # fmt: skip
    assert (caught.value.code, caught.value.failure().retryable) == ("agent.output_invalid", True)


# ---- approvals ----------------------------------------------------------------------------------


def yes(confidence: float = 0.9) -> dict[str, Any]:
    return {"decision": "approve", "reason": "it is sound", "confidence": confidence}


NO = {"decision": "reject", "reason": "it is not tested", "confidence": 1}


def asked(
    world: World, advisers: list[dict[str, Any]], answers: dict[str, Any], **more: Any
) -> dict[str, Any]:
    given = {"reason": "Ship it?", "targetId": uuid(99), "advisers": advisers, **more}
    return consulted(world, "confirm/request-approval", Scripted(answers), **given)


def test_an_agent_only_recommends_unless_it_may_do_more(world: World) -> None:
    found = asked(world, [{"agent": "ann"}], {"ann": yes()})
    assert found["status"] == "pending"
    [said] = [e["data"] for e in found["confirm"]["events"] if e["event_type"] == "confirm.recommended"]
    assert (said["agent"], said["decision"], said["counts"]) == ("ann", "approve", False)
    with pytest.raises(OperationError, match=r"ann recommends to approve \(90% sure\): it is sound"):
        world("confirm/wait-for-approval", confirmId=found["confirmId"])


@pytest.mark.parametrize(
    ("may", "answer", "more", "status"),
    [
        ("decide", yes(), {}, "approved"),
        ("decide", yes(0.79), {}, "pending"),
        ("decide", NO, {}, "rejected"),
        ("decide", yes(), {"destructive": True}, "pending"),
        ("decide", NO, {"destructive": True}, "rejected"),
        ("decide", yes(), {"requestedByRole": "ann"}, "pending"),
        ("decide", {"decision": "abstain", "reason": "who knows", "confidence": 1}, {}, "pending"),
        ("reject", yes(1), {}, "pending"),
        ("reject", NO, {}, "rejected"),
        ("recommend", NO, {}, "pending"),
    ],
)
def test_what_the_word_of_an_agent_counts_for(
    world: World, may: str, answer: Any, more: dict[str, Any], status: str
) -> None:
    found = asked(world, [{"agent": "ann", "may": may}], {"ann": answer}, **more)
    assert found["status"] == status
    assert (
        found["confirm"].get("decisions", []) == []
        or found["confirm"]["decisions"][0]["decided_by_role"] == "ann"
    )


def test_an_agent_in_the_place_of_an_approver_is_one_voice_of_several(world: World) -> None:
    found = asked(
        world, [{"capability": "review", "role": "qa", "may": "decide"}], {"adviser-0": yes()},
        mode="unanimous", approvers=["qa", "lead"],
    )  # fmt: skip
    assert (found["status"], found["waitingFor"]) == ("pending", ["lead"])


def test_who_fails_has_said_nothing_unless_all_fail(world: World) -> None:
    both = [{"agent": "ann"}, {"agent": "bob"}]
    found = asked(world, both, {"ann": GONE, "bob": yes()})
    said = [e["data"] for e in found["confirm"]["events"] if e["event_type"] == "confirm.recommended"]
    assert [one.get("error") for one in said] == ["nobody is there", None]
    with pytest.raises(AgentError):
        asked(world, both, {"ann": GONE, "bob": GONE})


PAUSES = AgentError("budget.exceeded", "2 calls of 2 are spent", details={"budget": "b", "more": 2})
MISSES = AgentError("replay.miss", "that was not recorded")


@pytest.mark.parametrize("error", [PAUSES, MISSES])
def test_what_is_no_word_of_an_agent_is_not_taken_for_one(world: World, error: AgentError) -> None:
    with pytest.raises(AgentError, match=error.message):
        asked(world, [{"agent": "ann"}, {"agent": "bob"}], {"ann": yes(), "bob": error})
    plan = ready_plan(world, step(1, "dev"), step(2, "tester"))
    with pytest.raises(AgentError, match=error.message):
        executed(world, plan, {"ann": GONE, "bob": error}, onFailure="record")
