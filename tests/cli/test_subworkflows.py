"""Sub-workflows as somebody at a terminal sees them: killed, cancelled, asked, looked at, deleted."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from mplp_cli.workflow.fold.history import RunStarted
from tests.cli.conftest import ASK, Terminal, until

MAIN = """\
workflow:
  id: main
  name: Main
  version: 1.0.0
  steps:
    - {id: before, type: shell, run: echo before >> done.txt}
    - {id: call, type: workflow, file: parts/sub.yaml, dependencies: [before], inputs: {word: two}}
    - {id: after, type: shell, run: 'echo "after ${call.result.said}" >> done.txt'}
  finally:
    - {id: bye, type: shell, run: echo main-bye >> done.txt}
"""

#: Its second step waits until there is a file called `go`.
SUB = """\
workflow:
  id: sub
  name: Sub
  version: 1.0.0
  grace: 200ms
  inputs: {word: {type: string}}
  steps:
    - {id: one, type: shell, run: echo one >> done.txt}
    - id: two
      type: shell
      dependencies: [one]
      run: |
        echo "it is up"
        until test -e go; do sleep 0.05; done
        echo ${inputs.word} >> done.txt
        echo well
  outputs: {said: "${two.result.output | length}"}
  finally:
    - {id: bye, type: shell, run: echo sub-bye >> done.txt}
"""

#: Prints a secret.
SAYS = """\
workflow:
  id: sub
  name: Sub
  version: 1.0.0
  secrets: [TOKEN]
  steps:
    - {id: say, type: shell, env: {T: "${secrets.TOKEN}"}, run: echo is $T}
  outputs: {said: "${say.result.output}"}
"""

ASKS = MAIN.replace("parts/sub.yaml", "ask.yaml").replace(", inputs: {word: two}", "").replace("said", "seen")


@pytest.fixture
def family(terminal: Terminal) -> Terminal:
    (terminal.directory / "parts").mkdir()
    terminal.write("main.yaml", MAIN)
    terminal.write("parts/sub.yaml", SUB)
    return terminal


def runs(terminal: Terminal) -> dict[str, dict[str, Any]]:
    """The newest run of each workflow."""
    found = terminal("runs", "--all", "--output", "json").document["runs"]
    return {run["workflowId"]: run for run in reversed(found)}


def done(terminal: Terminal) -> list[str]:
    return (terminal.directory / "done.txt").read_text("utf-8").splitlines()


def test_a_run_killed_inside_its_sub_workflow_goes_on_there(family: Terminal) -> None:
    running = family.start("run", "main.yaml", "--output", "quiet")
    family.until_written("it is up")
    running.send_signal(signal.SIGKILL)
    running.wait()
    before = runs(family)
    assert {name: run["status"] for name, run in before.items()} == {
        "main": "interrupted",
        "sub": "interrupted",
    }

    refused = family("resume", before["sub"]["runId"])
    assert refused.code == 2
    assert f"mplp resume {before['main']['runId'][:8]}" in refused.err
    family.write("parts/sub.yaml", "this is no workflow any more")
    family.write("go", "")
    ended = family("resume", "main", "--output", "json")
    assert (ended.code, ended.document["status"]) == (0, "completed"), ended.err
    assert done(family) == ["before", "one", "two", "sub-bye", "after 13", "main-bye"]
    after = runs(family)
    assert after["sub"]["runId"] == before["sub"]["runId"]
    assert after["sub"]["parent"] == {"runId": after["main"]["runId"], "step": "call"}


def test_a_resume_after_a_failure_goes_on_inside(family: Terminal) -> None:
    family.write("parts/sub.yaml", SUB.replace("until test -e go; do sleep 0.05; done", "test -e go"))
    failed = family("run", "main.yaml")
    assert failed.code == 1
    assert "SubworkflowError" in failed.err
    assert "`two`: exit code 1" in failed.err
    family.write("go", "")
    assert family("resume", "main").code == 0
    assert done(family) == ["before", "one", "sub-bye", "main-bye", "two", "sub-bye", "after 13", "main-bye"]


def test_cancel_reaches_the_process_of_a_step_inside(family: Terminal) -> None:
    running = family.start("run", "main.yaml", "--output", "quiet")
    family.until_written("it is up")
    assert family("cancel", "main").code == 0
    assert running.wait() == 4
    assert done(family) == ["before", "one", "sub-bye", "main-bye"]
    assert [run["status"] for run in runs(family).values()] == ["cancelled", "cancelled"]


def test_cancelling_the_sub_workflow_fails_the_step_and_says_so(family: Terminal) -> None:
    running = family.start("run", "main.yaml", "--output", "json")
    family.until_written("it is up")
    assert family("cancel", "sub", "--reason", "wrong word").code == 0
    out, _ = running.communicate()
    assert running.returncode == 1
    error = json.loads(out)["steps"]["call"]["error"]
    assert error["type"] == "SubworkflowCancelledError"
    assert error["message"] == f"run {runs(family)['sub']['runId']} of `sub` was cancelled: wrong word"


def test_lines_say_which_steps_stand_inside(family: Terminal) -> None:
    family.write("go", "")
    said = family("run", "main.yaml").err
    assert "call/two │ well" in said
    assert "call/two completed" in said
    assert "call completed" in said
    assert said.count("main completed") == 1
    assert "sub completed" not in said


def test_what_belongs_together_is_shown_together(family: Terminal) -> None:
    family.write("go", "")
    assert family("run", "main.yaml", "--output", "quiet").code == 0
    both = runs(family)
    main, sub = both["main"]["runId"], both["sub"]["runId"]
    assert [run["workflowId"] for run in family("runs", "-o", "json").document["runs"]] == ["main"]
    assert f"sub of {main[:8]} call" in family("runs", "--all").out

    child = {"runId": sub, "step": "call", "workflowId": "sub", "status": "completed"}
    document = family("status", "main", "-o", "json").document
    assert (document.get("parent"), document["children"]) == (None, [child])
    assert family("status", sub, "-o", "json").document["parent"] == {"runId": main, "step": "call"}
    assert f"sub-workflow of step call of run {main}" in family("status", sub).out
    assert sub[:8] in family("status", main).out
    assert family("explain", main, "call", "-o", "json").document["runs"] == [child]
    assert family("logs", sub, "two").out == "it is up\nwell\n"
    assert f"`mplp logs {sub[:8]}`" in family("logs", main, "call").err
    assert family("plan", "main.yaml", "-o", "json").document["steps"]["call"]["file"] == "parts/sub.yaml"

    assert family("doctor").code == 0
    assert (
        family("runs", "prune", "--keep", "0", "--yes", "-o", "json").document["deleted"][0]["runId"] == main
    )
    assert runs(family) == {}
    assert list(family.directory.glob(".mplp/runs/*")) == []


def test_without_a_store_it_runs_as_well(family: Terminal) -> None:
    family.write("go", "")
    assert family("run", "main.yaml", "--ephemeral").code == 0
    assert done(family) == ["before", "one", "two", "sub-bye", "after 13", "main-bye"]
    assert not (family.directory / ".mplp").exists()


def test_secrets_are_there_inside_and_masked_everywhere(terminal: Terminal) -> None:
    terminal.write(
        "main.yaml", MAIN.replace("parts/sub.yaml", "sub.yaml").replace(", inputs: {word: two}", "")
    )
    terminal.write("sub.yaml", SAYS)
    missing = terminal("run", "main.yaml")
    assert (missing.code, runs(terminal)) == (2, {})
    assert "TOKEN" in missing.err
    terminal.env["TOKEN"] = "tremendously"
    ended = terminal("run", "main.yaml", "--output", "json")
    assert ended.code == 0, ended.err
    assert ended.document["result"]["call"] == {"said": "is ***"}
    everything = [path.read_bytes() for path in terminal.directory.rglob("*") if path.is_file()]
    assert not any(b"tremendously" in text for text in everything)


# ---- questions


@pytest.fixture
def asking(terminal: Terminal) -> Terminal:
    """A run waits for an answer in its sub-workflow; no process drives it."""
    terminal.write("main.yaml", ASKS)
    terminal.write("ask.yaml", ASK)
    assert terminal("run", "main.yaml").code == 3
    return terminal


def test_a_question_inside_is_answered_there_and_the_outer_run_is_resumed(asking: Terminal) -> None:
    both = runs(asking)
    main, inner = both["main"]["runId"], both["ask"]["runId"]
    assert (both["main"]["status"], both["ask"]["status"]) == ("waiting", "waiting")
    [asked] = asking("approvals", "-o", "json").document["approvals"]
    assert (asked["runId"], asked["parent"]) == (inner, {"runId": main, "step": "call"})
    assert asking("approvals", "--run", main, "-o", "json").document["approvals"] == [asked]
    assert f"{inner[:8]} of {main[:8]}" in asking("approvals").out
    assert f"mplp approve {inner[:8]} deploy" in asking("status", main).out
    assert f"run {inner} waits for a person (ann): Deploy anyway?" in " ".join(
        asking("explain", main, "call").out.split()
    )

    elsewhere = asking("approve", main)
    assert elsewhere.code == 2
    assert inner[:8] in elsewhere.err
    asking.write("approved", "by hand")
    said = asking("approve", inner, "--by", "ann")
    assert said.code == 0
    assert f"mplp resume {main[:8]}" in said.err
    assert asking("resume", main).code == 0
    assert done(asking) == ["before", "after by hand", "main-bye"]


def test_a_run_that_waits_inside_is_cancelled_whole(asking: Terminal) -> None:
    assert asking("cancel", "main").code == 0
    assert [run["status"] for run in runs(asking).values()] == ["cancelled", "cancelled"]
    assert asking("approvals", "-o", "json").document["approvals"] == []
    assert asking("doctor").code == 0


def test_an_answer_is_heard_while_the_process_is_busy_with_something_else(terminal: Terminal) -> None:
    busy = "    - {id: busy, type: shell, run: 'until test -e go; do sleep 0.05; done'}\n"
    terminal.write("main.yaml", ASKS.replace("  finally:", f"{busy}  finally:"))
    terminal.write("ask.yaml", ASK)
    running = terminal.start("run", "main.yaml", "--output", "json")
    until(lambda: terminal("approvals", "-o", "json").document["approvals"])
    terminal.write("approved", "by hand")
    said = terminal("approve", "ask", "--by", "ann")
    assert (said.code, said.err) == (0, "")
    until(lambda: "after by hand" in done(terminal))
    terminal.write("go", "")
    out, _ = running.communicate()
    assert (running.returncode, json.loads(out)["status"]) == (0, "completed")


def test_a_pause_inside_is_taken_back_with_that_of_the_outer_run(terminal: Terminal) -> None:
    busy = "    - {id: busy, type: shell, run: 'until test -e go; do sleep 0.05; done'}\n"
    waits = "    - {id: news, type: wait, event: {type: news}}\n"
    terminal.write(
        "main.yaml", MAIN.replace("parts/sub.yaml", "sub.yaml").replace("  finally:", f"{busy}  finally:")
    )
    inner = SUB.replace("  steps:\n", f"  steps:\n{waits}").replace(
        "until test -e go; do sleep 0.05; done", ":"
    )
    terminal.write("sub.yaml", inner)
    running = terminal.start("run", "main.yaml", "--output", "quiet")
    until(lambda: (terminal.directory / "done.txt").exists() and "one" in done(terminal))
    assert terminal("pause", "main", "--no-wait").code == 0
    until(lambda: runs(terminal)["sub"]["status"] == "paused")
    assert terminal("resume", "main").code == 0
    until(lambda: runs(terminal)["sub"]["status"] == "running")
    assert terminal("events", "emit", "news").code == 0
    terminal.write("go", "")
    assert running.wait() == 0
    assert "two" in done(terminal)


def test_a_foreach_inside_is_told_item_by_item_and_has_the_priority_of_the_run(terminal: Terminal) -> None:
    terminal.write("inner.yaml", EACH)
    head = "workflow: {id: outer, name: O, version: 1.0.0, steps: "
    terminal.write("outer.yaml", head + "[{id: all, type: workflow, file: inner.yaml}]}\n")
    ended = terminal("run", "outer.yaml", "--priority", "7")
    assert ended.code == 0
    assert "each[1].asks completed" in ended.out + ended.err
    store = terminal.store()
    for record in store.runs():
        [(_, first), *_] = store.history(record.id)
        assert isinstance(first, RunStarted)
        assert first.priority == 7


EACH = """\
workflow:
  id: inner
  name: Inner
  version: 1.0.0
  steps:
    - id: each
      type: foreach
      items: [1, 2]
      steps:
        - {id: asks, type: shell, run: echo asked}
"""
