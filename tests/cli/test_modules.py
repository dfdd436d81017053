"""The hub from the command line, and what another process feels of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.conftest import Terminal, until

TEN = ("context", "plan", "role", "confirm", "trace", "extension", "dialog", "collab", "network", "core")

#: Makes a context, waits until there is a file, then asks for it.
SLOW = """\
workflow:
  id: slow
  name: Slow
  version: 1.0.0
  steps:
    - {id: make, type: module-operation, module: context, operation: create-context, parameters: {name: a}}
    - {id: hold, type: shell, dependencies: [make], run: 'while [ ! -e go ]; do sleep 0.02; done'}
    - id: read
      type: module-operation
      module: context
      operation: get-context
      dependencies: [hold]
      parameters: {contextId: "${make.result.contextId}"}
"""


#: Asks a person twice.
ASKS = """\
workflow:
  id: asks
  name: Asks
  version: 1.0.0
  steps:
    - {id: first, type: approval, message: first?}
    - {id: second, type: approval, message: second?}
"""


def listed(terminal: Terminal) -> dict[str, Any]:
    return {m["module"]: m for m in terminal("modules", "--output", "json").document["modules"]}


def test_all_modules_of_the_protocol_run_without_having_been_touched(terminal: Terminal) -> None:
    found = listed(terminal)
    assert tuple(found) == TEN
    assert {module["status"] for module in found.values()} == {"running"}
    assert not (terminal.directory / ".mplp").exists(), "a question makes no state"
    assert terminal("modules", "list").out.startswith("MODULE")


def test_a_module_is_stopped_and_started_for_every_process(terminal: Terminal) -> None:
    assert terminal("modules", "stop", "role", "trace").out == "role is stopped\ntrace is stopped\n"
    assert terminal("modules", "status", "role").code == 1
    assert listed(terminal)["role"]["status"] == "stopped"
    refused = terminal("modules", "stop", "role")
    assert (refused.code, refused.err.splitlines()[0]) == (1, "mplp: the module `role` is stopped")
    assert terminal("modules", "restart", "role").out == "role is running\n"
    assert terminal("modules", "status", "role").code == 0


def test_of_several_modules_none_is_moved_if_one_is_not_there(terminal: Terminal) -> None:
    refused = terminal("modules", "stop", "role", "rol")
    assert refused.code == 2
    assert "did you mean" in refused.err.lower()
    assert listed(terminal)["role"]["status"] == "running"


def test_a_module_that_is_needed_blocks_the_others(terminal: Terminal) -> None:
    terminal("modules", "stop", "context")
    ended = terminal("modules", "status", "plan")
    assert (ended.code, ended.out) == (1, "plan is running (blocked: context does not run)\n")
    sent = terminal("modules", "send", "role", "plan", "--type", "list-plans", "--output", "json")
    assert sent.code == 1
    assert "needs `context`" in sent.document["deliveries"][0]["response"]["error"]


def test_a_module_stopped_in_the_middle_of_a_run_fails_its_next_step_and_a_restart_heals(
    terminal: Terminal,
) -> None:
    terminal.write("slow.yaml", SLOW)
    running = terminal.start("run", "slow.yaml", "--output", "json")
    until(lambda: "make" in terminal("modules", "log").out)
    terminal("modules", "stop", "context")
    terminal.write("go", "")
    assert running.wait(20) == 1
    status = terminal("status", "slow", "--output", "json").document
    assert status["steps"]["make"]["status"] == "completed"
    assert status["steps"]["read"]["error"]["type"] == "ModuleStoppedError"
    assert "`context` is stopped" in status["steps"]["read"]["error"]["message"]
    terminal("modules", "restart", "context")
    assert terminal("resume", "slow").code == 0
    log = terminal("modules", "log", "--module", "context", "--output", "json").document["communications"]
    assert [(line["type"], line.get("error", "")[:18]) for line in log] == [
        ("create-context", ""),
        ("get-context", "ModuleStoppedError"),
        ("get-context", ""),
    ]


def test_a_message_is_answered_stored_and_logged(terminal: Terminal) -> None:
    made = terminal(
        "modules", "send", "plan", "context", "--type", "create-context", "--data", '{"name": "a"}',
        "--output", "json",
    )  # fmt: skip
    [delivery] = made.document["deliveries"]
    context = delivery["response"]["data"]["contextId"]
    asked = terminal(
        "modules", "send", "role", "context", "-t", "get-context", "-d", f'{{"contextId": "{context}"}}',
        "--output", "json",
    )  # fmt: skip
    assert asked.document["deliveries"][0]["response"]["data"]["status"] == "active"
    log = terminal("modules", "log", "--output", "json").document["communications"]
    assert [line["kind"] for line in log] == ["call", "message", "call", "message"]
    assert log[1]["correlationId"] == delivery["correlationId"]


def test_a_broadcast_reaches_subscribers_and_says_who_refused(terminal: Terminal) -> None:
    assert terminal("modules", "broadcast", "plan", "--type", "news").out == "nobody listens\n"
    terminal("modules", "subscribe", "trace", "plan", "--type", "news")
    listens = terminal("modules", "subscribe", "role", "plan", "--type", "news").out
    assert listens == "role listens to plan: news\n"
    terminal("modules", "stop", "role")
    ended = terminal("modules", "broadcast", "plan", "--type", "news", "--data", '{"n": 1}')
    assert ended.code == 1
    assert "trace: taken note of" in ended.out
    assert "role: ModuleStoppedError" in ended.out
    terminal("modules", "subscribe", "role", "plan", "--type", "news", "--remove")
    assert terminal("modules", "broadcast", "plan", "--type", "news").out == "trace: taken note of\n"


def test_a_module_is_configured_in_the_project(terminal: Terminal) -> None:
    terminal.write("mplp.yaml", "modules: {network: {autostart: false}}\n")
    assert listed(terminal)["network"]["status"] == "created"
    refused = terminal("modules", "start", "network", "--output", "json")
    assert refused.code == 2
    assert "ModuleNotFoundError" in refused.err
    assert terminal("modules", "initialize", "network").out == "network is initialized\n"
    assert terminal("modules", "start", "network").out == "network is running\n"


def test_a_configuration_that_does_not_fit_is_said_to_be_wrong(terminal: Terminal) -> None:
    terminal.write("mplp.yaml", "modules: {network: {autostat: false}}\n")
    refused = terminal("modules", "show", "network")
    assert refused.code == 2
    assert "`modules.network` in mplp.yaml does not fit" in refused.err
    assert "`autostart`" in refused.err


def test_one_module_is_shown_with_all_that_is_known_of_it(terminal: Terminal) -> None:
    terminal("modules", "subscribe", "trace", "plan", "--type", "plan.created")
    shown = terminal("modules", "show", "plan", "--output", "json").document
    assert shown["needs"] == ["context"]
    assert shown["configuration"]["autostart"] is True
    assert "create-plan" in shown["operations"]
    assert shown["reserved"]["optimizePlanWithAI"] == "optimize-plan-with-ai"
    assert shown["subscribers"] == [{"subscriber": "trace", "publisher": "plan", "type": "plan.created"}]
    assert "trace (plan.created)" in terminal("modules", "show", "plan").out


@pytest.mark.parametrize("data", ["{", "@missing.json"])
def test_data_that_is_none_is_refused(terminal: Terminal, data: str) -> None:
    ended = terminal("modules", "send", "plan", "context", "--type", "x", "--data", data)
    assert ended.code == 2
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("data", ["[1]", '"text"', "7", "false"])
def test_a_message_that_calls_an_operation_carries_a_map(terminal: Terminal, data: str) -> None:
    ended = terminal("modules", "send", "plan", "context", "--type", "list-contexts", "--data", data)
    assert ended.code == 1
    assert "context: OperationError: a message that calls an operation carries a map" in ended.out


@pytest.mark.parametrize("kind", ["", "a b", "\x1b[31mred", "a\nb", "plan.*"])
def test_nobody_listens_to_a_type_that_no_message_can_have(terminal: Terminal, kind: str) -> None:
    ended = terminal("modules", "subscribe", "trace", "plan", "--type", kind)
    assert ended.code == 1
    assert "is no type of message" in ended.err
    assert "\x1b" not in ended.err
    assert (
        terminal("modules", "subscribe", "trace", "plan", "--type", "*").out == "trace listens to plan: *\n"
    )


def test_a_question_comes_to_its_end_although_its_module_was_stopped_meanwhile(terminal: Terminal) -> None:
    terminal.write("asks.yaml", ASKS)
    assert terminal("run", "asks.yaml").code == 3
    terminal("modules", "stop", "confirm")
    assert terminal("approve", "asks", "first", "--by", "ann").code == 0
    assert terminal("resume", "asks").code == 3
    terminal("cancel", "asks")
    listed = terminal("objects", "list", "confirm", "--output", "json").document["objects"]
    assert {one["status"] for one in listed} == {"approved", "cancelled"}
    assert terminal("call", "confirm.list-approvals").code == 1


def test_an_answer_that_the_end_of_the_run_has_overtaken_leaves_no_open_question(terminal: Terminal) -> None:
    terminal.write("asks.yaml", ASKS)
    assert terminal("run", "asks.yaml").code == 3
    terminal("approve", "asks", "first", "--by", "ann")
    terminal("cancel", "asks")
    listed = terminal("objects", "list", "confirm", "--output", "json").document["objects"]
    assert [one["status"] for one in listed] == ["cancelled", "cancelled"]
