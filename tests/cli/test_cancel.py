"""Cancelling from another process: a run that goes on, one that waits, one that was interrupted."""

from __future__ import annotations

import json
import signal

import pytest

from tests.cli.conftest import Terminal


def test_a_run_that_goes_on_is_cancelled_with_its_final_steps(terminal: Terminal) -> None:
    running = terminal.start("run", "endless.yaml", "--output", "json")
    terminal.until_written("it is up")
    ended = terminal("cancel", "endless", "--reason", "enough")
    assert (ended.code, ended.out) == (0, f"run {terminal.only_run()[:8]} is cancelled\n")
    out, _ = running.communicate()
    assert running.returncode == 4
    document = json.loads(out)
    assert document["status"] == "cancelled"
    statuses = {step: told["status"] for step, told in document["steps"].items()}
    assert statuses == {"tick": "cancelled", "never": "cancelled", "bye": "completed"}
    assert "enough" in document["steps"]["tick"]["reason"]


def test_two_signals_kill_the_run(terminal: Terminal) -> None:
    running = terminal.start("run", "endless.yaml", "--output", "json")
    terminal.until_written("it is up")
    running.send_signal(signal.SIGINT)
    running.send_signal(signal.SIGTERM)
    document = json.loads(running.communicate()[0])
    assert {step: told["status"] for step, told in document["steps"].items()}["bye"] == "cancelled"


def test_a_run_that_waits_is_cancelled_without_a_process_of_its_own(terminal: Terminal) -> None:
    assert terminal("run", "ask.yaml").code == 3
    ended = terminal("cancel", "ask", "--output", "json")
    assert ended.code == 0
    assert ended.document == {"runId": terminal.only_run(), "workflowId": "ask", "status": "cancelled"}
    assert terminal("status", "ask", "-o", "json").document["status"] == "cancelled"
    assert terminal("approvals").out == ""
    assert terminal("resume", "ask").code == 2


def test_an_interrupted_run_is_cancelled_and_what_comes_last_comes(terminal: Terminal) -> None:
    running = terminal.start("run", "endless.yaml", "--output", "quiet")
    terminal.until_written("it is up")
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert terminal("cancel", "endless").code == 0
    steps = terminal("status", "endless", "-o", "json").document["steps"]
    assert (steps["tick"]["status"], steps["bye"]["status"]) == ("cancelled", "completed")
    logs = {log.name for log in terminal.directory.glob(".mplp/runs/*/logs/*.log")}
    assert logs == {"tick.1.log", "bye.1.log"}, "what was in flight is not started again, to be cancelled"


def test_without_waiting_the_request_is_left(terminal: Terminal) -> None:
    running = terminal.start("run", "endless.yaml", "--output", "quiet")
    terminal.until_written("it is up")
    ended = terminal("cancel", "endless", "--no-wait")
    assert (ended.code, ended.out) == (0, f"run {terminal.only_run()[:8]} is cancelling\n")
    assert running.wait() == 4


def test_a_run_that_has_ended_is_not_cancelled(terminal: Terminal) -> None:
    assert terminal("run", "talks.yaml").code == 0
    ended = terminal("cancel", "talks")
    assert ended.code == 2
    assert "completed already" in ended.err


#: Asks a person; what it needs a secret for has been done by then. `finally` comes behind.
SECRETIVE = """\
workflow:
  id: secretive
  name: Secretive
  version: 1.0.0
  secrets: [TOKEN]
  steps:
    - {id: push, type: shell, env: {TOKEN: "${secrets.TOKEN}"}, run: 'test -n "$TOKEN"'}
    - id: deploy
      type: shell
      dependencies: [push]
      run: 'false'
      fallback-actions: [{condition: any, action: escalate-to-human}]
"""


def waits_for_a_person(terminal: Terminal, final: str = "") -> Terminal:
    terminal.write("secretive.yaml", SECRETIVE + final)
    terminal.env["TOKEN"] = "a-long-word"
    assert terminal("run", "secretive.yaml").code == 3
    del terminal.env["TOKEN"]
    return terminal


@pytest.mark.parametrize("final", ["", "  finally: [{id: bye, type: shell, run: 'echo goodbye'}]\n"])
def test_a_cancel_asks_for_no_secrets_that_nothing_will_need(terminal: Terminal, final: str) -> None:
    ended = waits_for_a_person(terminal, final)("cancel", "secretive")
    assert (ended.code, ended.err) == (0, "")
    steps = terminal("status", "secretive", "-o", "json").document["steps"]
    assert steps["deploy"]["status"] == "cancelled"
    assert [steps[step]["status"] for step in steps if step == "bye"] == ["completed"] * bool(final)


def test_a_cancel_asks_for_the_secrets_of_the_steps_that_come_last(terminal: Terminal) -> None:
    final = "  finally: [{id: bye, type: shell, env: {T: '${secrets.TOKEN}'}, run: 'test -n \"$T\"'}]\n"
    ended = waits_for_a_person(terminal, final)("cancel", "secretive")
    assert ended.code == 2
    assert "missing secrets: TOKEN" in ended.err
    assert terminal("status", "secretive", "-o", "json").document["status"] == "waiting"
    assert terminal("cancel", "secretive", "--secrets-file", "/dev/null").code == 2
    terminal.env["TOKEN"] = "a-long-word"
    assert terminal("cancel", "secretive").code == 0


@pytest.mark.parametrize("more", [[], ["--no-wait"]])
def test_settings_that_are_not_valid_do_not_hide_that_a_run_is_cancelled(
    terminal: Terminal, more: list[str]
) -> None:
    running = terminal.start("run", "endless.yaml", "--output", "quiet")
    terminal.until_written("it is up")
    terminal.write("mplp.yaml", "nonsense: [\n")
    ended = terminal("cancel", "endless", "--state-dir", ".mplp", *more)
    assert (ended.code, ended.err) == (0, "")
    assert running.wait() == 4
