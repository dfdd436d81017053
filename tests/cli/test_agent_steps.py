"""Steps that ask agents, and agents that are asked without a workflow, as a user does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Terminal, until
from tests.conftest import Ended

Command = Callable[..., Ended]
HOSTILE = "[red]x[/red] ${secrets.A} $(touch made) `touch made` '; touch made #"

AGENTS = """
agents:
  - {id: echo, kind: command, command: [cat], capabilities: [text.echo], repair-attempts: 0}
  - {id: hang, kind: command, command: [sh, -c, "sleep 600 & sleep 600"], timeout: 200ms}
  - id: flaky
    kind: mock
    script: [{when: {attempt: 1}, error: {code: agent.rate_limited, message: later}}]
    default: fine
"""


def write(folder: Path, steps: str, agents: str = AGENTS, outputs: str = "{}") -> str:
    text = (
        f"workflow:\n  id: w\n  name: W\n  version: 1.0.0\n  outputs: {outputs}\n  steps:\n{steps}\n{agents}"
    )
    (folder / "w.yaml").write_text(text)
    return "w.yaml"


def run(mplp: Command, tmp_path: Path, steps: str, **more: str) -> tuple[Ended, Any]:
    ended = mplp("run", write(tmp_path, steps, **more), "--output", "json")
    return ended, ended.document


def test_the_answer_is_the_result_and_hostile_text_stays_text(mplp: Command, tmp_path: Path) -> None:
    (tmp_path / "hostile").write_text(HOSTILE)
    steps = """
    - {id: text, type: shell, run: cat hostile}
    - {id: a, type: agent, agent: echo, input: {said: "${text.result.output}"}}
    - {id: b, type: agent, capability: "text.*", input: "${a.result.said}", dependencies: [a]}
    """
    ended, document = run(mplp, tmp_path, steps, outputs='{all: "${b.result}"}')
    assert (ended.code, document["outputs"]["all"]) == (0, HOSTILE), ended.err
    assert not (tmp_path / "made").exists()


def test_an_answer_that_does_not_fit_fails_the_step_with_its_place(mplp: Command, tmp_path: Path) -> None:
    steps = """
    - id: a
      type: agent
      agent: echo
      input: {n: one}
      result-schema: {type: object, properties: {n: {type: integer}}}
    """
    ended, document = run(mplp, tmp_path, steps)
    error = document["steps"]["a"]["error"]
    assert (ended.code, error["type"], error["details"]["code"]) == (1, "AgentError", "agent.output_invalid")
    assert (error["details"]["path"], error["details"]["got"]) == ("$.n", '"one"')


def test_a_reference_into_an_answer_is_judged_by_its_schema(mplp: Command, tmp_path: Path) -> None:
    steps = """
    - id: a
      type: agent
      agent: echo
      input: {n: 1}
      result-schema: {type: object, required: [n], properties: {n: {type: integer}}, additionalProperties: false}
    - {id: b, type: set, values: {m: "${a.result.m}"}}
    """
    ended = mplp("validate", write(tmp_path, steps), "--output", "json")
    assert [one["code"] for one in ended.document["problems"]] == ["ref-unknown-field"]


def test_a_retry_asks_again(mplp: Command, tmp_path: Path) -> None:
    steps = """
    - {id: a, type: agent, agent: flaky, prompt: hello, retry-policy: {max-retries: 2, initial-delay: 10ms}}
    """
    ended, document = run(mplp, tmp_path, steps)
    assert (ended.code, document["steps"]["a"]["attempts"], document["result"]["a"]) == (0, 2, "fine")


def test_an_agent_that_hangs_is_given_up(mplp: Command, tmp_path: Path) -> None:
    steps = "    - {id: a, type: agent, agent: hang, prompt: hello, retry-policy: {max-retries: 0}}"
    ended, document = run(mplp, tmp_path, steps)
    error = document["steps"]["a"]["error"]
    assert (ended.code, error["details"]["code"]) == (1, "agent.timeout")
    assert error["message"] == "agent `hang` gave no answer within 0.2s"


def test_whom_an_operation_is_to_ask_is_looked_for_before_the_run(mplp: Command, tmp_path: Path) -> None:
    steps = """
    - id: a
      type: module-operation
      module: confirm
      operation: request-approval
      parameters: {advisers: [{agent: echo}, {agent: ecko}, {capability: text.ekho}]}
    - id: b
      type: module-operation
      module: role
      operation: assign-roles
      parameters: {contextId: "${run.id}", roles: [r], select: "agent:ecko"}
    """
    ended = mplp("validate", write(tmp_path, steps), "--output", "json")
    found = [(one["code"], one["path"][4:]) for one in ended.document["problems"]]
    assert found == [
        ("agent-unknown", ["advisers", 1, "agent"]),
        ("agent-capability", ["advisers", 2, "capability"]),
        ("agent-unknown", ["select"]),
    ]


def test_the_log_says_who_answered(mplp: Command, tmp_path: Path) -> None:
    run(
        mplp,
        tmp_path,
        "    - {id: a, type: agent, agent: flaky, prompt: hi, retry-policy: {max-retries: 1, initial-delay: 10ms}}",
    )
    assert "agent flaky answered with mock" in mplp("logs", "w").out


@pytest.mark.parametrize(
    ("step", "code", "words"),
    [
        ("agent: ecko, prompt: x", "agent-unknown", "did you mean `echo`?"),
        ("capability: text.ekho, prompt: x", "agent-capability", "they offer: text.echo"),
        ("capability: [text.echo, text.judge], prompt: x", "agent-capability", "they offer: text.echo"),
        ("agent: echo", "rule-agent", "`prompt`"),
        ("prompt: x", "schema-missing-key", "`agent`"),
        ("agent: echo, capability: text.echo, prompt: x", "schema-conflict", "keep `agent` or `capability`"),
        ("agent: ECHO, prompt: x", "schema-form", ""),
    ],
)
def test_a_step_that_asks_wrongly_is_found_before_the_run(
    mplp: Command, tmp_path: Path, step: str, code: str, words: str
) -> None:
    ended = mplp("validate", write(tmp_path, f"    - {{id: a, type: agent, {step}}}"), "--output", "json")
    assert ended.code == 1
    [problem] = ended.document["problems"]
    assert (problem["code"], problem["line"]) == (code, 7)
    assert words in problem["hint"] + problem["message"]


def test_a_file_without_agents_is_told_so(mplp: Command, tmp_path: Path) -> None:
    ended = mplp("validate", write(tmp_path, "    - {id: a, type: agent, agent: x, prompt: y}", agents=""))
    assert "no agent is defined" in ended.out + ended.err


def test_a_run_that_was_killed_goes_on_with_what_it_has_spent(
    terminal: Terminal,
) -> None:
    agents = """
budgets: {x: {max-calls: 3}}
agents:
  - {id: echo, kind: command, command: [cat], output: text, input: text, budget: x}
  - {id: gate, kind: command, command: [sh, -c, "test -e open || sleep 600; cat"], output: text, budget: x}
"""
    steps = """
    - {id: a, type: agent, agent: echo, prompt: hi}
    - {id: b, type: agent, agent: gate, prompt: hi, dependencies: [a]}
    - {id: c, type: agent, agent: echo, prompt: hi, dependencies: [b]}
    """
    write(terminal.directory, steps, agents)
    running = terminal.start("run", "w.yaml")
    until(lambda: _status_of(terminal, "b") == "running")
    running.kill()
    running.wait()
    (terminal.directory / "open").touch()
    document = terminal("resume", "w", "--output", "json").document
    assert document["steps"]["c"]["error"]["details"]["code"] == "budget.exceeded"
    assert (document["agents"]["calls"], document["agents"]["lost"]) == (2, 1)
    [asked] = terminal("explain", "w", "b", "--output", "json").document["agents"]
    assert (asked["agent"], asked["budget"], asked["calls"]) == ("gate", "x", 1)
    assert "2 calls of agents, and 1 call lost with its process" in terminal("resume", "w").err


SUB = """
workflow:
  id: sub
  name: Sub
  version: 1.0.0
  execution: sequential
  steps:
    - {id: a, type: agent, agent: echo, prompt: hi}
    - {id: gate, type: shell, run: "test -e open || sleep 600"}
    - {id: b, type: agent, agent: %s, prompt: hi}
%s
"""
PROJECT = """
version: 1
budgets: {x: {max-calls: 4, on-exceed: %s}}
agents: [{id: echo, kind: mock, default: fine, budget: x}]
"""
TWICE = """
    - {id: one, type: workflow, file: sub.yaml}
    - {id: mid, type: agent, agent: echo, prompt: hi, dependencies: [one]}
    - {id: two, type: workflow, file: sub.yaml, dependencies: [mid]}
"""


def family(terminal: Terminal, exceeded: str, agent: str = "echo", more: str = "") -> None:
    (terminal.directory / "agents.yaml").write_text(PROJECT % exceeded)
    (terminal.directory / "sub.yaml").write_text(SUB % (agent, more))
    write(terminal.directory, TWICE, agents="")


def test_sub_workflows_spend_from_the_budgets_of_their_parent_also_after_a_kill(terminal: Terminal) -> None:
    family(terminal, "stop")
    running = terminal.start("run", "w.yaml")
    until(lambda: "gate" in terminal("status", "sub").out)
    running.kill()
    running.wait()
    (terminal.directory / "open").touch()
    document = terminal("resume", "w", "--output", "json").document
    assert document["steps"]["mid"]["status"] == "completed"
    said = document["steps"]["two"]["error"]["message"]  # its first call was the fourth
    assert "the budget `x` allows 4 calls: 4 calls spent" in said


def test_a_limit_raised_in_a_sub_workflow_is_raised_for_all(terminal: Terminal) -> None:
    family(terminal, "pause")
    (terminal.directory / "open").touch()
    assert terminal("run", "w.yaml").code == 3
    [question] = terminal("approvals", "-o", "json").document["approvals"]
    assert question["step"] == "b"
    terminal("approve", question["runId"], "b", "--input", "by=1")
    assert terminal("resume", "w", "--output", "json").document["status"] == "completed"


def test_a_sub_workflow_has_budgets_of_its_own_if_its_file_states_them(terminal: Terminal) -> None:
    own = """
budgets: {x: {max-calls: 1}}
agents: [{id: mine, kind: mock, default: fine, budget: x}]"""
    family(terminal, "stop", "mine", own)
    (terminal.directory / "open").touch()
    document = terminal("run", "w.yaml", "--output", "json").document
    said = document["steps"]["one"]["error"]["message"]
    assert "allows 1 call: 1 call spent" in said


def test_a_budget_that_pauses_asks_a_person(terminal: Terminal) -> None:
    agents = """
budgets: {x: {max-calls: 1, on-exceed: pause}}
agents: [{id: a, kind: mock, default: fine, budget: x}]
"""
    steps = """
    - {id: one, type: agent, agent: a, prompt: hi}
    - {id: two, type: agent, agent: a, prompt: hi, dependencies: [one]}
    - {id: three, type: agent, agent: a, prompt: hi, dependencies: [two]}
    """
    write(terminal.directory, steps, agents)
    asked = terminal("run", "w.yaml")
    assert (asked.code, "May more be spent?" in asked.err) == (3, True), asked.err
    [question] = terminal("approvals", "-o", "json").document["approvals"]
    assert (question["step"], question["inputs"]["by"]["default"]) == ("two", 1)
    assert terminal("approve", "w", "--input", "by=0").code == 2
    terminal("approve", "w")
    assert terminal("resume", "w", "--output", "json").document["steps"]["three"]["status"] == "waiting"
    terminal("reject", "w", "--reason", "too dear")
    document = terminal("resume", "w", "--output", "json").document
    error = document["steps"]["three"]["error"]
    assert (document["agents"]["calls"], error["details"]["code"]) == (2, "budget.exceeded")
    assert "allows 2 calls" in error["message"]
    assert "too dear" in error["message"]


def _status_of(terminal: Terminal, step: str) -> str:
    ended = terminal("status", "w", "--output", "json")
    return str(ended.document["steps"][step]["status"]) if ended.code == 0 else ""


# ---- without a workflow --------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "agents.yaml").write_text(AGENTS)
    return tmp_path


def test_an_agent_is_asked_by_a_command(mplp: Command, project: Path) -> None:
    (project / "asked.yaml").write_text("a: [1, '[b]']")
    ended = mplp("agents", "call", "echo", "--input", "@asked.yaml", "--output", "json")
    assert (ended.code, ended.document["output"], ended.document["agentId"]) == (0, {"a": [1, "[b]"]}, "echo")
    ended = mplp("agents", "call", "echo", "--input", "-", "--prompt", "p", "-o", "json", stdin="[1]")
    assert ended.document["output"] == {"prompt": "p", "input": [1]}
    ended = mplp("agents", "call", "flaky", "--prompt", "hi")
    assert (ended.code, ended.out, ended.err) == (1, "", "mplp: agent `flaky`: later\n")


@pytest.mark.parametrize(
    "words", [("nobody", "--prompt", "x"), ("echo",), ("echo", "--input", "{"), ("echo", "--input", "@none")]
)
def test_a_wrong_question_is_not_asked(mplp: Command, project: Path, words: tuple[str, ...]) -> None:
    ended = mplp("agents", "call", *words)
    assert (ended.code, ended.out) == (2, ""), project
    assert ended.err.startswith("mplp: ")
    assert "Traceback" not in ended.err


def test_agents_are_looked_at_without_being_asked(mplp: Command, project: Path) -> None:
    assert mplp("agents", "ping", "-o", "json").document["agents"][0] == {
        "agentId": "echo",
        "reachable": True,
    }
    (project / "agents.yaml").write_text(
        AGENTS + "  - {id: gone, kind: command, command: [no-such-program]}\n"
    )
    ended = mplp("agents", "ping", "echo", "gone")
    assert (ended.code, "no-such-program" in ended.err) == (1, True)


def test_a_budget_is_shared_by_the_agents_of_a_run(terminal: Terminal) -> None:
    terminal.write(
        "asks.yaml",
        """\
budgets: {small: {max-calls: 2}}
agents:
  - {id: one, kind: mock, default: a, budget: small}
  - {id: two, kind: mock, default: b, budget: small}
workflow:
  id: asks
  name: Asks
  version: 1.0.0
  execution: sequential
  steps:
    - {id: first, type: agent, agent: one, prompt: x}
    - {id: second, type: agent, agent: two, prompt: x}
    - {id: third, type: agent, agent: one, prompt: x, retry-policy: {max-retries: 3}}
""",
    )
    ended = terminal("run", "asks.yaml", "--output", "json")
    assert ended.code == 1
    third = ended.document["steps"]["third"]
    assert third["error"]["details"]["code"] == "budget.exceeded"
    assert third["attempts"] == 1
    assert "max-calls" in third["error"]["message"] or "calls" in third["error"]["message"]


SLOW = """\
import sys, time, pathlib
here = pathlib.Path("at-work")
here.mkdir()  # fails where another call is at work
time.sleep(0.3)
here.rmdir()
print("{}")
"""


def test_an_agent_with_one_place_has_one_call_at_a_time_over_all_runs(mplp: Command, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "agents.yaml").write_text(
        f"agents: [{{id: one, kind: command, command: [{sys.executable}, slow.py], limits: {{max-concurrency: 1}}}}]\n"
    )
    (tmp_path / "w.yaml").write_text(
        "workflow:\n  id: w\n  name: W\n  version: 1.0.0\n  steps:\n"
        "    - {id: a, type: agent, agent: one, input: {}}\n"
        "    - {id: b, type: agent, agent: one, input: {}}\n"
    )
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda _: mplp("run", "w.yaml", "--output", "json"), range(2)))
    assert [one.code for one in ended] == [0, 0], [one.out for one in ended]
