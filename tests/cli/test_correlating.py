"""What events come to, at a terminal: those of a file, those on the board, and what follows between processes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Terminal, until

RULES = """\
correlation-rules:
  - id: many-logins
    type: frequency
    match: {type: login.failed}
    window: 1m
    minimum-events: 3
    key: ${event.data.user}
  - {id: stuck, type: absence, events: [{type: begun}, {type: done}], window: 10m}
"""

PROJECT = """\
events:
  correlation-rules:
    - id: attack
      type: frequency
      match: {type: login.failed}
      window: 1h
      minimum-events: 3
      actions:
        - emit: {type: alarm, data: {of: "${correlation.events | length}"}}
        - {workflow: react.yaml, inputs: {rule: "${correlation.ruleId}"}}
"""

REACT = """\
workflow:
  id: react
  name: React
  version: 1.0.0
  inputs: {rule: {type: string}}
  steps:
    - {id: tell, type: shell, run: 'echo "${inputs.rule}" >> reacted'}
"""


def document(name: str, kind: str, second: int, **data: Any) -> str:
    time = f"2026-01-01T00:{second // 60:02d}:{second % 60:02d}Z"
    return json.dumps(
        {"specversion": "1.0", "id": name, "source": "/app", "type": kind, "time": time, "data": data}
    )


@pytest.fixture
def file(terminal: Terminal) -> Terminal:
    """Three failed logins of one and two of another, and something that never ends; the lines are in no order."""
    lines = [
        document("last", "tick", 3_000),
        *(document(f"eve{n}", "login.failed", 30 - 10 * n, user="eve", ms=n) for n in range(3)),
        *(document(f"bob{n}", "login.failed", n * 10, user="bob") for n in range(2)),
        document("b", "begun", 5),
    ]
    terminal.write("events.ndjson", "\n".join([*lines, lines[1]]))
    terminal.write("rules.yaml", RULES)
    return terminal


def test_a_file_of_events_is_correlated_by_a_file_of_rules(file: Terminal) -> None:
    asked = ("events", "correlate", "--rules", "rules.yaml", "--file", "events.ndjson")
    found = file(*asked, "-o", "json").document["correlations"]
    assert [(one["ruleId"], one["events"]) for one in found] == [
        ("many-logins", ["eve2", "eve1", "eve0"]),
        ("stuck", ["b"]),
    ]
    assert [*found[0]] == [
        "id", "ruleId", "events", "correlationType", "confidence", "insights", "timestamp",
    ]  # fmt: skip
    assert file(*asked, "-o", "json").document["correlations"] == found
    shown = file(*asked).out
    assert "eve2, eve1, eve0" in shown
    assert "no history" in shown
    assert not (file.directory / ".mplp").exists(), "a question stores nothing"


def test_events_are_counted_in_windows(file: Terminal) -> None:
    asked = ("events", "aggregate", "--file", "events.ndjson", "--by", "data.user", "--window", "20s")
    made = file(*asked, "--field", "data.ms", "-o", "json").document
    assert [(one["key"], one["start"] % 60_000, one["events"]) for one in made["aggregates"]] == [
        ("bob", 0, ["bob0", "bob1"]),
        ("eve", 0, ["eve2"]),
        ("eve", 20_000, ["eve1", "eve0"]),
    ]
    assert made["aggregates"][2]["summary"]["mean"] == 0.5
    assert {one["id"] for one in made["refused"]} == {"last", "b"}
    late = file(*asked, "--lateness", "30s", "-o", "json").document
    assert late["aggregates"] == []
    assert len(late["late"]) == 6
    assert "they lack the key: 2" in file(*asked).err
    assert "login.failed" in file("events", "aggregate", "--file", "events.ndjson").out


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("correlation-rules: [{id: a, type: frequenzy, match: {}, window: 1m}]\n", "wrong.yaml:1:35:"),
        ("correlation-rules: 5\n", "wrong.yaml:1:20:"),
        ("events: {routes: []}\n", "there are no `correlation-rules` in it"),
        ("[]\n", "wrong.yaml:1:1: rules are declared in a mapping"),
        ("a: [\n", "wrong.yaml:"),
    ],
)
def test_rules_that_are_not_valid_are_refused_with_their_place(file: Terminal, rules: str, said: str) -> None:
    file.write("wrong.yaml", rules)
    ended = file("events", "correlate", "--rules", "wrong.yaml", "--file", "events.ndjson")
    assert ended.code == 2
    assert said in ended.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--by", "data."), "this is no key or number of an event"),
        (("--field", "customer.age"), "this is no key or number of an event"),
        (("--window", "5x"), "--window: '5x' is not a duration"),
        (("--window", "1m", "--slide", "2m"), "windows are further apart than they are long"),
        (("--slide", "2m"), "--slide is for windows"),
        (("--by", "window"), "--by window: there are no windows"),
        (("--window", "7d", "--slide", "1s"), "more than 1,000 windows"),
    ],
)
def test_what_cannot_be_aggregated_is_refused(file: Terminal, options: tuple[str, ...], said: str) -> None:
    ended = file("events", "aggregate", "--file", "events.ndjson", *options)
    assert ended.code == 2
    assert said in ended.err


def test_rules_of_the_project_work_from_one_process_to_the_next(terminal: Terminal) -> None:
    assert terminal("events", "correlate").code == 2
    terminal.write("react.yaml", REACT)
    assert terminal("run", "react.yaml", "-i", "rule=none").code == 0
    terminal.write("mplp.yaml", PROJECT)
    for n in range(4):
        assert terminal("events", "emit", "login.failed", "--id", f"e{n}").code == 0
    listed = terminal("events", "list", "--type", "*", "-o", "json").document["events"]
    (found,) = [one for one in listed if one["type"] == "correlation.found"]
    assert found["source"] == "mplp/rule/attack"
    assert found["data"]["events"] == ["e0", "e1", "e2"]
    assert [one["data"] for one in listed if one["type"] == "alarm"] == [{"of": 3}]
    until(lambda: (terminal.directory / "reacted").read_text() == "none\nattack\n")
    again = terminal("events", "correlate", "-o", "json").document["correlations"]
    assert [one["id"] for one in again] == [found["id"]], "the id follows from the rule and the events"
