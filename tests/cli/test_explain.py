"""`mplp explain` at a terminal."""

from __future__ import annotations

import signal

import pytest

from tests.cli.conftest import Terminal


@pytest.fixture
def talked(terminal: Terminal) -> Terminal:
    assert terminal("run", "talks.yaml").code == 0
    return terminal


def test_a_step_that_was_tried_again_is_explained(talked: Terminal) -> None:
    ended = talked("explain", "talks", "flaky", env={"COLUMNS": "80"})
    assert ended.code == 0
    assert ended.out.startswith("✓ flaky completed\n")
    assert "Its attempt 2 succeeded." in ended.out
    assert "again after 10ms" in " ".join(ended.out.split())
    assert max(map(len, ended.out.splitlines())) <= 80


def test_the_explanation_for_machines_has_its_documented_keys(talked: Terminal) -> None:
    document = talked("explain", "talks", "flaky", "-o", "json").document
    assert set(document) == {
        "runId", "workflowId", "runStatus", "step", "type", "in", "branch", "status", "reason", "because",
        "start", "readyAt", "startedAt", "endedAt", "queued", "duration", "maxAttempts", "join",
        "dependencies", "conditions", "attempts", "approvals", "children",
    }  # fmt: skip
    first, second = document["attempts"]
    assert (first["outcome"], second["outcome"]) == ("failed", "completed")
    assert first["retry"]["delay"] == 10
    assert document["join"] == {"rule": "all-completed", "met": True}
    [needed] = document["dependencies"]
    assert (needed["step"], needed["status"]) == ("hello", "completed")


def test_a_step_that_does_not_exist_is_refused_with_a_hint(talked: Terminal) -> None:
    ended = talked("explain", "talks", "flakey")
    assert ended.code == 2
    assert "did you mean `flaky`" in ended.err


def test_a_step_that_waits_for_a_person_is_explained(terminal: Terminal) -> None:
    assert terminal("run", "ask.yaml").code == 3
    assert "It waits for a person (ann): Deploy anyway?" in terminal("explain", "ask", "deploy").out
    document = terminal("explain", "ask", "after", "-o", "json").document
    assert document["status"] == "pending"
    assert document["start"] == ["It waits for the end of `deploy`."]


def test_a_step_of_an_interrupted_run_says_that_nobody_drives_it(terminal: Terminal) -> None:
    process = terminal.start("run", "endless.yaml", "--output", "quiet")
    terminal.until_written("it is up")
    assert "is at work" in terminal("explain", "endless", "tick").out
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert f"mplp resume {terminal.only_run()[:8]}" in terminal("explain", "endless", "tick").out
