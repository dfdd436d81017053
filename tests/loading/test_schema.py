# ruff: noqa: E501 - a sample is easiest to judge on one line
from __future__ import annotations

import copy
import inspect
import json
import socket
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mplp_cli.loading import load_workflow
from mplp_cli.loading.codes import CODES
from mplp_cli.loading.explain import explain
from mplp_cli.loading.later import EVENT_WORDS, TRIGGER_WORDS, WORDS
from mplp_cli.loading.schema import (
    APART,
    definition,
    explainer,
    keys_of,
    settings_schema,
    step_types,
    verdict,
    workflow_schema,
)
from mplp_cli.workflow import model
from tests.loading.samples import ROOT, load, steps

#: A document that uses every key of the language.
FULL: dict[str, Any] = {
    "workflow": {
        "id": "full", "name": "Everything", "version": "1.2.3-rc.1+b5", "description": "two\nlines",
        "inputs": {"tag": {"type": "string"}, "limit": {"type": "integer", "default": 20}},
        "env": {"LANG": "C", "N": 1, "T": True, "F": 1.5, "HOME": None}, "secrets": ["TOKEN"],
        "defaults": {"timeout": "30s", "retry-policy": {"max-retries": 1}},
        "max-parallel": 8, "timeout": "30m", "grace": 0, "execution": "graph", "fail-fast": True,
        "steps": [
            {"id": "a", "type": "shell", "run": "true", "shell": "bash", "cwd": "x/y", "env": {"A": "b"}, "stdin": "",
             "parse": "json", "name": "A", "description": "d", "tags": ["x", "y"], "priority": -3, "timeout": 1000,
             "when": "inputs.limit > 2", "result-schema": {"required": ["output"]}, "default": {"output": "x"},
             "cache": {"key": ["${inputs.tag}", 1], "ttl": "7d"}, "once": True, "artifacts": ["out/**", "x/[a-z]?.txt"]},
            {"id": "b", "type": "shell", "command": ["ls", "-l"], "dependencies": ["a"], "join": {"count": 1},
             "when": True, "timeout": "none"},
            {"id": "c", "type": "module-operation", "module": "context", "operation": "create-context",
             "parameters": {"maxRetries": [1, None]}, "join": "all-ended", "dependencies": ["a", "b"]},
            {"id": "d", "type": "set", "values": {"x": [1, {"y": None}]},
             "retry-policy": {"max-retries": 100, "backoff-strategy": "linear", "initial-delay": 10, "max-delay": "1h30m",
                              "jitter": "full", "retry-on": ["timeout", "ShellExitError"]},
             "fallback-actions": [
                 {"condition": "timeout", "action": "escalate-to-human", "message": "m", "approvers": ["me"], "timeout": "1d"},
                 {"condition": "error", "action": "use-value", "value": None},
                 {"condition": "any", "action": "run-step", "step": {"id": "e", "type": "wait", "for": "${inputs.tag}"}},
                 {"condition": "resource", "action": "skip"}, {"condition": "StepError", "action": "abort"}]},
            {"id": "f", "type": "wait", "for": "10ms", "default": None},
            {"id": "s", "type": "http", "url": "${inputs.tag}/x", "method": "PUT", "headers": {"A": "b", "N": 1, "O": None},
             "query": {"q": ["a", 1]}, "json": {"x": None}, "expect-status": [200, "2xx", "400-404"], "follow-redirects": True},
            {"id": "t", "type": "http", "url": "http://x", "body": "text", "expect-status": "3xx"},
            {"id": "u", "type": "python", "call": "a.b:C.run", "arguments": {"n": [1]}, "env": {"A": "b"}, "isolation": "process"},
            {"id": "v", "type": "agent", "agent": "reviewer", "input": {"n": 1}, "prompt": "${inputs.tag}"},
            {"id": "w", "type": "agent", "capability": ["text.lint", "text.*"], "prompt": "x", "result-schema": {}, "once": True},
            {"id": "g", "type": "parallel", "fail-on": "all", "max-parallel": 2, "timeout": "5m",
             "steps": [{"id": "h", "type": "set", "values": {}}, {"id": "i", "type": "wait", "for": 0}]},
            {"id": "j", "type": "conditional", "condition": {"type": "expression", "expression": "true"},
             "then": {"id": "k", "type": "set", "values": {}}, "else": [{"id": "l", "type": "set", "values": {}}]},
            {"id": "m", "type": "conditional", "condition": "inputs.limit > 1", "then": [{"id": "n", "type": "set", "values": {}}]},
            {"id": "o", "type": "conditional", "then": {"id": "p", "type": "set", "values": {}},
             "condition": {"type": "step-result", "step-id": "a", "path": "exitCode", "operator": "equals", "value": 0}},
            {"id": "q", "type": "conditional", "then": {"id": "r", "type": "set", "values": {}},
             "condition": {"type": "custom", "handler": "any-failed", "arguments": {"n": 1}}},
        ],
        "outputs": {"x": "${d.result.x}"},
        "error-handling": {"retry-policy": {"max-retries": 3, "backoff-strategy": "exponential"},
                           "fallback-actions": [{"condition": "timeout", "action": "escalate-to-human"}]},
        "finally": [{"id": "z", "type": "set", "values": {}}],
    }
}  # fmt: skip

STRANGERS: list[Any] = [
    None, True, False, 0, 1, -1, 9, 101, 1.0, 1.5, 10**12, "", "x", "a\n", "a b", "0s", "5ms", "10ms", "30s", "1h30m", "none",
    "1", "item", "item2", "\n", "x\x07", "${inputs.a}", "any", "timeout", "Timeout", "é", "1.0.0", "1.0", "01.0.0", "x" * 300,
    [], ["x"], ["x", "x"], [1], [None], {}, {"x": 1}, {"type": "set"}, {"count": 0}, {"count": 2}, {"type": "expression"},
    {"id": "s", "type": "set", "values": {}}, [{"id": "s", "type": "set", "values": {}}], [{"id": "s", "type": "shel"}],
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, held in inner for deeper in places(held, (*path, key)))]


def mutated(path: tuple[Any, ...], how: str, value: Any, word: str) -> Any:
    """FULL with one thing changed at `path`."""
    document = copy.deepcopy(FULL)
    if not path:
        return value
    holder: Any = document
    for part in path[:-1]:
        holder = holder[part]
    if how == "drop":
        del holder[path[-1]]
    elif how == "rename" and isinstance(holder, dict):
        holder[word] = holder.pop(path[-1])
    elif how == "add" and isinstance(holder[path[-1]], dict):
        holder[path[-1]][word] = value
    elif how == "add" and isinstance(holder[path[-1]], list):
        holder[path[-1]].append(value)
    else:
        holder[path[-1]] = value
    return document


MUTANTS = st.builds(
    mutated,
    st.sampled_from(places(FULL)),
    st.sampled_from(["set", "drop", "rename", "add"]),
    st.sampled_from(STRANGERS),
    st.sampled_from(
        [
            "x",
            "id",
            "type",
            "steps",
            "run",
            "command",
            "value",
            "retry-policy",
            "timeout",
            "1x",
            "foreach",
            "É",
        ]
    ),
)
OFTEN = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@OFTEN
@given(MUTANTS)
def test_both_validators_agree_about_any_document(document: Any) -> None:
    assert verdict().is_valid(document) == explainer().is_valid(document)


@OFTEN
@given(MUTANTS)
def test_a_refused_document_is_explained_and_an_accepted_one_has_a_model(document: Any) -> None:
    if verdict().is_valid(document):
        try:
            msgspec.convert(document["workflow"], model.Workflow)
        except msgspec.ValidationError as error:
            assert "float" in str(error)  # noqa: PT017 - 1.0 is a whole number for JSON Schema, and said to be none
    else:
        found = explain(document)
        assert found
        for problem in found:
            assert problem.code in CODES
            assert problem.code != "schema-other"
            assert "under any of the given schemas" not in problem.message


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(MUTANTS)
def test_any_document_loads_to_a_plan_or_to_placed_problems(document: Any) -> None:
    text = json.dumps(document)
    for name in ("flow.json", "flow.yaml"):
        loaded = load_workflow(text.encode(), name, conditions=frozenset({"any-failed"}))
        wrong = [p for p in loaded.problems if p.severity == "error"]
        assert bool(wrong) == (loaded.plan is None)
        assert all(p.line == 1 for p in loaded.problems)


def test_the_full_document_is_accepted() -> None:
    assert verdict().is_valid(FULL)
    workflow = msgspec.convert(FULL["workflow"], model.Workflow)
    assert workflow.id == "full"


def test_the_schema_is_a_schema_with_words_for_editors() -> None:
    schema = workflow_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"]
    assert schema["title"]
    for name, entry in schema["$defs"].items():
        assert entry["title"], name
        for key, held in entry.get("properties", {}).items():
            assert "description" in held or "$ref" in held or "const" in held or "title" in held, (name, key)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("workflow", model.Workflow), ("defaults", model.Defaults), ("error-handling", model.ErrorHandling),
        ("retry-policy", model.RetryPolicy), ("fallback-action", model.FallbackAction),
        ("expression-condition", model.ExpressionCondition), ("step-result-condition", model.StepResultCondition),
        ("custom-condition", model.CustomCondition), ("shell-step", model.ShellStep), ("set-step", model.SetStep),
        ("http-step", model.HttpStep), ("python-step", model.PythonStep), ("agent-step", model.AgentStep),
        ("wait-step", model.WaitStep), ("parallel-step", model.ParallelStep),
        ("conditional-step", model.ConditionalStep), ("module-operation-step", model.ModuleOperationStep),
    ],
)  # fmt: skip
def test_the_schema_has_exactly_the_keys_of_the_model(name: str, kind: type[msgspec.Struct]) -> None:
    keys = {field.encode_name for field in msgspec.structs.fields(kind)}
    if name == "workflow":
        keys.update(APART)  # they are taken out of the document, and become types of their own
    if kind.__struct_config__.tag_field:
        keys.add(kind.__struct_config__.tag_field)
    assert set(keys_of(name)) == keys
    assert definition(name)["additionalProperties"] is False


def test_every_step_type_of_the_model_has_a_branch_and_no_other() -> None:
    tags = [
        kind.__struct_config__.tag
        for _, kind in inspect.getmembers(model, inspect.isclass)
        if kind.__name__.endswith("Step")
        and not kind.__name__.startswith("_")
        and issubclass(kind, msgspec.Struct)
    ]
    assert sorted(step_types()) == sorted(str(tag) for tag in tags)
    for kind in step_types():
        assert definition(f"{kind}-step")["properties"]["type"] == {"const": kind}


def test_operators_are_those_that_conditions_know() -> None:
    from mplp_cli.workflow.language.conditions import OPERATORS

    assert set(definition("step-result-condition")["properties"]["operator"]["enum"]) == set(OPERATORS)


def test_every_key_that_is_suggested_for_a_foreign_word_is_in_the_schema() -> None:
    every = {key for name in workflow_schema()["$defs"] for key in keys_of(name)} | {"result-schema"}
    assert set(WORDS.values()) <= every
    rules = {key for name in settings_schema()["$defs"] for key in keys_of(name)}
    every |= rules | {key for rule in ("settings-rule", "settings-action") for key in keys_of(rule)}
    assert set(EVENT_WORDS.values()) <= every
    assert set(TRIGGER_WORDS.values()) <= set(definition("trigger")["properties"]["on"]["enum"])


def test_loading_opens_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_more: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    head = 'workflow:\n  id: d\n  name: d\n  version: 1.0.0\n  inputs: {a: {$ref: "http://127.0.0.1:1/x"}, b: {$schema: "http://127.0.0.1:1/y"}}\n'
    assert "rule-input-reference" in {p.code for p in load(steps("{id: a, type: shel}", head=head)).problems}


def test_every_code_that_loading_uses_is_documented() -> None:
    import re

    used = set()
    for path in (ROOT / "mplp_cli" / "loading").glob("*.py"):
        if path.name != "codes.py":
            used |= set(
                re.findall(
                    r'"((?:file|yaml|json|schema|rule|include|agent|alert|event|settings|test)-[a-z0-9-]+)"',
                    path.read_text(),
                )
            )
    used -= {"json-object", "test-file", "settings-events", "settings-file", "settings-rule"}
    used -= {"settings-alert", "settings-alerts"}
    used -= {f"event-{what}" for what in ("filter", "transformer", "route")}
    assert used <= set(CODES) | {"more-problems"}
    assert set(CODES) <= used | {"more-problems"}
