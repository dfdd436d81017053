"""Pause, cancel, kill and answers from a second process, in each state a run can be in."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.conftest import Terminal, until

#: One slot. `busy` works until there is a file `go`; the others stand in a state each.
STATES = """\
workflow:
  id: states
  name: A step in each state
  version: 1.0.0
  grace: 200ms
  max-parallel: 1
  steps:
    - id: asks
      type: shell
      run: test -e approved
      priority: 9
      fallback-actions: [{condition: any, action: escalate-to-human, message: "Really?"}]
    - id: retries
      type: shell
      run: test -e again
      priority: 8
      retry-policy: {max-retries: 1, initial-delay: 1h}
    - {id: sleeps, type: wait, for: 1h}
    - {id: busy, type: shell, run: 'echo busy; until test -e go; do sleep 0.05; done', priority: 7}
    - {id: queues, type: shell, run: echo queues}
    - {id: pends, type: set, values: {}, dependencies: [busy]}
  finally:
    - {id: bye, type: shell, run: echo goodbye}
"""

#: A run that only waits for a time.
SLEEPS = """\
workflow:
  id: sleeps
  name: Sleeps
  version: 1.0.0
  steps:
    - {id: nap, type: wait, for: 1h}
    - {id: after, type: shell, run: echo after, dependencies: [nap]}
"""

#: Asks in `finally`, where nothing stops it but an answer.
LAST_WORD = """\
workflow:
  id: last-word
  name: Asks at the end
  version: 1.0.0
  steps:
    - {id: work, type: set, values: {}}
  finally:
    - {id: door, type: shell, run: 'false', fallback-actions: [{condition: any, action: escalate-to-human}]}
    - {id: lights, type: shell, run: echo off}
"""


@pytest.fixture
def states(terminal: Terminal) -> Terminal:
    """A run goes on in another process, with a step in each state."""
    terminal.write("states.yaml", STATES)
    terminal.write("sleeps.yaml", SLEEPS)
    terminal.write("last.yaml", LAST_WORD)
    terminal.start("run", "states.yaml", "--output", "json")
    terminal.until_written("busy")
    until(lambda: terminal.store().approvals())  # what came before `busy` may be stored after its first word
    return terminal


def ended(terminal: Terminal) -> tuple[int, dict[str, str]]:
    """How the process of the run ended: its exit code and the status of each step."""
    out, err = terminal.started[0].communicate(timeout=60)
    assert "Traceback" not in err
    return terminal.started[0].returncode, of_steps(json.loads(out))


def of_steps(document: Any) -> dict[str, str]:
    return {step: told["status"] for step, told in document["steps"].items()}


def shown(terminal: Terminal, run: str) -> tuple[str, dict[str, str]]:
    document = terminal("status", run, "-o", "json").document
    return document["status"], of_steps(document)


def slots_are_free(terminal: Terminal, run: str) -> None:
    """The history alone: after it, no slot is held."""
    from mplp_cli.recorded import recorded
    from mplp_cli.runtime import Runtime

    with Runtime(start=terminal.directory, environ=terminal.env) as runtime:
        state = recorded(runtime, runtime.find_run(run)).state
        assert (state.slots, state.holding) == (state.all_slots, set())


# ---- pause -------------------------------------------------------------------------------------


def test_what_runs_finishes_and_everything_else_stays_as_it_is(states: Terminal) -> None:
    said = states("pause", "states", "--reason", "the server is down")
    short = states.only_run()[:8]
    assert (said.code, said.out) == (0, f"run {short} is pausing\n")
    assert f"`mplp resume {short}` takes it back" in said.err
    text = states("status", "states").out
    assert "running" in text
    assert ": the server is down. What runs finishes" in text
    assert states("pause", "states").out == f"run {short} is pausing already\n"

    states.write("go", "")
    code, steps = ended(states)
    assert code == 3
    assert steps == {
        "asks": "waiting",
        "retries": "retrying",
        "sleeps": "waiting",
        "busy": "completed",
        "queues": "queued",
        "pends": "queued",
        "bye": "pending",
    }
    assert shown(states, "states") == ("paused", steps)
    slots_are_free(states, "states")
    assert states("pause", "states").out == f"run {short} is paused already\n"
    assert f"Go on: mplp resume {short}" in states("status", "states").out
    assert "the run is paused" in states("explain", "states", "queues").out
    assert states("runs", "--status", "paused", "-o", "json").document["runs"][0]["status"] == "paused"


def test_a_paused_run_takes_answers_and_goes_on_with_them(states: Terminal) -> None:
    states("pause", "states")
    states.write("go", "")
    assert ended(states)[0] == 3
    said = states("approve", "states")
    assert "mplp resume" in said.err
    states.write("approved", "")
    states.start("resume", "states", "--output", "json")
    until(lambda: shown(states, "states")[1]["asks"] == "completed")
    status, steps = shown(states, "states")
    assert (status, steps["busy"], steps["retries"]) == ("running", "completed", "retrying")
    assert states("kill", "states").code == 0


def test_a_pause_is_taken_back_in_the_process_that_drives_the_run(states: Terminal) -> None:
    short = states.only_run()[:8]
    states("pause", "states")
    said = states("resume", "states")
    assert (said.code, said.out) == (0, f"run {short} is running again\n")
    states.write("go", "")
    until(lambda: shown(states, "states")[1]["queues"] == "completed")
    types = [fact["type"] for fact in facts(states)]
    assert types.count("run.pausing") == types.count("run.continued") == 1
    assert "run.resumed" not in types
    assert states("cancel", "states").code == 0
    assert ended(states)[0] == 4


def facts(terminal: Terminal) -> list[dict[str, Any]]:
    from mplp_cli.render.machine import event_object

    store = terminal.store()
    try:
        return [event_object(seq, "", fact) for seq, fact in store.history(terminal.only_run())]
    finally:
        store.close()


def test_waiting_for_the_rest_waits_until_nothing_runs(states: Terminal) -> None:
    waits = states.start("pause", "states", "--wait", "--output", "json")
    until(lambda: "Pausing" in states("status", "states").out)
    assert waits.poll() is None
    states.write("go", "")
    out, _ = waits.communicate(timeout=60)
    assert (waits.returncode, json.loads(out)["status"]) == (0, "paused")


def test_a_pause_that_somebody_takes_back_is_no_pause(states: Terminal) -> None:
    waits = states.start("pause", "states", "--wait")
    until(lambda: "Pausing" in states("status", "states").out)
    assert states("resume", "states").code == 0
    out, _ = waits.communicate(timeout=60)
    assert (waits.returncode, out) == (1, f"run {states.only_run()[:8]} is running\n")


def test_a_run_that_only_waits_for_a_time_is_paused_at_once(terminal: Terminal) -> None:
    terminal.write("sleeps.yaml", SLEEPS)
    running = terminal.start("run", "sleeps.yaml")
    until(lambda: "waiting" in terminal("status", "sleeps").out)
    assert terminal("pause", "sleeps", "--wait").out == f"run {terminal.only_run()[:8]} is paused\n"
    _, err = running.communicate(timeout=60)
    assert running.returncode == 3
    assert f"paused; to go on: mplp resume {terminal.only_run()}" in err
    assert shown(terminal, "sleeps") == ("paused", {"nap": "waiting", "after": "pending"})


def test_a_run_that_waits_for_a_person_is_paused_without_a_process_of_its_own(terminal: Terminal) -> None:
    assert terminal("run", "ask.yaml").code == 3
    assert terminal("pause", "ask").out == f"run {terminal.only_run()[:8]} is paused\n"
    assert shown(terminal, "ask") == ("paused", {"deploy": "waiting", "after": "pending"})
    assert terminal("resume", "ask").code == 3
    assert shown(terminal, "ask")[0] == "waiting"


def test_an_interrupted_run_is_paused_and_what_was_in_flight_is_queued(states: Terminal) -> None:
    states.started[0].send_signal(signal.SIGKILL)
    states.started[0].wait()
    assert states("pause", "states").code == 0
    status, steps = shown(states, "states")
    assert (status, steps["busy"], steps["queues"]) == ("paused", "queued", "queued")
    slots_are_free(states, "states")
    assert states("doctor").code == 0


def test_a_run_whose_process_dies_while_it_pauses_goes_on_when_it_is_resumed(states: Terminal) -> None:
    states("pause", "states")
    states.started[0].send_signal(signal.SIGKILL)
    states.started[0].wait()
    states.write("go", "")
    states.start("resume", "states", "--output", "json")
    until(lambda: shown(states, "states")[1]["queues"] == "completed")
    assert states("cancel", "states").code == 0


def test_a_run_that_has_ended_cannot_be_paused_or_killed(terminal: Terminal) -> None:
    assert terminal("run", "talks.yaml").code == 0
    for verb in ("pause", "kill"):
        refused = terminal(verb, "talks")
        assert refused.code == 2
        assert "completed already" in refused.err


def test_without_waiting_the_request_to_pause_is_left(states: Terminal) -> None:
    assert states("pause", "states", "--no-wait").out == f"run {states.only_run()[:8]} is pausing\n"
    states.write("go", "")
    assert ended(states)[0] == 3
    both = states("pause", "states", "--wait", "--no-wait")
    assert both.code == 2


# ---- cancel and kill ---------------------------------------------------------------------------


@pytest.mark.parametrize(("verb", "bye"), [("cancel", "completed"), ("kill", "cancelled")])
def test_a_stop_ends_a_step_in_every_state(states: Terminal, verb: str, bye: str) -> None:
    assert states(verb, "states", "--reason", "enough").code == 0
    code, steps = ended(states)
    assert code == 4
    assert steps.pop("bye") == bye
    assert set(steps.values()) == {"cancelled"}
    slots_are_free(states, "states")
    assert states("approvals").out == ""


@pytest.mark.parametrize(("verb", "bye"), [("cancel", "completed"), ("kill", "cancelled")])
def test_a_paused_run_is_ended_and_nothing_of_it_starts(states: Terminal, verb: str, bye: str) -> None:
    states("pause", "states")
    states.write("go", "")
    ended(states)
    assert states(verb, "states").code == 0
    status, steps = shown(states, "states")
    assert (status, steps.pop("bye"), steps.pop("busy")) == ("cancelled", bye, "completed")
    assert set(steps.values()) == {"cancelled"}
    slots_are_free(states, "states")
    logs = {log.name for log in states.directory.glob(".mplp/runs/*/logs/*.log")}
    assert "queues.1.log" not in logs


def test_a_kill_leaves_no_process_behind_and_does_not_wait_for_the_grace(terminal: Terminal) -> None:
    stubborn = """\
workflow:
  id: stubborn
  name: Stubborn
  version: 1.0.0
  grace: 1h
  steps:
    - {id: deaf, type: shell, run: 'trap "" TERM; echo here; while :; do sleep 0.05; done'}
"""
    terminal.write("stubborn.yaml", stubborn)
    running = terminal.start("run", "stubborn.yaml", "--output", "quiet")
    terminal.until_written("here")
    assert terminal("kill", "stubborn").code == 0
    assert running.wait(timeout=30) == 4


def test_an_interrupted_run_is_killed_without_its_secrets(terminal: Terminal) -> None:
    secret = """\
workflow:
  id: secret
  name: Secret
  version: 1.0.0
  secrets: [TOKEN]
  env: {KEY: "${secrets.TOKEN}"}
  steps:
    - {id: up, type: shell, run: 'echo it is up; exec tail -f /dev/null'}
"""
    terminal.write("secret.yaml", secret)
    terminal.env["TOKEN"] = "sesame-sesame"
    running = terminal.start("run", "secret.yaml", "--output", "quiet")
    terminal.until_written("it is up")
    running.send_signal(signal.SIGKILL)
    running.wait()
    del terminal.env["TOKEN"]
    assert terminal("pause", "secret").code == 0
    assert terminal("kill", "secret").code == 0
    assert shown(terminal, "secret") == ("cancelled", {"up": "cancelled"})


@pytest.mark.parametrize(("verb", "lights"), [("cancel", "completed"), ("kill", "cancelled")])
def test_a_run_that_waits_in_finally_can_be_ended(terminal: Terminal, verb: str, lights: str) -> None:
    terminal.write("last.yaml", LAST_WORD)
    assert terminal("run", "last.yaml").code == 3
    assert terminal(verb, "last-word").code == 0
    steps = {"work": "completed", "door": "cancelled", "lights": lights}
    assert shown(terminal, "last-word") == ("cancelled", steps)
    assert terminal("approvals").out == ""


# ---- answers -----------------------------------------------------------------------------------


def test_an_answer_is_heard_by_a_run_with_a_step_in_each_state(states: Terminal) -> None:
    states.write("approved", "")
    assert states("approve", "states").err == ""
    states.write("go", "")
    done: Callable[[], bool] = lambda: shown(states, "states")[1]["asks"] == "completed"  # noqa: E731
    until(done)
    assert states("cancel", "states").code == 0
