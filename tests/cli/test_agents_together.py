"""Agents that talk and work together in runs: also when the process is killed in the middle, and as an export."""

from __future__ import annotations

import json
import signal

import pytest

from tests.cli.conftest import Terminal

#: Leaves a line for each question, and kills the run that asks it for the third time, once.
SPEAKER = """\
import json, os, pathlib, signal, sys
asked = json.load(sys.stdin)["input"]
with open("asked", "a") as marks:
    marks.write(f"{asked['turn']} {asked['you']}\\n")
if asked["turn"] == 3 and not pathlib.Path("killed").exists():
    pathlib.Path("killed").touch()
    os.kill(os.getppid(), signal.SIGKILL)
print(json.dumps({"text": f"{asked['you']} heard {len(asked['messages'])}", "done": asked["turn"] == 5}))
"""

TALK = """\
workflow:
  id: talk
  name: Talk
  version: 1.0.0
  steps:
    - {id: context, type: module-operation, module: context, operation: create-context, parameters: {name: T}}
    - id: talk
      type: module-operation
      module: dialog
      operation: facilitate-communication
      parameters:
        contextId: ${context.result.contextId}
        participants:
          - {role: first, participantId: ann, agentId: speaker}
          - {role: olga}
          - {role: second, participantId: ben, agentId: other}
        maxTurns: 8
  outputs: {turns: "${talk.result.turns}", why: "${talk.result.stopReason}", said: "${talk.result.dialog.messages}"}
agents:
  - {id: speaker, kind: command, command: [python3, speaker.py]}
  - {id: other, kind: command, command: [python3, speaker.py]}
"""

WORK = """\
workflow:
  id: work
  name: Work
  version: 1.0.0
  inputs: {mode: {type: string}}
  steps:
    - {id: context, type: module-operation, module: context, operation: create-context, parameters: {name: T}}
    - id: roles
      type: module-operation
      module: role
      operation: assign-roles
      parameters:
        contextId: ${context.result.contextId}
        roles: [orchestrator, author]
        agents: {orchestrator: head, author: hand}
    - id: session
      type: module-operation
      module: collab
      operation: create-collab
      parameters:
        contextId: ${context.result.contextId}
        title: S
        mode: ${inputs.mode}
        participants: ${roles.result.assignments}
    - id: work
      type: module-operation
      module: collab
      operation: run-collab
      parameters: {collabId: "${session.result.collabId}", task: Do it, maxTurns: 2}
    - id: turn
      type: module-operation
      module: collab
      operation: dispatch-turn
      dependencies: [work]
      parameters:
        collabId: ${session.result.collabId}
        roleId: ${roles.result.assignments[0].roleId}
        task: last
        onFailure: record
    - id: vote
      type: module-operation
      module: collab
      operation: propose-decision
      dependencies: [turn]
      parameters: {collabId: "${session.result.collabId}", question: Good?, options: [fine, bad], agents: true}
    - id: decide
      type: module-operation
      module: collab
      operation: finalize-decision
      parameters: {collabId: "${session.result.collabId}", decisionId: "${vote.result.decisionId}"}
    - id: end
      type: module-operation
      module: collab
      operation: end-collab
      dependencies: [decide]
      parameters: {collabId: "${session.result.collabId}"}
  outputs: {turns: "${work.result.turns}", choice: "${decide.result.choice}", last: "${turn.result.result}"}
agents:
  - id: head
    kind: mock
    script:
      - {when: {task: last}, error: {code: agent.remote, message: tired}}
      - {when: {question: "*"}, reply: {choice: fine}}
      - {when: {turn: 2}, reply: {done: true, approved: true}}
    default: {next: author, approved: true}
  - id: hand
    kind: mock
    script: [{when: {question: "*"}, reply: {choice: bad, weight: 0.5}}]
    default: {approved: true}
"""


def test_a_talk_that_is_killed_goes_on_with_the_turn_that_was_under_way(terminal: Terminal) -> None:
    terminal.write("speaker.py", SPEAKER)
    terminal.write("talk.yaml", TALK)
    running = terminal.start("run", "talk.yaml", "--output", "json")
    assert running.wait(60) == -signal.SIGKILL
    ended = terminal("resume", "talk", "--output", "json")
    assert ended.code == 0, ended.err
    outputs = ended.document["outputs"]
    assert (outputs["turns"], outputs["why"]) == (5, "until")
    assert [message["content"] for message in outputs["said"][1:]] == [
        f"{name} heard {n}" for n, name in enumerate(["ann", "ben", "ann", "ben", "ann"])
    ]
    marks = (terminal.directory / "asked").read_text().splitlines()
    assert marks == ["1 ann", "2 ben", "3 ann", "3 ann", "4 ben", "5 ann"]


@pytest.mark.parametrize("mode", ["round_robin", "broadcast", "orchestrated", "swarm", "pair"])
def test_what_agents_do_together_is_a_session_of_the_protocol(terminal: Terminal, mode: str) -> None:
    terminal.write("work.yaml", WORK)
    ended = terminal("run", "work.yaml", "-i", f"mode={mode}", "--output", "json")
    assert ended.code == 0, ended.err
    outputs = ended.document["outputs"]
    assert (outputs["choice"], outputs["last"]["error"]["code"]) == ("fine", "agent.remote")
    assert terminal("export", "work", "--out", "out").code == 0
    verified = terminal("verify", "out", "--output", "json")
    assert (verified.code, verified.document["problems"]) == (0, [])
    manifest = json.loads((terminal.directory / "out" / "manifest.json").read_text())
    assert manifest["profiles"]["map"]["status"] == "complete"
    lines = (terminal.directory / "out" / "events.ndjson").read_text().splitlines()
    turns = [event for event in map(json.loads, lines) if event["event_type"].startswith("MAPTurn")]
    assert [event["event_type"] for event in turns] == ["MAPTurnDispatched", "MAPTurnCompleted"] * (
        len(outputs["turns"]) + 1
    )
    assert len(outputs["turns"]) == (1 if mode in ("orchestrated", "swarm") else 2)


def test_agents_that_are_not_there_are_found_before_the_run(terminal: Terminal) -> None:
    wrong = TALK.replace("agentId: other", "agentId: othr").replace("maxTurns: 8", "moderator: mo")
    terminal.write("speaker.py", SPEAKER)
    terminal.write("talk.yaml", wrong)
    found = terminal("validate", "talk.yaml", "--output", "json").document["problems"]
    assert [(one["code"], one["message"]) for one in found] == [
        ("agent-unknown", "no agent is called `othr`"),
        ("agent-unknown", "no agent is called `mo`"),
    ]
    assert found[0]["hint"].startswith("did you mean `other`?")
