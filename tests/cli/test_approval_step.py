"""An approval step, asked, shown, answered and resumed by commands."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Terminal, until
from tests.loading.samples import shared

GATE = """\
workflow:
  id: gate
  name: Gate
  version: 1.0.0
  steps:
    - {id: build, type: set, values: {version: 1.2.3}}
    - id: ask
      type: approval
      message: "Deploy ${build.result.version}?"
      approvers: [ann, bob]
      inputs:
        where: {type: string, enum: [north, south], description: Which region}
        share: {type: integer, default: 10, minimum: 1, maximum: 100}
    - {id: deploy, type: shell, run: 'echo "${ask.result.inputs.where} ${ask.result.inputs.share}" >> effects'}
  outputs: {to: "${ask.result.inputs}", by: "${ask.result.by}"}
"""
#: An index of hostile files, each with what must happen to it.
BAD = shared("badinputs")


@pytest.fixture
def asking(terminal: Terminal) -> Terminal:
    """A run waits for its approval; no process drives it."""
    terminal.write("gate.yaml", GATE)
    ended = terminal("run", "gate.yaml")
    assert ended.code == 3
    assert "mplp approve" in ended.err
    return terminal


def pending(terminal: Terminal) -> dict[str, Any]:
    [asked] = terminal("approvals", "-o", "json").document["approvals"]
    assert isinstance(asked, dict)
    return asked


def effects(terminal: Terminal) -> list[str]:
    file = terminal.directory / "effects"
    return file.read_text().splitlines() if file.exists() else []


def test_the_form_is_shown_as_text_and_json(asking: Terminal) -> None:
    shown = asking("approvals").out
    assert "Deploy 1.2.3? (asks ann, bob)" in shown
    assert 'where: one of "north", "south", required (Which region)' in shown
    assert "share: integer, default 10" in shown
    short = asking.only_run()[:8]
    assert f"mplp approve {short} ask --input where=..." in shown
    asked = pending(asking)
    assert asked["inputs"]["share"] == {"type": "integer", "default": 10, "minimum": 1, "maximum": 100}
    assert len(asked["digest"]) == 32
    assert f"mplp approve {short} ask --input where=..." in asking("status", "gate").out


def test_a_form_that_does_not_fit_decides_nothing(asking: Terminal) -> None:
    for inputs, said in (
        ((), "the input `where` is missing (Which region)"),
        (("-i", "were=north"), "did you mean `where`?"),
        (("-i", "where=nort"), "did you mean `north`?"),
        (("-i", "where=north", "-i", "share=many"), "a whole number is wanted"),
        (("-i", "where=north", "-i", "share=0"), "0 is less than 1"),
        (("-i", "where"), "write NAME=VALUE"),
        (("--inputs", "nowhere.yaml"), "cannot read nowhere.yaml"),
    ):
        ended = asking("approve", "gate", "--by", "ann", *inputs)
        assert ended.code == 2
        assert said in ended.err
    assert pending(asking)["state"] == "pending"


def test_inputs_come_from_a_file_and_are_completed(asking: Terminal) -> None:
    asking.write("form.yaml", "where: south\nshare: 30\n")
    ended = asking(
        "approve", "gate", "ask", "--by", "bob", "--inputs", "form.yaml", "-i", "share=40", "-o", "json"
    )
    assert (ended.code, ended.document["given"]) == (0, {"where": "south", "share": 40})
    ended = asking("resume", "gate", "--output", "json")
    assert ended.code == 0
    assert ended.document["outputs"] == {"to": {"where": "south", "share": 40}, "by": "bob"}
    assert effects(asking) == ["south 40"]
    told = asking("explain", "gate", "ask").out
    assert "It was approved by bob, with where, share." in told
    assert asking("doctor").code == 0


def test_only_those_who_are_asked_may_answer(asking: Terminal) -> None:
    for verb in (("approve", "-i", "where=north"), ("reject", "--reason", "no")):
        ended = asking(verb[0], "gate", *verb[1:], "--by", "anne")
        assert ended.code == 2
        assert "'anne' is not among those who are asked: ann, bob" in ended.err
        assert "did you mean `ann`?" in ended.err
    assert pending(asking)["state"] == "pending"


def test_a_no_fails_the_step_when_the_run_goes_on(asking: Terminal) -> None:
    assert asking("reject", "gate", "--by", "ann", "--reason", "not on a Friday").code == 0
    ended = asking("resume", "gate", "--output", "json")
    assert (ended.code, ended.document["steps"]["ask"]["error"]["type"]) == (1, "RejectedError")
    assert ended.document["steps"]["deploy"]["status"] == "omitted"
    assert effects(asking) == []


def test_a_cancelled_run_takes_its_question_back(asking: Terminal) -> None:
    assert asking("cancel", "gate").code == 0
    [asked] = asking("approvals", "--all", "-o", "json").document["approvals"]
    assert asked["state"] == "withdrawn"
    assert [found.body["status"] for found in asking.store().objects("confirm")] == ["cancelled"]
    ended = asking("approve", "gate", "ask", "--by", "ann", "-i", "where=north")
    assert (ended.code, "withdrawn" in ended.err) == (2, True)


def test_a_run_that_goes_on_hears_the_answer_and_the_form(terminal: Terminal) -> None:
    busy = "    - {id: busy, type: shell, run: 'until test -e stop; do sleep 0.05; done'}\n"
    terminal.write("gate.yaml", GATE.replace("  outputs:", busy + "  outputs:"))
    running = terminal.start("run", "gate.yaml", "--output", "json")
    until(lambda: terminal("approvals", "-o", "json").document["approvals"])
    said = terminal("approve", "gate", "--by", "ann", "-i", "where=north")
    assert (said.code, said.err) == (0, "")
    until(lambda: effects(terminal) == ["north 10"])
    terminal.write("stop", "")
    assert running.wait() == 0


def test_an_answer_survives_a_kill_before_and_after_it_is_heard(terminal: Terminal) -> None:
    busy = "    - {id: busy, type: shell, run: 'until test -e stop; do sleep 0.05; done'}\n"
    terminal.write("gate.yaml", GATE.replace("  outputs:", busy + "  outputs:"))
    running = terminal.start("run", "gate.yaml")
    until(lambda: terminal("approvals", "-o", "json").document["approvals"])
    os.kill(running.pid, signal.SIGSTOP)
    assert terminal("approve", "gate", "--by", "ann", "-i", "where=north").code == 0
    os.kill(running.pid, signal.SIGKILL)  # it has not heard
    running.wait()
    resumed = terminal.start("resume", "gate")
    until(lambda: effects(terminal) == ["north 10"])
    os.kill(resumed.pid, signal.SIGKILL)
    resumed.wait()
    terminal.write("stop", "")
    assert terminal("resume", "gate").code == 0
    assert effects(terminal) in (["north 10"], ["north 10"] * 2)  # at work when it was killed: tried again
    assert terminal("logs", "gate", "ask").code == 0
    [asked] = terminal("approvals", "--all", "-o", "json").document["approvals"]
    assert (asked["state"], asked["given"]) == ("approved", {"where": "north", "share": 10})


# ---- replayed answers --------------------------------------------------------------------------


@pytest.mark.skipif(BAD is None, reason="the sample of bad inputs is not here")
def test_no_answer_counts_twice_nor_for_another_question(terminal: Terminal) -> None:
    assert BAD is not None
    text = (BAD / "84-approval-replay.yaml").read_text()
    terminal.write("demo.yaml", text)
    assert terminal("run", "demo.yaml").code == 3
    first = pending(terminal)
    assert terminal("run", "demo.yaml").code == 3
    both = terminal("approvals", "-o", "json").document["approvals"]
    [second] = [asked for asked in both if asked["runId"] != first["runId"]]
    one, other = first["runId"], second["runId"]

    foreign = terminal(
        "approve", other, "ok", "--digest", first["digest"]
    )  # the answer to another run's question
    assert foreign.code == 2
    assert "asks something else" in foreign.err
    assert terminal("approve", one, "ok", "--digest", first["digest"]).code == 0
    twice = terminal("approve", one, "ok", "--digest", first["digest"])
    assert twice.code == 2
    assert "was approved" in twice.err
    terminal.write("demo.yaml", text.replace("echo run", "echo edited"))  # the file, edited in between
    assert terminal("resume", one).code == 0
    assert effects(terminal) == ["run"]
    assert terminal("approve", one, "ok").code == 2
    assert "completed already" in terminal("resume", one).err

    assert terminal("reject", other, "ok", "--digest", second["digest"], "--reason", "no").code == 0
    assert terminal("approve", other, "ok", "--digest", second["digest"]).code == 2
    assert terminal("resume", other).code == 1  # a failed run that is resumed asks anew, under another digest
    assert terminal("resume", other).code == 3
    assert pending(terminal)["digest"] != second["digest"]
    stale = terminal("approve", other, "ok", "--digest", second["digest"])
    assert stale.code == 2
    assert effects(terminal) == ["run"]
    assert Path(terminal.directory / "effects").read_text() == "run\n"
