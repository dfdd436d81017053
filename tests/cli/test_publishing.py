"""Where what is published goes when no server is there: commands deliver, and start what is triggered."""

from __future__ import annotations

import json
from typing import Any

from tests.cli.conftest import Terminal, until

ROUTED = """\
events:
  routes:
    - {id: audit, match: {type: "run.*"}, target: {file: audit.jsonl}}
    - {id: built, match: {type: build.done, where: "data.n > 1"}, target: {file: built.jsonl}}
"""

TELLS = """\
workflow:
  id: tells
  name: Tells
  version: 1.0.0
  events:
    routes:
      - {id: own, match: {type: "step.*"}, target: {file: own.jsonl}}
  steps:
    - {id: a, type: shell, run: echo hi}
    - {id: b, type: emit, dependencies: [a], event: {type: build.done, data: {n: 2}}}
"""

TRIGGERED = """\
workflow:
  id: triggered
  name: Triggered
  version: 1.0.0
  inputs: {tag: {type: string}}
  triggers:
    - {id: tagged, on: event, where: {type: "git.tag.*"}, inputs: {tag: "${event.data.name}"}}
  steps:
    - {id: a, type: shell, run: 'echo "${inputs.tag}" >> tags'}
"""


def lines(terminal: Terminal, name: str) -> list[dict[str, Any]]:
    file = terminal.directory / name
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def types(terminal: Terminal, name: str) -> list[str]:
    return [line["type"] for line in lines(terminal, name)]


def test_a_run_delivers_for_the_project_and_for_its_own_workflow(terminal: Terminal) -> None:
    terminal.write("mplp.yaml", ROUTED)
    terminal.write("tells.yaml", TELLS)
    assert terminal("run", "tells.yaml").code == 0
    assert types(terminal, "audit.jsonl") == ["run.started", "run.completed"]
    assert [line["data"] for line in lines(terminal, "built.jsonl")] == [{"n": 2}]
    assert types(terminal, "own.jsonl") == ["step.started", "step.completed", "step.completed"]
    assert {line["source"] for line in lines(terminal, "own.jsonl")} == {
        line["source"] for line in lines(terminal, "audit.jsonl")
    }
    assert terminal("run", "tells.yaml").code == 0
    assert len(types(terminal, "own.jsonl")) == 6


def test_an_event_that_somebody_emits_is_delivered_and_starts_what_it_triggers(terminal: Terminal) -> None:
    terminal.write("mplp.yaml", ROUTED)
    terminal.write("tells.yaml", TELLS)
    terminal.write("triggered.yaml", TRIGGERED)
    assert terminal("run", "tells.yaml").code == 0
    small = terminal("events", "emit", "build.done", "--data", '{"n": 1}')
    large = terminal("events", "emit", "build.done", "--data", '{"n": 3}', "--source", "ci", "--id", "4711")
    assert (small.code, large.code) == (0, 0)
    assert [line["data"]["n"] for line in lines(terminal, "built.jsonl")] == [2, 3]
    tagged = ("events", "emit", "git.tag.created", "--data", '{"name": "v1"}', "--source", "ci", "--id", "1")
    first = terminal(*tagged)
    assert (first.code, first.out) == (0, "1\n")
    assert "triggered was started" in first.err
    assert terminal(*tagged).code == 0
    until(lambda: terminal("status", "triggered", "-o", "json").document["status"] == "completed")
    assert (terminal.directory / "tags").read_text() == "v1\n"
    # The process of that run delivers what it tells.
    run = terminal("status", "triggered", "-o", "json").document["runId"]
    ends = ("run.completed", f"mplp/triggered/{run}")
    until(lambda: ends in [(line["type"], line["source"]) for line in lines(terminal, "audit.jsonl")])
    assert terminal("status", "triggered", "-o", "json").document["cause"] == {
        "by": "trigger:tagged",
        "event": "1",
    }
