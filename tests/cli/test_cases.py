"""`mplp test`: case files as somebody writes them, and what is said of them."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

from mplp_cli.bundled import bundled
from tests.cli.conftest import Terminal

FLOW = """\
workflow:
  id: order
  name: Order
  version: 1.0.0
  inputs: {big: {type: boolean, default: false}}
  secrets: [TOKEN]
  steps:
    - {id: fetch, type: http, url: "http://192.0.2.1/x", headers: {A: "${secrets.TOKEN}"}, retry-policy: {max-retries: 2, initial-delay: 1h}}
    - {id: work, type: shell, run: "echo hi; pwd"}
    - {id: size, type: conditional, condition: inputs.big, then: {id: large, type: set, values: {n: 2}}, else: {id: small, type: set, values: {n: 1}}}
    - {id: rest, type: wait, for: 7d}
    - {id: made, type: module-operation, module: context, operation: create-context, parameters: {name: n}}
    - {id: score, type: agent, agent: judge, input: {n: 1}, result-schema: {type: object, required: [points]}}
    - {id: ok, type: approval, message: "Go?", approvers: [ann], dependencies: [fetch, score], inputs: {why: {type: string}}}
    - {id: told, type: emit, event: {type: order.placed, data: {}}, dependencies: [ok, rest, made]}
  outputs: {why: "${ok.result.inputs.why}", points: "${score.result.points}", ctx: "${made.result.contextId}"}
agents:
  - {id: judge, kind: http, endpoint: "http://192.0.2.1/judge", budget: few}
budgets: {few: {max-calls: 3}}
"""  # noqa: E501

CASES = """\
workflow: order.yaml
cases:
  - name: goes well
    secrets: {TOKEN: a secret token}
    mocks:
      agents:
        judge:
          - {error: {code: agent.rate_limited, retry-after: 1h}}
          - {reply: {pts: 3}, usage: {output-tokens: 5}}
          - {reply: {points: 3}, usage: {output-tokens: 5}, delay: 10s}
      steps: {fetch: [{fail: {type: HttpConnectionError}}, {result: {status: 200}}]}
    approvals: [{decision: approve, inputs: {why: because}}]
    expect:
      exit: 0
      outputs: {why: because, points: 3, ctx: {uuid: 4}}
      steps:
        fetch: {attempts: 2, result: {status: 200}}
        work: {result.output: {contains: hi}}
        small: completed
        large: skipped
      agentsCalled: [judge]
      attempts: {judge: 3}
      budget: {calls: 3, tokens: {max: 10}}
      objects: {context: 1, confirm: 1, valid: true}
      events: {contains: [order.placed, {type: step.retrying, count: 2}, context_created]}
"""


def write(terminal: Terminal, flow: str = FLOW, cases: str = CASES) -> None:
    terminal.write("order.yaml", flow)
    terminal.write("order.mplp-test.yaml", cases)


def score_retries(flow: str = FLOW) -> str:
    return flow.replace("required: [points]}}", "required: [points]}, retry-policy: {max-retries: 1}}")


def only(document: Any) -> Any:
    [case] = document["cases"]
    return case


def test_a_case_runs_the_engine_with_stand_ins_and_skips_days(terminal: Terminal) -> None:
    write(terminal, score_retries())
    ended = terminal("test", "--output", "json")
    case = only(ended.document)
    assert (ended.code, case["mismatches"], case["status"]) == (0, [], "completed"), ended.err
    assert ended.document["coverage"]["order.yaml"]["branches"] == {"covered": 1, "all": 2}
    assert {"kind": "branch", "step": "size", "way": "then"} in ended.document["coverage"]["order.yaml"][
        "missing"
    ]
    assert not (terminal.directory / ".mplp").exists(), "nothing is stored"


def test_what_nothing_stands_in_for_sends_no_request(terminal: Terminal) -> None:
    flow = FLOW.replace(", retry-policy: {max-retries: 2, initial-delay: 1h}", "")
    expect = "{status: failed, steps: {fetch: {error: HttpRequestError}, score: {error: replay.miss}, work: completed}}"
    write(
        terminal,
        flow,
        "workflow: order.yaml\ncases:\n"
        f"  - {{name: alone, secrets: {{TOKEN: a secret token}}, expect: {expect}}}\n",
    )
    assert only(terminal("test", "-o", "json").document)["mismatches"] == []


FAULTS = {
    "work": "{fail: {type: ShellExitError}}", "small": "{fail: {}}", "size": "{fail: {}}", "rest": "{fail: {}}",
    "made": "{fail: {}}", "ok": "{fail: {}}", "told": "{fail: {}}", "score": "{fail: {code: agent.exit}}",
    "fetch": "{fail: {retryable: false}}",
}  # fmt: skip
SOUND = {
    "fetch": "{result: {}}",
    "work": "{result: {}}",
    "rest": "{result: {}}",
    "score": "{result: {points: 1}}",
}


def test_a_step_of_any_type_can_be_made_to_fail(terminal: Terminal) -> None:
    cases = ""
    for step, turn in FAULTS.items():
        mocks = ", ".join(f"{name}: {held}" for name, held in {**SOUND, step: turn}.items())
        answers = "" if step in ("ok", "fetch", "score") else "{decision: approve, inputs: {why: x}}"
        cases += f"""\
  - name: {step}
    secrets: {{TOKEN: long enough}}
    mocks: {{steps: {{{mocks}}}}}
    approvals: [{answers}]
    expect: {{status: failed, steps: {{{step}: {{status: failed, attempts: {{max: 1}}}}}}}}
"""
    write(terminal, cases=f"workflow: order.yaml\ncases:\n{cases}")
    found = terminal("test", "-o", "json").document["cases"]
    assert {one["name"]: one["mismatches"] for one in found} == {step: [] for step in FAULTS}


def test_what_is_not_met_is_shown_at_its_place_and_can_be_rewritten(terminal: Terminal) -> None:
    wrong = CASES.replace("attempts: 2,", "attempts: 5, # five\n          ").replace(
        "points: 3, ctx", "points: 4, ctx"
    )
    write(terminal, score_retries(), wrong)
    ended = terminal("test", "--junit", "report.xml")
    assert ended.code == 1
    line = next(n for n, text in enumerate(wrong.splitlines(), 1) if "attempts: 5" in text)
    assert f"order.mplp-test.yaml:{line}:27: the attempts of `fetch`" in ended.out
    assert "expected  5" in ended.out
    assert "actual    2" in ended.out
    [failure] = ET.parse(terminal.directory / "report.xml").getroot().iter("failure")
    assert "the output `points`" in str(failure.text)
    assert "::error file=order.mplp-test.yaml,line=" in terminal("test", "-o", "github").out
    assert "2 of 2 expectations rewritten" in terminal("test", "--update").err
    text = (terminal.directory / "order.mplp-test.yaml").read_text("utf-8")
    assert text == wrong.replace("attempts: 5", "attempts: 2").replace("points: 4, ctx", "points: 3, ctx")
    assert terminal("test").code == 0


def test_problems_of_a_file_are_told_with_their_places(terminal: Terminal) -> None:
    write(
        terminal,
        cases="""\
workflow: order.yaml
cases:
  - name: one
    secrets: {TOKN: long enough}
    mocks:
      agents: {juge: {reply: 1}}
      steps: {fech: {result: 1}, size: {result: 1}}
    cassette: none.jsonl
    expect:
      stats: completed
      steps: {smal: completed, work: {result: {matches: "("}}}
  - {name: one, mocks: {agents: {judge: {reply: 1, error: {code: agent.exit}}}}}
""",
    )
    ended = terminal("test", "--output", "json")
    assert ended.code == 2
    problems = json.loads(ended.err)["error"]["details"]["problems"]
    assert [(p["line"], p["code"]) for p in problems] == [
        (4, "test-unknown-secret"),
        (6, "test-unknown-agent"),
        (7, "test-unknown-step"),
        (7, "test-mock"),
        (8, "test-cassette"),
        (10, "schema-unknown-key"),
        (11, "test-unknown-step"),
        (11, "test-matcher"),
        (12, "test-duplicate-name"),
        (12, "schema-conflict"),
    ]
    hints = {p["code"]: p.get("hint", "") for p in problems}
    assert "did you mean `judge`?" in hints["test-unknown-agent"]
    assert "did you mean `small`?" in next(p["hint"] for p in problems if p["line"] == 11)
    terminal.write("order.yaml", "workflow: {}")
    ended = terminal("test")
    assert (ended.code, "test-workflow" in ended.err, "order.yaml:1:11" in ended.err) == (2, True, True)


def test_cases_are_chosen_and_the_first_failure_can_be_the_last(terminal: Terminal) -> None:
    terminal.write(
        "s.yaml", "workflow: {id: s, name: s, version: 1.0.0, steps: [{id: a, type: set, values: {}}]}"
    )
    cases = "".join(f"  - {{name: case {n}, inputs: {{x: 1}}}}\n" for n in (1, 2))
    terminal.write("deep.mplp-test.yaml", f"workflow: s.yaml\ncases:\n{cases}  - {{name: other}}\n")
    assert [one["name"] for one in terminal("test", "-k", "other", "-o", "json").document["cases"]] == [
        "other"
    ]
    first = terminal("test", "--fail-fast", "-o", "json")
    assert (first.code, only(first.document)["status"]) == (1, "refused")
    assert terminal("test", "-k", "nothing").code == 2
    assert terminal("test", "none").code == 2


def test_the_case_files_that_come_with_it_pass(terminal: Terminal) -> None:
    ended = terminal("test", bundled("workflows"), "--output", "json")
    assert (ended.code, ended.document["failed"]) == (0, 0), ended.err
    assert ended.document["passed"] >= 3
