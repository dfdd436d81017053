"""Definitions of agents: what they mean, and everything that can be wrong with them, with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.errors import Problem
from mplp_cli.loading import load_workflow
from mplp_cli.loading.agents import Beside, Known, load_agents
from mplp_cli.loading.including import on_disk
from mplp_cli.workflow.agents import (
    Activation,
    AgentFile,
    Binding,
    CommandAgent,
    Heartbeat,
    HttpAgent,
    MockAgent,
    OpenAIAgent,
    PythonAgent,
    endpoints_of,
    filled,
    variables_of,
)
from tests.loading.samples import HEAD, ROOT

STEPS = HEAD + "  steps: [{id: only, type: set, values: {}}]\n"

EVERY_KIND = """\
version: 1
budgets:
  research: {maxCalls: 20, max_tokens: 500, max-usd: 0.5, max-time: 5m, on_exceed: warn}
prices: {small_model: {input: 2.5, cacheRead: 1.25}}
agents:
  - {id: f, kind: python, entrypoint: "a.b:c", isolation: thread, limits: {maxConcurrency: 2}, budget: research}
  - {id: p, kind: command, command: [sh, -c, cat], pass_env: [X], env: {SOME_NAME: b}, timeout: 1m30s}
  - {id: s, kind: http, endpoint: "${env.BASE}/x", headers: {X-Team: "${env.TEAM}"}, bearerEnv: TOKEN}
  - {id: m, kind: openai, endpoint: "http://h/v1", model: small_model, instructions: Be brief., params: {max_tokens: 5}}
  - id: scripted
    kind: mock
    default: null
    heartbeat: {interval: 5s}
    fallback: [p]
    script:
      - {when: {max_calls: 2}, error: {code: agent.rate_limited, retryAfter: 1s}, delay: 20ms}
"""


def read(text: str, **more: Any) -> tuple[AgentFile | None, list[Problem]]:
    return load_agents(text.encode(), "agents.yaml", **more)


def good(text: str, **more: Any) -> AgentFile:
    found, problems = read(text, **more)
    assert problems == []
    assert found is not None
    return found


def only(text: str, **more: Any) -> Problem:
    found, problems = read(text, **more)
    assert len(problems) == 1, [(p.code, p.message) for p in problems]
    assert (found is None) == (problems[0].severity == "error")
    return problems[0]


def agent(text: str) -> str:
    """An agents file with one agent, whose keys begin on line 2."""
    return f"agents:\n  - {{{text}}}\n"


# ---- what they mean ----------------------------------------------------------------------------


def test_every_kind_is_read_in_any_spelling_with_its_durations_in_milliseconds() -> None:
    made = good(EVERY_KIND)
    function, program, service, model, scripted = made.agents
    assert isinstance(function, PythonAgent)
    assert function.limits.max_concurrency == 2
    assert isinstance(program, CommandAgent)
    assert (program.pass_env, program.env, program.timeout) == (["X"], {"SOME_NAME": "b"}, 90_000)
    assert isinstance(service, HttpAgent)
    assert service.bearer_env == "TOKEN"
    assert isinstance(model, OpenAIAgent)
    assert model.params == {"max_tokens": 5}, "what is the user's keeps its spelling"
    assert isinstance(scripted, MockAgent)
    assert scripted.has_default
    assert scripted.heartbeat == Heartbeat(interval=5_000, stale_after=3)
    [entry] = scripted.script
    assert entry.when == {"max_calls": 2}
    assert entry.error == {"code": "agent.rate_limited", "retry-after": 1_000}
    assert entry.delay == 20
    budget = made.budgets["research"]
    assert (budget.max_calls, budget.max_time, budget.on_exceed) == (20, 300_000, "warn")
    assert made.prices["small_model"].cache_read == 1.25


def test_what_a_definition_needs_of_the_environment_is_known_before_a_call() -> None:
    service = good(EVERY_KIND).agents[2]
    assert variables_of(service) == ["BASE", "TEAM", "TOKEN"]
    assert filled("${env.BASE}/x", {"BASE": "http://h"}) == "http://h/x"
    with pytest.raises(KeyError):
        filled("${env.BASE}/x", {})


def test_every_kind_has_an_address() -> None:
    urls = [endpoints_of(one)[0]["url"] for one in good(EVERY_KIND).agents]
    assert urls == ["python:a.b:c", "command:sh", "${env.BASE}/x", "http://h/v1", "mock:scripted"]


def test_files_that_a_definition_names_are_put_in_their_places(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "p.md").write_text("Think.\n")
    (tmp_path / "s.json").write_text('{"type": "object"}')
    text = agent(
        "id: m, kind: openai, endpoint: 'http://h/v1', model: x,"
        " instructions: {file: prompts/p.md}, output_schema: {file: s.json}"
    )
    [made] = good(text, directory=str(tmp_path), read=on_disk).agents
    assert isinstance(made, OpenAIAgent)
    assert (made.instructions, made.output_schema) == ("Think.\n", {"type": "object"})


# ---- what can be wrong -------------------------------------------------------------------------

#: An agent, the code of what is wrong with it, where (the words begin there), and what is said.
WRONG = [
    ("id: a, kind: comand", "agent-unknown-kind", "comand", "did you mean `command`?"),
    ("id: a, kind: mcp", "schema-missing-key", "", "`command` or `endpoint`"),
    ("id: a, kind: mcp, command: [x], endpoint: 'http://h'", "schema-conflict", "endpoint", "`command`"),
    ("id: a, kind: mcp, command: [x], bearer-env: T", "schema-conflict", "bearer-env", "beside `command`"),
    ("id: a, kind: mcp, command: [x], capabilities: all", "schema-form", "all", "auto"),
    ("id: a, kind: mcp, command: [x], tools: {alow: [x]}", "schema-unknown-key", "alow", "`allow`"),
    ("id: a, kind: oracle", "agent-unknown-kind", "oracle", "an installed package may add more"),
    ("id: a, kind: mock, scipt: []", "schema-unknown-key", "scipt", "did you mean `script`?"),
    ("id: Bad, kind: mock", "schema-form", "Bad", "a small letter"),
    ("id: a, kind: python", "schema-missing-key", "", "`entrypoint`"),
    ("id: a", "schema-missing-key", "", "`kind`"),
    ("id: a, kind: mock, output-schema: {type: objct}", "agent-schema", "objct", "type: object"),
    (
        "id: a, kind: mock, output-schema: {$ref: x.json}",
        "agent-schema-reference",
        "x.json",
        "nothing is fetched",
    ),
    ("id: a, kind: mock, budget: few", "agent-unknown-budget", "few", "under `budgets`"),
    ("id: a, kind: mock, fallback: [bob]", "agent-unknown-fallback", "bob", "the agents are a"),
    ("id: me, kind: mock, fallback: [ me]", "agent-unknown-fallback", "me]", "another agent"),
    ("id: a, kind: http, endpoint: ftp://h", "agent-url", "ftp", "http://"),
    ("id: a, kind: http, endpoint: 'http://me:pw@h'", "agent-url", "'http", "`bearer-env`"),
    ("id: a, kind: http, endpoint: '${secrets.x}'", "agent-reference", "'$", "${env.NAME}"),
    (
        "id: a, kind: http, endpoint: 'http://h', headers: {Upgrade: x}",
        "agent-header",
        "Upgrade",
        "remove it",
    ),
    ("id: a, kind: http, endpoint: 'http://h', auth: x", "schema-unknown-key", "auth", "`bearer-env`"),
    ("id: a, kind: mock, timeout: 3 minutes", "schema-form", "3 minutes", "30s"),
    ("id: a, kind: mock, timeout: 0", "schema-range", "0", "milliseconds"),
    ("id: a, kind: mock, tags: [x, again, again]", "schema-repeated", "again]", "remove one"),
    ("id: a, kind: mock, output-schema: {file: no.json}", "agent-file", "no.json", "is looked for"),
    ("id: a, kind: mock, output-schema: {file: /no.json}", "agent-file", "/no.json", "from the directory"),
]


@pytest.mark.parametrize(
    ("text", "code", "at", "hint"), WRONG, ids=[f"{n}-{w[1]}" for n, w in enumerate(WRONG)]
)
def test_what_is_wrong_is_said_with_its_place_and_what_to_do(
    text: str, code: str, at: str, hint: str, tmp_path: Path
) -> None:
    problem = only(agent(text), directory=str(tmp_path), read=on_disk)
    column = 6 + text.index(at) if at else 5
    assert (problem.code, problem.line, problem.column) == (code, 2, column), problem
    assert hint in f"{problem.message} {problem.hint}"


def test_a_whole_number_with_a_point_is_no_whole_number() -> None:
    problem = only(agent("id: a, kind: mock, repair-attempts: 3.0"))
    assert (problem.code, problem.hint) == ("schema-type", "a whole number is written without a point: 3")


def test_an_id_that_stands_twice_names_both_places() -> None:
    problem = only("agents:\n  - {id: a, kind: mock}\n  - {id: a, kind: mock}\n")
    assert (problem.code, problem.line, problem.related_line) == ("agent-duplicate-id", 3, 2)


def test_what_stands_elsewhere_may_be_named() -> None:
    known = Beside(lambda: Known(frozenset({"far"}), frozenset({"shared"})))
    good(agent("id: a, kind: mock, budget: shared, fallback: [far]"), beside=known)


def test_a_program_that_is_not_there_is_a_warning() -> None:
    problem = only(agent("id: a, kind: command, command: [nope]"), beside=Beside(is_program=lambda *_: False))
    assert (problem.code, problem.severity, problem.column) == ("agent-command", "warning", 38)


@pytest.mark.parametrize(
    "text", ["- a\n", "nothing\n", "{id: a, kind: mock}\n", "agents: 3\n", "agents: [3]\n"]
)
def test_what_is_no_agents_file_is_refused(text: str) -> None:
    found, problems = read(text)
    assert found is None
    assert problems
    assert all(problem.line for problem in problems)


def test_a_schema_file_is_judged_in_its_own_place(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("type: object\nrequired: name\n")
    text = agent("id: a, kind: mock, output-schema: {file: s.yaml}")
    found, problems = read(text, directory=str(tmp_path), read=on_disk)
    assert found is None
    places = [(p.file, p.line, p.code) for p in problems]
    assert places == [("agents.yaml", 2, "agent-file-invalid"), ("s.yaml", 2, "agent-schema")]


def test_one_that_is_registered_needs_capabilities() -> None:
    assert only("id: a\nkind: mock\n", alone=True).code == "schema-missing-key"
    assert good("id: a\nkind: mock\ncapabilities: [x]\noutputSchema: {}\n", alone=True).agents[0].id == "a"
    assert only(agent("id: a, kind: mock"), alone=True).code == "file-root"


# ---- in a workflow file ------------------------------------------------------------------------


def test_a_workflow_brings_its_agents_along_in_its_plan() -> None:
    text = STEPS + "budgets: {b: {maxCalls: 1}}\nagents: [{id: a, kind: mock, budget: b, outputSchema: {}}]\n"
    loaded = load_workflow(text.encode(), "flow.yaml")
    assert loaded.problems == []
    assert loaded.plan is not None
    assert [one.id for one in loaded.plan.agents.agents] == ["a"]
    assert loaded.plan.agents.budgets["b"].max_calls == 1


def test_an_agent_that_is_wrong_makes_its_workflow_wrong_beside_what_else_is_wrong() -> None:
    text = STEPS.replace("type: set", "type: sett") + "agents: [{id: a, kind: moc}]\n"
    loaded = load_workflow(text.encode(), "flow.yaml")
    assert loaded.plan is None
    found = [(p.code, p.line) for p in loaded.problems]
    assert found == [("schema-unknown-step-type", 5), ("agent-unknown-kind", 6)]


def test_what_an_agent_says_itself_that_it_offers_may_be_wanted_by_a_step() -> None:
    text = STEPS.replace("type: set, values: {}", "type: agent, capability: mcp:read, prompt: x")
    assert "mcp:read" in text
    good_one = "agents: [{id: a, kind: mcp, command: [sh]}]\n"
    assert load_workflow((text + good_one).encode(), "flow.yaml").problems == []
    bad_one = "agents: [{id: a, kind: mcp, command: [sh], capabilities: [x]}]\n"
    found = load_workflow((text + bad_one).encode(), "flow.yaml").problems
    assert [problem.code for problem in found] == ["agent-capability"]


def test_interfaces_are_bound_to_agents_or_capabilities() -> None:
    bound = (
        "activation: {mode: explicit, plan.optimizePlanWithAI: {agent: a},"
        " core.predictSystemBehavior: {capability: x.y}}\n"
    )
    found = good(agent("id: a, kind: mock") + bound)
    assert found.activation == Activation(
        mode="explicit",
        bindings={
            "plan.optimizePlanWithAI": Binding(agent="a"),
            "core.predictSystemBehavior": Binding(capability="x.y"),
        },
    )
    assert good(agent("id: a, kind: mock")).activation is None


@pytest.mark.parametrize(
    ("said", "code", "column", "hint"),
    [
        ("plan.optimisePlanWithAI: {agent: a}", "schema-unknown-key", 14, "`plan.optimizePlanWithAI`"),
        ("mode: never", "schema-value", 20, "auto, explicit"),
        ("plan.optimizePlanWithAI: {}", "schema-missing-key", 39, "`agent`"),
        (
            "plan.optimizePlanWithAI: {agent: a, capability: b}",
            "schema-conflict",
            50,
            "keep `agent` or `capability`",
        ),
        ("plan.optimizePlanWithAI: a", "schema-type", 39, None),
        ("plan.optimizePlanWithAI: {agent: ab}", "agent-unknown-binding", 47, "did you mean `abc`?"),
    ],
)
def test_a_binding_that_is_none_is_refused_where_it_stands(
    said: str, code: str, column: int, hint: str | None
) -> None:
    text = "agents: [{id: a, kind: mock}, {id: abc, kind: mock}]\nactivation: {" + said + "}\n"
    _, [problem] = read(text)
    assert (problem.code, problem.line, problem.column) == (code, 2, column)
    assert problem.severity == ("warning" if code == "agent-unknown-binding" else "error")
    assert hint is None or hint in (problem.hint or "")


def test_the_files_of_its_agents_are_stored_with_the_run(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "team.yaml").write_text(agent("id: a, kind: mock, output-schema: {file: s.json}"))
    (tmp_path / "deep" / "s.json").write_text("{}")
    text = STEPS + "agents: {file: deep/team.yaml}\n"
    loaded = load_workflow(text.encode(), "flow.yaml", directory=str(tmp_path), read=on_disk)
    assert loaded.problems == []
    assert loaded.plan is not None
    assert [one.output_schema for one in loaded.plan.agents.agents] == [{}]
    stored = loaded.plan.included_texts()
    assert {Path(path).name for path in stored} == {"team.yaml", "s.json"}
    assert set(loaded.texts) == {"deep/team.yaml", "deep/s.json"}


def test_what_is_wrong_in_the_file_of_its_agents_is_said_there(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text(agent("id: a, kind: moc"))
    text = STEPS + "agents: {file: team.yaml}\n"
    loaded = load_workflow(text.encode(), "flow.yaml", directory=str(tmp_path), read=on_disk)
    assert [(p.file, p.code) for p in loaded.problems] == [
        ("flow.yaml", "agent-file-invalid"),
        ("team.yaml", "agent-unknown-kind"),
    ]


def test_both_schemas_mean_the_same_by_the_names_that_they_share() -> None:
    agents = json.loads((ROOT / "schemas" / "agents.schema.json").read_text())["$defs"]
    workflow = json.loads((ROOT / "schemas" / "workflow.schema.json").read_text())["$defs"]
    both = agents.keys() & workflow.keys()
    assert {"label", "word"} <= both
    assert all(agents[name] == workflow[name] for name in both)


@pytest.mark.parametrize(
    ("agent", "at"),
    [
        ('{id: a, kind: openai, endpoint: "${env.WHERE}/v1", model: m}', [("WHERE", 37)]),
        (
            '{id: a, kind: http, endpoint: "http://x", headers: {X: "${env.X}"}, bearer-env: KEY}',
            [("X", 60), ("KEY", 85)],
        ),
        ('{id: a, kind: http, endpoint: "${env.HOME}"}', []),
        ('{id: a, kind: http, endpoint: "${env.WHERE}", fallback: [b]}', []),
        ("{id: a, kind: http, endpoint: http://x, bearer-env: TOKEN}", []),
    ],
)
def test_a_variable_that_is_not_set_is_told_where_nobody_stands_in(
    agent: str, at: list[tuple[str, int]]
) -> None:
    steps = "workflow: {id: w, name: W, version: 1.0.0, secrets: [TOKEN], steps: [{id: s, type: set, values: {}}]}\n"
    text = f"{steps}agents:\n  - {agent}\n  - {{id: b, kind: mock}}\n"
    beside = Beside(is_set=lambda name: name == "HOME")
    found = load_workflow(text.encode(), "flow.yaml", beside=lambda: beside)
    assert found.plan is not None
    said = [(one.message.split("`")[1], one.column) for one in found.problems if one.code == "agent-variable"]
    assert said == at
