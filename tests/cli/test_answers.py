"""A run that asks a person: waiting, answered from another process, gone on with."""

from __future__ import annotations

import pytest

from tests.cli.conftest import ENDLESS, Terminal, until


@pytest.fixture
def waiting(terminal: Terminal) -> Terminal:
    """A run waits for an answer; no process drives it."""
    assert terminal("run", "ask.yaml").code == 3
    return terminal


def test_what_is_asked_is_listed(waiting: Terminal) -> None:
    shown = waiting("approvals")
    assert shown.code == 0
    assert "Deploy anyway? (asks ann)" in shown.out
    [asked] = waiting("approvals", "--output", "json").document["approvals"]
    assert asked.keys() == {
        "id",
        "runId",
        "workflowId",
        "step",
        "attempt",
        "message",
        "approvers",
        "inputs",
        "digest",
        "askedAt",
        "state",
    }
    assert (asked["workflowId"], asked["step"], asked["state"]) == ("ask", "deploy", "pending")
    assert (asked["approvers"], asked["attempt"]) == (["ann"], 1)
    assert waiting("approvals", "--run", "ask", "-o", "json").document["approvals"] == [asked]


def test_the_status_says_how_to_answer(waiting: Terminal) -> None:
    short = waiting.only_run()[:8]
    assert f"mplp approve {short} deploy" in waiting("status", "ask").out


def test_after_a_yes_the_step_is_tried_again_and_the_run_completes(waiting: Terminal) -> None:
    waiting.write("approved", "by hand")
    short = waiting.only_run()[:8]
    said = waiting("approve", "ask", "--by", "ann", "--reason", "it is Monday")
    assert (said.code, said.out) == (0, f"approved deploy of run {short}\n")
    assert f"mplp resume {short}" in said.err

    assert waiting("approvals").out == ""
    [answered] = waiting("approvals", "--all", "-o", "json").document["approvals"]
    assert (answered["state"], answered["by"], answered["reason"]) == ("approved", "ann", "it is Monday")
    assert answered["decidedAt"].endswith("Z")

    ended = waiting("resume", "ask", "--output", "json")
    assert ended.code == 0
    assert ended.document["outputs"] == {"seen": "by hand"}
    assert ended.document["steps"]["deploy"]["attempts"] == 2


def test_after_a_no_the_step_fails(waiting: Terminal) -> None:
    said = waiting("reject", "ask", "deploy", "--by", "ann", "--reason", "not on a Friday", "-o", "json")
    assert said.code == 0
    assert (said.document["state"], said.document["reason"]) == ("rejected", "not on a Friday")
    ended = waiting("resume", "ask", "--output", "json")
    assert (ended.code, ended.document["status"]) == (1, "failed")
    error = ended.document["steps"]["deploy"]["error"]
    assert error["type"] == "RejectedError"
    assert "not on a Friday" in error["message"]


def test_a_no_needs_a_reason(waiting: Terminal) -> None:
    ended = waiting("reject", "ask", "deploy")
    assert ended.code == 2
    assert "--reason" in ended.err
    assert "deploy" in waiting("approvals").out


def test_the_first_answer_counts(waiting: Terminal) -> None:
    assert waiting("approve", "ask", "deploy", "--by", "ann").code == 0
    second = waiting("reject", "ask", "deploy", "--reason", "no", "-o", "json")
    assert (second.code, second.out) == (2, "")
    assert "approved by ann already" in second.err
    third = waiting("approve", "ask")
    assert third.code == 2
    assert "mplp resume" in third.err


def test_a_step_that_asks_nothing_cannot_be_answered(waiting: Terminal) -> None:
    ended = waiting("approve", "ask", "after")
    assert ended.code == 2
    assert "asks nothing" in ended.err


def test_of_several_runs_of_a_workflow_the_one_that_asks_is_meant(waiting: Terminal) -> None:
    waiting.write("approved", "")
    assert waiting("run", "ask.yaml").code == 0
    assert waiting("approve", "ask", "--by", "ann").code == 0


def test_several_questions_of_one_run_are_told_apart(terminal: Terminal) -> None:
    step = "type: shell, run: 'false', fallback-actions: [{condition: any, action: escalate-to-human}]"
    steps = "".join(f"    - {{id: {name}, {step}}}\n" for name in ("one", "two"))
    terminal.write("both.yaml", f"workflow:\n  id: both\n  name: Both\n  version: 1.0.0\n  steps:\n{steps}")
    assert terminal("run", "both.yaml").code == 3
    ended = terminal("approve", "both")
    assert ended.code == 2
    assert "one, two" in ended.err
    assert terminal("approve", "both", "two").code == 0


def test_a_run_that_goes_on_hears_the_answer(terminal: Terminal) -> None:
    terminal.write("approved", "")
    busy = ENDLESS.replace(
        "steps:\n", "steps:\n    - {id: door, type: shell, run: cat open, fallback-actions:"
        " [{condition: any, action: escalate-to-human}]}\n", 1,
    ).replace("exec tail -f /dev/null", "until test -e stop; do sleep 0.05; done")  # fmt: skip
    terminal.write("busy.yaml", busy)
    running = terminal.start("run", "busy.yaml", "--output", "json")
    terminal.until_written("it is up")
    until(lambda: terminal.store().approvals())
    terminal.write("open", "sesame")
    said = terminal("approve", "endless")
    assert (said.code, said.err) == (0, "")
    until(lambda: not terminal.store().approvals())
    terminal.write("stop", "")
    assert running.wait() == 0
