"""Agents of the kinds `openai` and `http` against mock servers that others wrote, through the command."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Terminal
from tests.conftest import Ended
from tests.counterparts.programs import Program, by_node, started

HOSTILE = "[/red] \x1b[31m$(touch made) ${secrets.A} {{ 7*7 }} '; touch made #"
WORDS = "one two three four five six seven eight"
#: What the server says, in the order in which it looks.
FIXTURES: list[dict[str, Any]] = [
    {
        "match": {"userMessage": "greet", "systemMessage": "Be brief."},
        "response": {
            "content": "Hello.",
            "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17},
        },
    },
    {
        "match": {"userMessage": "steps", "responseFormat": "json_schema"},
        "response": {"content": '{"n": 2}'},
    },
    {
        "match": {"toolName": "get_weather"},
        "response": {"toolCalls": [{"name": "get_weather", "arguments": {"city": "Bern"}}]},
    },
    {
        "match": {"userMessage": "busy", "sequenceIndex": 0},
        "response": {"error": {"message": "slow down"}, "status": 429, "retryAfter": 1},
    },
    {"match": {"userMessage": "busy"}, "response": {"content": "now"}},
    {
        "match": {"userMessage": "cut", "sequenceIndex": 0},
        "truncateAfterChunks": 3,
        "latency": 20,
        "response": {"content": WORDS},
    },
    {"match": {"userMessage": "cut"}, "response": {"content": WORDS}},
    {
        "match": {"userMessage": "prose", "responseFormat": "json_schema"},
        "response": {"content": "Sure, here it is."},
    },
    {"match": {"userMessage": "prose"}, "response": {"content": '```json\n{"n": 1}\n```'}},
    {"match": {"userMessage": "never"}, "response": {"content": "No."}},
    {"match": {"userMessage": "long"}, "response": {"content": '{"n": ', "finishReason": "length"}},
    {"match": {"userMessage": "hostile"}, "response": {"content": HOSTILE}},
    {"match": {"userMessage": "huge"}, "response": {"content": "x" * 5_000_000}},
    {"match": {"userMessage": "slow"}, "latency": 600_000, "response": {"content": WORDS}},
    {
        "match": {"userMessage": "begins"},
        "streamingProfile": {"ttft": 1, "tps": 0.5},
        "response": {"content": WORDS},
    },
    {"match": {"inputText": "text"}, "response": {"embedding": [0.25, -0.5]}},
]
AGENTS = """
agents:
  - {id: chat, kind: openai, endpoint: "${env.LLM}", model: m, instructions: Be brief., repair-attempts: 0}
  - {id: streams, kind: openai, endpoint: "${env.LLM}", model: m, stream: true, limits: {max-concurrency: 1}}
  - {id: hurried, kind: openai, endpoint: "${env.LLM}", model: m, stream: true, timeout: 300ms}
  - {id: embedder, kind: http, endpoint: "${env.LLM}/embeddings", limits: {max-concurrency: 1}}
  - {id: raw, kind: http, endpoint: "${env.LLM}/chat/completions"}
  - id: tooled
    kind: openai
    endpoint: ${env.LLM}
    model: m
    params: {tools: [{type: function, function: {name: get_weather, parameters: {type: object}}}]}
"""
N = "{type: object, required: [n], properties: {n: {type: integer}}}"


@pytest.fixture(scope="module")
def aimock(modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("aimock")
    (folder / "fixtures.json").write_text(json.dumps({"fixtures": FIXTURES}), "utf-8")
    config = {"strict": True, "llm": {"fixtures": "./fixtures.json", "chunkSize": 4}}
    (folder / "aimock.json").write_text(json.dumps(config), "utf-8")
    script = modules / "@copilotkit/aimock/dist/aimock-cli.js"
    with started(by_node(script, "-c", "aimock.json", "-p", "{port}"), folder, ready="/v1/models") as program:
        yield program


def write(terminal: Terminal, steps: str, agents: str = AGENTS, how: str = "max-parallel: 8") -> str:
    head = f"workflow:\n  id: w\n  name: W\n  version: 1.0.0\n  {how}\n  steps:\n"
    terminal.write("w.yaml", f"{head}{steps}\n{agents}")
    return "w.yaml"


def run(terminal: Terminal, llm: Program, steps: str, **more: str) -> tuple[Ended, Any]:
    terminal.env["LLM"] = f"{llm.url}/v1"
    ended = terminal("run", write(terminal, steps, **more), "--output", "json")
    assert ended.out, ended.err
    return ended, ended.document


def test_models_and_services_answer_the_steps_of_a_workflow(terminal: Terminal, aimock: Program) -> None:
    steps = f"""
    - {{id: greet, type: agent, agent: chat, prompt: greet}}
    - {{id: steps, type: agent, agent: chat, prompt: steps, result-schema: {N}}}
    - {{id: tools, type: agent, agent: tooled, prompt: weather}}
    - {{id: prose, type: agent, agent: chat, prompt: prose, result-schema: {N}}}
    - {{id: embed, type: agent, agent: embedder, input: {{model: e, input: text}}}}
    - id: raw
      type: agent
      agent: raw
      input: {{model: m, messages: [{{role: user, content: "prose ${{steps.result.n}}"}}]}}
    - {{id: huge, type: agent, agent: chat, prompt: huge}}
    - {{id: busy, type: agent, agent: chat, prompt: busy, retry-policy: {{max-retries: 1, initial-delay: 10ms}}}}
    - {{id: cut, type: agent, agent: streams, prompt: cut, retry-policy: {{max-retries: 1, initial-delay: 10ms}}}}
    """
    ended, document = run(terminal, aimock, steps)
    result = document["result"]
    assert ended.code == 0, ended.err
    assert (result["greet"], result["steps"], result["prose"]) == ("Hello.", {"n": 2}, {"n": 1})
    [call] = result["tools"]["toolCalls"]
    assert (call["name"], call["arguments"]) == ("get_weather", {"city": "Bern"})
    assert result["embed"]["data"][0]["embedding"] == [0.25, -0.5]
    assert result["raw"]["choices"][0]["message"]["content"] == '```json\n{"n": 1}\n```'
    assert (result["busy"], result["cut"], len(result["huge"])) == ("now", WORDS, 5_000_000)
    assert [document["steps"][step]["attempts"] for step in ("busy", "cut")] == [2, 2]
    assert "agent chat answered with m, 12 tokens in, 5 out" in terminal("logs", "w", "greet").out

    journal = aimock.get("/__aimock/journal")
    asked = [(one, json.dumps(one["body"].get("messages"))) for one in journal if one["body"]]
    first, second = (one["timestamp"] for one, said in asked if '"busy"' in said)
    assert second - first >= 1000  # as its Retry-After says, not the 10 ms of the policy
    [strict] = [one["body"]["response_format"] for one, said in asked if '"steps"' in said]
    assert (strict["type"], strict["json_schema"]["schema"]["required"]) == ("json_schema", ["n"])


def test_what_goes_wrong_has_its_name_and_the_agent_is_free_again(
    terminal: Terminal, aimock: Program
) -> None:
    never = "retry-policy: {max-retries: 0}"
    steps = f"""
    - {{id: long, type: agent, agent: chat, prompt: long, result-schema: {N}, {never}}}
    - {{id: never, type: agent, agent: chat, prompt: never, result-schema: {N}, {never}}}
    - {{id: slow, type: agent, agent: hurried, prompt: slow, {never}}}
    - {{id: waits, type: agent, agent: streams, prompt: slow, timeout: 300ms, {never}}}
    - {{id: next, type: agent, agent: streams, prompt: greet2, dependencies: [waits], join: all-ended, {never}}}
    - {{id: gone, type: agent, agent: embedder, input: {{model: e, input: other}}, {never}}}
    - id: there
      type: agent
      agent: embedder
      input: {{model: e, input: text}}
      dependencies: [gone]
      join: all-ended
    """
    ended, document = run(terminal, aimock, steps)
    codes = {
        name: step["error"]["details"].get("code", step["error"]["type"])
        for name, step in document["steps"].items()
        if step["status"] == "failed"
    }
    assert (ended.code, codes) == (
        1,
        {
            "long": "agent.truncated",
            "never": "agent.output_invalid",
            "slow": "agent.timeout",
            "waits": "StepTimeoutError",
            "next": "agent.unavailable",  # it was asked, and knows nothing of that
            "gone": "agent.unavailable",
        },
    )
    assert document["result"]["there"]["data"][0]["embedding"] == [0.25, -0.5]
    assert "Traceback" not in ended.err


def test_hostile_text_of_a_model_is_data_on_screens_in_logs_and_for_further_steps(
    terminal: Terminal, aimock: Program
) -> None:
    steps = """
    - {id: a, type: agent, agent: streams, prompt: hostile}
    - {id: b, type: shell, dependencies: [a], env: {SAID: "${a.result}"}, run: 'printf %s "$SAID"'}
    - {id: c, type: set, values: {said: "<${a.result}>"}}
    """
    ended, document = run(terminal, aimock, steps)
    result = document["result"]
    assert (ended.code, result["a"], result["c"]) == (0, HOSTILE, {"said": f"<{HOSTILE}>"}), ended.err
    assert result["b"]["output"] == HOSTILE
    assert "\x1b" not in ended.out + ended.err
    seen = terminal("run", "w.yaml")
    shown = seen.out + seen.err + terminal("logs", "w").out + terminal("explain", "w", "a").out
    assert "[/red]" in shown
    assert "${secrets.A} {{ 7*7 }}" in shown
    assert "\x1b" not in shown
    assert not (terminal.directory / "made").exists()


def test_the_pieces_of_an_answer_are_heard_while_it_is_given(terminal: Terminal, aimock: Program) -> None:
    terminal.env["LLM"] = f"{aimock.url}/v1"
    going = terminal.start(
        "run", write(terminal, "    - {id: a, type: agent, agent: streams, prompt: begins}")
    )
    terminal.until_written("one")
    heard = terminal.start("logs", terminal.only_run(), "--follow")
    assert heard.stdout is not None
    assert heard.stdout.read(8) == "a │ one "
    assert going.poll() is None
    assert terminal("cancel", terminal.only_run()).code == 0
    assert "eight" not in heard.communicate(timeout=30)[0]


# ---- a server that fails -------------------------------------------------------------------------

#: A third of the answers are failures, always the same ones.
FAILS = "import random; random.seed(5); from llmock.cli import app; app()"


@pytest.fixture
def llmock(tmp_path: Path) -> Iterator[Program]:
    faults = ["--error-rate", "429=0.05", "--error-rate", "503=0.15", "--stream-fault", "truncate=0.1"]
    command = [sys.executable, "-c", FAILS, "serve", "--port", "{port}", "--response-style", "echo", *faults]
    folder = tmp_path / "llmock"
    folder.mkdir()
    with started(command, folder, env={"PYTHONSAFEPATH": "1"}, ready="/health") as program:
        yield program


def test_a_model_that_fails_every_third_time_is_asked_as_it_wants_to_be(
    terminal: Terminal, llmock: Program
) -> None:
    retry = "retry-policy: {max-retries: 6, initial-delay: 20ms}"
    steps = "".join(
        f"    - {{id: s{n}, type: agent, agent: {'streams' if n % 2 else 'chat'}, prompt: say {n}, {retry}}}\n"
        for n in range(12)
    )
    ended, document = run(terminal, llmock, steps, how="execution: sequential")
    assert ended.code == 0, ended.err
    assert all(f"say {n}" in document["result"][f"s{n}"] for n in range(12))
    assert sum(step["attempts"] for step in document["steps"].values()) > 14
    report = [sys.executable, "-m", "llmock.cli", "report", "--url", llmock.url, "--strict"]
    told = subprocess.run(report, capture_output=True, encoding="utf-8", timeout=60, check=False)
    assert told.returncode == 0, told.stdout


# ---- programs ------------------------------------------------------------------------------------


def test_programs_of_others_answer_as_agents(terminal: Terminal) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node here: it is the program that this test talks to")
    script = "let s = ''; process.stdin.on('data', d => s += d).on('end', () => { %s })"
    adds = "const {n} = JSON.parse(s); console.log(JSON.stringify({sum: n.reduce((a, b) => a + b)}))"
    lines = "for (const t of ['x', '[/red]']) console.log(JSON.stringify({text: t})); console.log('{\"output\": 1}')"
    terminal.write(
        "w.yaml",
        json.dumps(
            {
                "workflow": {
                    "id": "w",
                    "name": "W",
                    "version": "1.0.0",
                    "steps": [
                        {"id": "add", "type": "agent", "agent": "adds", "input": {"n": [1, 2, 3]}},
                        {"id": "tell", "type": "agent", "agent": "tells", "input": "${add.result.sum}"},
                        {"id": "sort", "type": "agent", "agent": "sorts", "prompt": f"b\na {HOSTILE[:6]}"},
                    ],
                },
                "agents": [
                    {"id": "adds", "kind": "command", "command": ["node", "-e", script % adds]},
                    {
                        "id": "tells",
                        "kind": "command",
                        "command": ["node", "-e", script % lines],
                        "output": "jsonl",
                    },
                    {
                        "id": "sorts",
                        "kind": "command",
                        "command": ["sort"],
                        "input": "text",
                        "output": "text",
                    },
                ],
            }
        ),
    )
    ended = terminal("run", "w.yaml", "--output", "json")
    assert ended.code == 0, ended.err
    assert ended.document["result"] == {"add": {"sum": 6}, "tell": 1, "sort": "a [/red]\nb"}
    assert terminal("logs", "w", "tell").out.startswith("x\n[/red]\n")


def test_the_log_has_what_an_agent_said_before_who_it_was(terminal: Terminal) -> None:
    write(terminal, "    - {id: a, type: agent, agent: say, prompt: x}", "agents:\n" + SAYS)
    assert terminal("run", "w.yaml").code == 0
    assert terminal("logs", "w").out == "a │ hello\na │ agent say answered\n"


SAYS = "  - {id: say, kind: command, command: [printf, hello], output: text}\n"
