"""The bundled workflows, each run by the command as a user runs it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.bundled import bundled
from tests.conftest import Ended
from tests.service import Asked, Reply, serving

Command = Callable[..., Ended]
WORKFLOWS = bundled("workflows")
ALL = sorted(path.name for path in WORKFLOWS.iterdir() if path.is_file())
COLLABORATION = ["multi-agent-collaboration.json", "multi-agent-collaboration.yaml"]


def run(mplp: Command, name: str, *args: str) -> tuple[Ended, Any]:
    ended = mplp("run", WORKFLOWS / name, "--output", "json", *args)
    return ended, ended.document


def statuses(document: Any) -> dict[str, str]:
    return {step: record["status"] for step, record in document["steps"].items()}


@pytest.mark.parametrize("name", ALL)
def test_each_is_valid_without_a_warning(mplp: Command, name: str) -> None:
    ended = mplp("validate", WORKFLOWS / name, "--output", "json")
    assert ended.document == {"valid": True, "problems": []}
    assert ended.code == 0


@pytest.mark.parametrize("name", COLLABORATION)
def test_three_agents_collaborate(mplp: Command, name: str) -> None:
    ended, document = run(mplp, name)
    assert (ended.code, document["status"]) == (0, "completed")
    assert set(statuses(document).values()) == {"completed"}

    result = document["result"]
    assignments = result["role-assignment"]["assignments"]
    assert [one["role"] for one in assignments] == ["coordinator", "executor", "reviewer"]
    settled = result["execution-coordination"]
    assert [(one["stepId"], one["status"]) for one in settled["results"]] == [
        ("trace-execution", "fulfilled"),
        ("dialog-facilitation", "fulfilled"),
    ]


def test_a_list_that_is_referenced_stays_a_list(mplp: Command) -> None:
    _, document = run(mplp, COLLABORATION[0])
    result = document["result"]
    assignments = result["role-assignment"]["assignments"]
    assert result["dialog-facilitation"]["participants"] == assignments
    planned = [step["agent_role"] for step in result["plan-creation"]["plan"]["steps"]]
    assert planned == [one["role"] for one in assignments]


def test_the_twins_say_the_same(mplp: Command) -> None:
    plans = [mplp("plan", WORKFLOWS / name, "--output", "json").document for name in COLLABORATION]
    assert plans[0] == plans[1]
    assert plans[0]["waves"] == [
        ["context-setup"],
        ["role-assignment"],
        ["plan-creation"],
        ["execution-coordination"],
    ]
    assert plans[0]["steps"]["trace-execution"]["maxAttempts"] == 4


@pytest.mark.parametrize(
    ("verdicts", "decision"),
    [(["accept", "change", "accept"], "accept"), (["change", "change", "accept"], "change")],
)
def test_a_design_is_reviewed_in_turns(mplp: Command, verdicts: list[str], decision: str) -> None:
    ended, document = run(mplp, "design-review.yaml", "-i", f"verdicts={json.dumps(verdicts)}")
    assert (ended.code, document["status"]) == (0, "completed"), ended.err
    assert document["outputs"]["decision"] == decision
    roles = document["result"]["roles"]["assignments"]
    events = document["result"]["record"]["trace"]["events"]
    assert document["outputs"]["events"] == len(events)
    kinds = Counter(event["event_type"] for event in events)
    assert (kinds["collab.started"], kinds["collab.completed"], kinds["collab.broadcast.received"]) == (
        1,
        1,
        2,
    )
    for kind in ("collab.turn.dispatched", "collab.turn.completed"):
        turns = [event["data"] for event in events if event["event_type"] == kind]
        assert [turn["roleId"] for turn in turns] == [role["roleId"] for role in roles]
    assert document["result"]["done"]["status"] == "completed"


def test_the_pipeline_retries_falls_back_and_tidies_up(mplp: Command) -> None:
    ended, document = run(mplp, "data-pipeline.yaml")
    assert (ended.code, document["status"]) == (0, "completed")
    assert document["outputs"] == {
        "report": {"kind": "total", "total": 240},
        "orders": [
            {"region": "north", "amount": 120},
            {"region": "south", "amount": 80},
            {"region": "north", "amount": 40},
        ],
        "rate": 1.1,
        "text": "3 orders, 2 returns",
        "stock-attempts": 2,
    }
    ended_as = statuses(document)
    assert (ended_as["by-region"], ended_as["archive"]) == ("skipped", "skipped")
    assert ended_as["announce"] == ended_as["tidy-up"] == "completed"
    assert document["steps"]["stock"]["attempts"] == 2
    assert not Path(document["result"]["workspace"]["output"]).exists()


def test_the_pipeline_takes_the_other_branch_when_asked(mplp: Command) -> None:
    _, document = run(mplp, "data-pipeline.yaml", "-i", "large=2", "-i", "archive=true")
    assert document["outputs"]["report"] == {"kind": "by-region", "north": 160, "south": 80}
    ended_as = statuses(document)
    assert (ended_as["total"], ended_as["archive"]) == ("skipped", "completed")


def test_the_failing_one_fails_and_says_what_became_of_the_rest(mplp: Command) -> None:
    ended, document = run(mplp, "fails-on-purpose.yaml")
    assert (ended.code, document["status"]) == (1, "failed")
    assert document["outputs"] == {"compile": "failed"}
    assert statuses(document) == {
        "sources": "completed",
        "compile": "failed",
        "unit-tests": "omitted",
        "package": "omitted",
        "manual": "completed",
        "report": "completed",
        "clean-up": "completed",
    }
    compiled = document["steps"]["compile"]
    assert compiled["attempts"] == 2
    assert compiled["error"]["type"] == "ShellExitError"
    assert "compile" in document["steps"]["unit-tests"]["reason"]


def test_the_failing_one_shows_where_it_failed(mplp: Command) -> None:
    ended = mplp("run", WORKFLOWS / "fails-on-purpose.yaml")
    assert ended.code == 1
    assert "compile" in ended.err
    assert "parser.c:12:7" in ended.err


def test_every_component_is_released_by_a_run_of_its_own(mplp: Command) -> None:
    ended, document = run(
        mplp, "release-train.yaml", "-i", "components=[parser, view]", "-i", "version=1.3.0"
    )
    assert (ended.code, document["status"]) == (0, "completed"), ended.err
    assert document["outputs"] == {"title": "Release 1.3.0", "packages": ["parser-1.3.0", "view-1.3.0"]}
    children = mplp("status", document["runId"], "--output", "json").document["children"]
    assert {(child["step"], child["workflowId"], child["status"]) for child in children} == {
        ("trains[0].release", "release-component", "completed"),
        ("trains[1].release", "release-component", "completed"),
    }
    inner = mplp("status", children[0]["runId"], "--output", "json").document
    assert inner["parent"] == {"runId": document["runId"], "step": children[0]["step"]}
    assert inner["steps"]["tidy-up"]["status"] == "completed"
    assert not Path(inner["result"]["workspace"]["output"]).exists()


def test_one_component_is_released_alone(mplp: Command) -> None:
    ended, document = run(mplp, "release-component.yaml", "-i", "component=view", "-i", "version=2.0.0")
    assert (ended.code, document["outputs"]["package"]) == (0, "view-2.0.0"), ended.err


def test_thirty_names_are_appended_each_once(mplp: Command, tmp_path: Path) -> None:
    file = tmp_path / "the names.txt"
    ended, document = run(mplp, "appends.yaml", "-i", f"file={file}")
    assert (ended.code, len(document["steps"])) == (0, 31)
    names = file.read_text("utf-8").splitlines()
    assert Counter(names) == Counter(set(statuses(document)) - {"together"})
    chain = [name for name in names if name.startswith("chain-")]
    assert chain == sorted(chain)


def test_steps_share_the_machine(mplp: Command) -> None:
    ended, document = run(mplp, "shared-machine.yaml")
    assert (ended.code, document["status"]) == (0, "completed")
    assert document["outputs"] == {"said": "catalogued, 4 pages"}
    held = mplp("plan", WORKFLOWS / "shared-machine.yaml", "--output", "json").document["steps"]
    assert held["catalogue"]["resources"] == {"cpu": "0.5", "memory": "64MiB"}
    assert held["render"]["resources"] == {"cpu": "0.1", "memory": "16MiB"}
    assert "resources" not in held["note"]


def test_a_tag_is_judged_and_told_of(mplp: Command) -> None:
    ended, document = run(mplp, "tag-watch.yaml", "-i", "tag=v2.0.0-rc.1")
    assert (ended.code, document["outputs"]["preview"]) == (0, True)
    [event] = mplp("events", "list", "--type", "tag.*", "--output", "json").document["events"]
    assert (event["id"], event["data"]["tag"]) == (document["outputs"]["event"], "v2.0.0-rc.1")


def test_a_fan_out_gathers_in_order_and_tolerates_one_failure(mplp: Command) -> None:
    ended, document = run(mplp, "fan-out.yaml")
    assert ended.code == 0
    outputs = document["outputs"]
    assert [report and report["region"] for report in outputs["reports"]] == ["north", "east", None, "west"]
    assert (outputs["failed"], outputs["rounds"]) == (1, 3)
    assert document["steps"]["check[2].probe"]["attempts"] == 2
    assert "1 of 4 items failed" in document["warnings"][0]


@pytest.mark.parametrize(
    ("unavailable", "given_back"),
    [("flight", []), ("hotel", ["flight"]), ("car", ["hotel", "flight"]), ("none", [])],
)
def test_a_saga_gives_back_what_it_had_reserved(
    mplp: Command, unavailable: str, given_back: list[str]
) -> None:
    ended, document = run(mplp, "saga.yaml", "--input", f"unavailable={unavailable}")
    assert ended.code == (0 if unavailable == "none" else 1)
    done = [step for step, status in statuses(document).items() if status == "completed"]
    done.sort(key=lambda step: document["steps"][step]["startedAt"])
    undone = [step.removeprefix("give-back-") for step in done if step.startswith("give-back-")]
    assert sorted(undone) == sorted(given_back)


def test_a_service_that_starts_up_is_waited_for_and_gets_one_report(mplp: Command) -> None:
    def reply(asked: Asked, before: int) -> Reply:
        if asked.path == "/health":
            return Reply(503, b"", {"Retry-After": "0"}) if before == 0 else Reply(200, b"ok")
        if asked.path == "/samples?last=3":
            return Reply(200, b"[100, 200, 330]", {"Content-Type": "application/json"})
        return Reply(500 if "/reports" not in {one.path for one in service.asked[:-1]} else 201)

    with serving(reply) as service:
        ended, document = run(mplp, "web-check.yaml", "-i", f"base={service.base}", "-i", "last=3")
    assert (ended.code, document["status"]) == (0, "completed"), ended.err
    assert document["outputs"] == {"good": True, "mean": 210.0, "reported": True}
    assert [document["steps"][name]["attempts"] for name in ("health", "samples", "report")] == [2, 1, 2]
    reports = [one for one in service.asked if one.path == "/reports"]
    assert [json.loads(one.body) for one in reports] == [
        {"run": document["runId"], "mean": 210.0, "good": True}
    ] * 2
    assert len({one.headers["idempotency-key"] for one in reports}) == 1


def test_this_project_is_linted_and_tested_by_its_own_workflow(mplp: Command) -> None:
    ended = mplp(
        *("run", WORKFLOWS / "ci.yaml", "--output", "json", "-i", f"python={sys.executable}"),
        *("-i", "paths=mplp_cli/errors.py", "-i", "tests=tests/test_seed_map.py", "-i", "types=false"),
        cwd=WORKFLOWS.parent,
    )
    document = ended.document
    assert (ended.code, document["status"]) == (0, "completed"), ended.err
    assert "passed" in document["outputs"]["tests"]
    assert statuses(document)["typing"] == "skipped"


def test_the_release_waits_for_its_approval_and_tells_of_it(mplp: Command) -> None:
    ended, document = run(mplp, "release-approval.yaml", "-i", "tag=v2.0")
    assert (ended.code, document["status"]) == (3, "waiting")
    [asked] = mplp("approvals", "-o", "json").document["approvals"]
    assert asked["message"] == "Release v2.0? The package has 1 line(s)."
    answer = ("approve", "release-approval", "sign-off", "--by")
    assert mplp(*answer, "eve", "-i", "channel=stable").code == 2
    assert mplp(*answer, "team-lead", "-i", "channel=alpha").code == 2
    assert mplp(*answer, "team-lead", "-i", "channel=stable").code == 0
    done = mplp("resume", "release-approval", "--output", "json")
    assert done.code == 0
    [event] = mplp("events", "list", "--type", "release.*", "-o", "json").document["events"]
    assert done.document["outputs"] == {
        "published": "v2.0 to stable for 100%",
        "approved-by": "team-lead",
        "event": event["id"],
    }
    assert event["data"] == {"tag": "v2.0", "channel": "stable", "approved-by": "team-lead"}


@pytest.mark.parametrize(
    ("order", "stops", "wrong"), [({"id": "A-7", "amount": 120}, 3, []), ({"id": "seven"}, 0, ["", "id"])]
)
def test_a_platform_is_set_up_and_sends_only_orders_that_are_valid(
    mplp: Command, order: dict[str, Any], stops: int, wrong: list[str]
) -> None:
    ended, document = run(mplp, "platform-setup.yaml", "-i", f"order={json.dumps(order)}")
    assert (ended.code, document["status"]) == (0, "completed"), ended.err
    outputs, result = document["outputs"], document["result"]
    assert (outputs["stops"], sorted(error["path"] for error in outputs["errors"])) == (stops, wrong)
    nodes = [node["node_id"] for node in result["network"]["network"]["nodes"]]
    if wrong:
        assert result["refuse"]["core"]["events"][-1]["data"]["type"] == "order.refused"
    else:
        assert result["send"]["path"] == nodes


def test_agents_review_files(mplp: Command, tmp_path: Path) -> None:
    ended, document = run(mplp, "review-by-agents.yaml")
    assert (ended.code, document["status"]) == (0, "completed"), ended.err
    [review] = document["outputs"]["reviews"]
    assert review["title"] == "Notes on a release"
    assert [one["rule"] for one in review["findings"]] == ["word-twice", "trailing-space"]
    assert review["blemishes"] == len(review["summary"]) == 2
    (tmp_path / "mine.txt").write_text("A file without an end")
    ended, document = run(mplp, "review-by-agents.yaml", "-i", 'files=["mine.txt"]')
    assert [one["rule"] for one in document["outputs"]["reviews"][0]["findings"]] == ["no-newline"]
    ended, document = run(mplp, "review-by-agents.yaml", "-i", 'files=["none.txt"]')
    assert (ended.code, document["steps"]["review[0].lint"]["error"]["details"]["code"]) == (1, "agent.exit")


def test_a_team_of_agents_answers_a_question_and_a_person_approves_it(mplp: Command, tmp_path: Path) -> None:
    ended, document = run(mplp, "research-team.yaml")
    assert (ended.code, document["status"]) == (3, "waiting"), ended.err
    [asked] = mplp("approvals", "--output", "json").document["approvals"]
    assert "reviewer recommends to approve (75% sure): 3 of 3 sources bear on it" in asked["message"]
    assert mplp("approve", "research-team", "--by", "ann").code == 0
    ended = mplp("resume", "research-team", "--output", "json")
    assert (ended.code, ended.document["status"]) == (0, "completed"), ended.err
    outputs = ended.document["outputs"]
    assert (outputs["decision"], outputs["remarks"], len(outputs["sources"])) == (
        "approved",
        ["nobody speaks of `put...`"],
        3,
    )
    report = (tmp_path / "report.md").read_text("utf-8")
    assert (
        "A cache in front of the store answered 83 percent of the reads in a trial of two days. (line 6)"
        in report
    )

    assert mplp("export", "research-team", "--out", "out").code == 0
    verified = mplp("verify", "out", "--output", "json")
    assert (verified.code, verified.document["valid"]) == (0, True), verified.out
    told = [json.loads(line) for line in (tmp_path / "out" / "events.ndjson").read_text().splitlines()]
    of_the_session = [one["event_type"] for one in told if one["event_type"].startswith("MAP")]
    assert of_the_session[:2] == ["MAPSessionStarted", "MAPRolesAssigned"]
    assert of_the_session[-1] == "MAPSessionCompleted"
    assert of_the_session.count("MAPTurnDispatched") == of_the_session.count("MAPTurnCompleted") == 3
    profiles = json.loads((tmp_path / "out" / "manifest.json").read_text())["profiles"]
    assert {name: found["status"] for name, found in profiles.items()} == {
        "sa": "complete",
        "map": "complete",
    }


def test_the_cases_of_the_bundled_workflows_hold(mplp: Command) -> None:
    ended = mplp("test", WORKFLOWS / "tests")
    assert ended.code == 0, ended.out
    assert ended.out.rstrip().endswith("5 passed")
