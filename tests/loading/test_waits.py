"""What is said of approval, wait and emit steps before anything runs."""

from __future__ import annotations

import pytest

from mplp_cli.workflow.model import ApprovalStep, EmitStep, WaitStep
from tests.loading.samples import HEAD, codes, load, marked, only, steps


@pytest.mark.parametrize(
    "step",
    [
        "type: wait, for: 1s",
        "type: wait, until: '2030-01-31T09:00:00Z'",
        "type: wait, until: '2030-01-31T09:00:00.123456+01:00'",
        "type: wait, until: '2030-01-31 09:00:00z'",
        "type: wait, until: '${inputs.base}'",
        "type: wait, event: {type: git.tag.*}",
        "type: wait, event: {type: '*', where: 'event.data.n > 1 and event.source != inputs.base'}",
        "type: wait, event: {type: 'a.${inputs.base}', where: true}, timeout: 1h",
        "type: emit, event: {type: a.b_c-d:e/f}",
        "type: emit, event: {type: 'a.${inputs.base}', data: [1, '${inputs.base}']}",
        "type: approval, message: Go on?",
        "type: approval, message: '${inputs.base}?', approvers: ['${inputs.base}', ann], timeout: 2d",
        "type: approval, message: x, inputs: {n: {type: integer, default: 3}, maxRetries: {}}",
    ],
)
def test_it_is_accepted(step: str) -> None:
    head = HEAD + "  inputs: {base: {type: string}}\n"
    assert load(steps(f"{{id: a, {step}}}", head=head)).problems == []


@pytest.mark.parametrize(
    ("step", "code", "said", "place"),
    [
        ("type: wait", "schema-missing-key", "needs `for`, `until` or `event`", "{"),
        ("type: wait, for: 1s, event: {type: x}", "schema-conflict", "takes one of", "event"),
        ("type: wait, duration: 1s", "schema-unknown-key", "has no key `duration`", "duration"),
        ("type: wait, until: '2030-01-31'", "rule-time", "says no time zone", "'2030-01-31'"),
        ("type: wait, until: '2030-01-31T09:00'", "rule-time", "says no time zone", "'2030-01-31T09:00'"),
        ("type: wait, until: noon", "rule-time", "`noon` is not a time", "noon"),
        ("type: wait, until: '2030-02-30T09:00:00Z'", "rule-time", "is not a time: day", None),
        ("type: wait, until: 5", "schema-type", "takes text", "5"),
        ("type: wait, event: {where: x}", "schema-missing-key", "needs the key `type`", None),
        ("type: wait, event: git.tag", "schema-type", "takes a mapping", "git.tag"),
        ("type: wait, event: {type: a b}", "rule-event-type", "is not a type of events", "a b"),
        (
            "type: wait, event: {type: x, where: 'event.kind == 1'}",
            "ref-unknown-name",
            "`event` `kind`",
            None,
        ),
        ("type: wait, event: {type: x, were: 'true'}", "schema-unknown-key", "has no key `were`", "were"),
        ("type: wait, event: {type: x, where: 'a.result == 1'}", "ref-self", "its own result", None),
        ("type: emit", "schema-missing-key", "needs the key `event`", "{"),
        ("type: emit, event: {data: 1}", "schema-missing-key", "needs the key `type`", None),
        ("type: emit, event: {type: git.*}", "rule-event-type", "is not a type of events", "git.*"),
        ("type: emit, event: {type: x, data: '${event.id}'}", "ref-no-event", "of a `wait` only", None),
        ("type: emit, event: {type: x, data: '${inputs.no}'}", "ref-unknown-name", "no input `no`", None),
        ("type: approval", "schema-missing-key", "needs the key `message`", "{"),
        ("type: approval, message: ''", "schema-length", "is empty", "''"),
        ("type: approval, message: x, approver: [a]", "schema-unknown-key", "no key `approver`", "approver"),
        ("type: approval, message: x, approvers: [a, a]", "schema-repeated", "stands twice", None),
        ("type: approval, message: '${no.result}'", "ref-unknown-step", "no step `no`", None),
        (
            "type: approval, message: x, inputs: {n: {type: int}}",
            "rule-input-schema",
            "not a JSON Schema",
            "int",
        ),
        (
            "type: approval, message: x, inputs: {n: {type: integer, default: a}}",
            "rule-input-default",
            "`n`",
            "a",
        ),
        ("type: approval, message: x, inputs: {'a b': {}}", "schema-form", "not a valid name", "'a b'"),
        ("type: aproval, message: x", "schema-unknown-step-type", "no step type", "aproval"),
    ],
)
def test_it_is_refused_at_its_place(step: str, code: str, said: str, place: str | None) -> None:
    text = steps(f"{{id: a, {step}}}")
    problem = only(text)
    assert (problem.code, problem.line) == (code, 6)
    assert said in problem.message
    assert place is None or marked(text, problem) == place


def test_words_of_others_lead_to_the_type() -> None:
    for word, kind in (("gate", "approval"), ("publish", "emit"), ("signal", "wait")):
        assert f"did you mean `{kind}`?" in str(only(steps(f"{{id: a, type: {word}}}")).hint)


def test_event_is_no_name_of_a_step() -> None:
    assert "schema-reserved-name" in codes(steps("{id: event, type: set, values: {}}"))


def test_the_model_keeps_forms_and_data_as_they_are_written() -> None:
    loaded = load(
        steps(
            "{id: a, type: approval, message: x, inputs: {maxRetries: {minLength: 2}}}",
            "{id: b, type: emit, event: {type: x, data: {stepId: 1}}}",
            "{id: c, type: wait, event: {type: x, where: 'true'}}",
        )
    )
    assert loaded.workflow is not None
    a, b, c = loaded.workflow.steps
    assert isinstance(a, ApprovalStep)
    assert a.inputs == {"maxRetries": {"minLength": 2}}
    assert isinstance(b, EmitStep)
    assert b.event.data == {"stepId": 1}
    assert isinstance(c, WaitStep)
    assert c.event is not None
    assert (c.event.type, c.event.where, c.for_, c.until) == ("x", "true", None, None)
