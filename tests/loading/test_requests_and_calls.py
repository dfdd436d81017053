"""What is said of http and python steps before anything is sent or imported."""

from __future__ import annotations

import sys

import pytest

from tests.loading.samples import HEAD, codes, load, only, steps


def http(rest: str) -> str:
    return steps(f"{{id: a, type: http, {rest}}}")


@pytest.mark.parametrize(
    "rest",
    [
        'url: "http://localhost:8000/a b?x=1#y"',
        "url: HTTPS://example.com",
        'url: "${inputs.base}/x"',
        'url: "https://${inputs.base}/a@b"',
        'url: "https://x/?mail=a@b"',
        "url: http://x, headers: {X-A: b, X-N: 1, X-B: true, X-No: }",
        "url: http://x, query: {a: [1, b, true], b: , c: 1.5}",
        "url: http://x, json: null",
        "url: http://x, body: ''",
        "url: http://x, expect-status: 404",
        "url: http://x, expect-status: [200, '2xx', 400-499]",
        "url: http://x, expectStatus: 2xx, followRedirects: false",
        "url: http://x, expect_status: 2xx, retry-policy: {retry-on: [HttpStatusError, HttpConnectionError]}",
    ],
)
def test_a_request_is_accepted(rest: str) -> None:
    head = HEAD + "  inputs: {base: {type: string}}\n"
    assert load(steps(f"{{id: a, type: http, {rest}}}", head=head)).problems == []


@pytest.mark.parametrize(
    ("rest", "code", "said"),
    [
        ("method: GET", "schema-missing-key", "needs the key `url`"),
        ("uri: http://x", "schema-unknown-key", "has no key `uri`"),
        ("url: http://x, methd: GET", "schema-unknown-key", "has no key `methd`"),
        ("url: http://x, method: get", "schema-value", "`method` cannot be `get`"),
        ('url: http://x, method: "GET\\r\\nX: y"', "schema-value", "`method` cannot be"),
        ('url: "http://x/\\nHost: y"', "schema-form", "is not a valid URL"),
        ("url: ftp://x", "rule-url", "no request can be sent to `ftp://x`"),
        ("url: example.com", "rule-url", "no request can be sent"),
        ("url: file:///etc/passwd", "rule-url", "no request can be sent"),
        ('url: "http://user:secret@x/"', "rule-url", "the URL holds credentials"),
        ('url: "https://me@x"', "rule-url", "the URL holds credentials"),
        (
            'url: http://x, headers: {X: "v\\r\\nAuthorization: Bearer forged"}',
            "schema-form",
            "value of a header",
        ),
        ('url: http://x, headers: {"X Y": v}', "schema-form", "not a valid name of a header"),
        ('url: http://x, headers: {"X:": v}', "schema-form", "not a valid name of a header"),
        ("url: http://x, headers: {Content-Length: 3}", "rule-header", "is set by the connection itself"),
        ("url: http://x, headers: {X: [a]}", "schema-type", "not a list"),
        ("url: http://x, query: {a: {b: c}}", "schema-type", "not a mapping"),
        ("url: http://x, json: 1, body: x", "schema-conflict", "takes `json` or `body`, not both"),
        ("url: http://x, expect-status: 99", "schema-range", "at least 100"),
        ("url: http://x, expect-status: 4xy", "schema-form", "not a valid status"),
        ("url: http://x, expect-status: []", "schema-length", "is empty"),
        ("url: http://x, expect-status: 299-200", "rule-status", "ends before it begins"),
        ("url: http://x, expect-status: [200, 299-200]", "rule-status", "ends before it begins"),
        ('url: "http://x/${secrets.T}"', "ref-secret-place", "in `headers` of an http step"),
        ('url: http://x, json: "${secrets.T}"', "ref-secret-place", "only be handed over"),
        ('url: http://x, query: {t: "${secrets.T}"}', "ref-secret-place", "only be handed over"),
        ('url: "http://x/${b.result}"', "ref-unknown-step", "there is no step `b`"),
    ],
)
def test_a_request_that_cannot_be_sent_is_refused_by_name(rest: str, code: str, said: str) -> None:
    problem = only(steps(f"{{id: a, type: http, {rest}}}", head=HEAD + "  secrets: [T]\n"))
    assert problem.code == code
    assert said in problem.message
    assert problem.hint


def test_a_secret_may_stand_in_a_header() -> None:
    text = '{id: a, type: http, url: http://x, headers: {Authorization: "Bearer ${secrets.T}"}}'
    loaded = load(steps(text, head=HEAD + "  secrets: [T]\n"))
    assert loaded.problems == []
    assert loaded.plan is not None
    assert loaded.plan.steps[0].effect
    assert loaded.plan.steps[0].timeout == 600_000


@pytest.mark.parametrize("call", ["a:b", "a.b.c:d", "_a1:B.c_d"])
def test_a_call_is_accepted_and_nothing_is_imported(call: str) -> None:
    before = set(sys.modules)
    loaded = load(steps(f"{{id: a, type: python, call: '{call}', arguments: {{n: 1}}}}"))
    assert loaded.problems == []
    assert loaded.plan is not None
    assert (loaded.plan.steps[0].effect, loaded.plan.steps[0].timeout) == (True, 600_000)
    assert not {name for name in set(sys.modules) - before if name.partition(".")[0] in ("a", "_a1")}


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        ("arguments: {}", "schema-missing-key"),
        ("function: a:b", "schema-unknown-key"),
        ("call: a", "schema-form"),
        ("call: 'a:b()'", "schema-form"),
        ("call: 'a:b; import os'", "schema-form"),
        ("call: '../a:b'", "schema-form"),
        ("call: '/a.py:b'", "schema-form"),
        ("call: 'a:'", "schema-form"),
        ("call: '${inputs.x}:b'", "schema-form"),
        ('call: "a:b\\n"', "schema-form"),
        ("call: 'a:b', arguments: [1]", "schema-type"),
        ("call: 'a:b', arguments: {'a b': 1}", "schema-form"),
        ("call: 'a:b', isolation: none", "schema-value"),
        ("call: 'a:b', isolation: thread, env: {A: b}", "plan-thread-env"),
        ("call: 'a:b', arguments: {t: '${secrets.T}'}", "ref-secret-place"),
    ],
)
def test_a_call_that_cannot_be_made_is_refused_by_name(rest: str, code: str) -> None:
    assert codes(steps(f"{{id: a, type: python, {rest}}}", head=HEAD + "  secrets: [T]\n")) == [code]


@pytest.mark.parametrize(("word", "meant"), [("curl", "http"), ("request", "http"), ("function", "python")])
def test_the_word_of_another_tool_is_understood(word: str, meant: str) -> None:
    assert f"`{meant}`" in (only(steps(f"{{id: a, type: {word}}}")).hint or "")
