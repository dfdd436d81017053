"""The routes of sub-workflows: served where their runs are driven, each with what its own runs tell."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from tests.cli.conftest import Terminal
from tests.service import Reply, serving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

MAIN = """\
workflow:
  id: main
  name: Main
  version: 1.0.0
  events:
    routes:
      - {id: log, match: {type: "run.*"}, target: {file: main.jsonl}}
  steps:
    - {id: call, type: workflow, file: parts/outer.yaml}
    - {id: other, type: workflow, file: parts/outer.yaml}
    - id: each
      type: foreach
      items: [1, 2, 3]
      steps:
        - {id: one, type: workflow, file: parts/inner.yaml}
"""

OUTER = """\
workflow:
  id: outer
  name: Outer
  version: 1.0.0
  events:
    routes:
      - {id: log, match: {type: "run.*"}, target: {file: outer.jsonl}}
  steps:
    - {id: deeper, type: workflow, file: inner.yaml}
"""

#: Its filter and its transformer are for its own routes.
INNER = """\
workflow:
  id: inner
  name: Inner
  version: 1.0.0
  events:
    filters:
      - {id: no-begin, drop: {type: run.started}}
      - {id: no-steps, drop: {type: "step.*"}}
    transformers:
      - {id: said, match: {type: said}, set: {subject: "of ${event.data.by}"}}
    routes:
      - {id: log, target: {file: inner.jsonl}}
  steps:
    - {id: say, type: emit, event: {type: said, data: {by: inner}}}
"""

#: Tells of its end only as soon as there is a file called `open`; it ends when there is one called `go`.
SUB = """\
workflow:
  id: sub
  name: Sub
  version: 1.0.0
  grace: 200ms
  events:
    routes:
      - id: told
        match: {type: "run.*"}
        target: {command: [sh, -c, "test -e open && cat >> told.jsonl"]}
        retry-policy: {max-retries: 100, initial-delay: 200ms, max-delay: 500ms}
  steps:
    - {id: first, type: shell, run: echo "it is up"}
    - {id: wait, type: shell, dependencies: [first], run: "until test -e go; do sleep 0.05; done"}
"""

CALLS = """\
workflow:
  id: main
  name: Main
  version: 1.0.0
  grace: 200ms
  steps:
    - {id: call, type: workflow, file: sub.yaml}
    - {id: after, type: shell, dependencies: [call], run: 'echo "it is after"; until test -e end; do sleep 0.05; done'}
"""


@pytest.fixture
def family(terminal: Terminal) -> Terminal:
    (terminal.directory / "parts").mkdir()
    for name, text in (
        ("main.yaml", MAIN),
        ("parts/outer.yaml", OUTER),
        ("parts/inner.yaml", INNER),
        ("calls.yaml", CALLS),
        ("sub.yaml", SUB),
    ):
        terminal.write(name, text)
    return terminal


def lines(terminal: Terminal, name: str) -> list[dict[str, Any]]:
    file = terminal.directory / name
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def told(terminal: Terminal, name: str) -> list[tuple[str, str]]:
    """The types of what a route has written, with the workflow that told it."""
    return [(line["type"], line["source"].split("/")[1]) for line in lines(terminal, name)]


def run_of(terminal: Terminal, workflow: str) -> str:
    found = terminal("runs", "--all", "--output", "json").document["runs"]
    [run] = [run["runId"] for run in found if run["workflowId"] == workflow]
    return str(run)


def test_each_file_is_served_with_what_its_own_runs_tell(family: Terminal) -> None:
    assert family("run", "main.yaml").code == 0
    assert told(family, "main.jsonl") == [("run.started", "main"), ("run.completed", "main")]
    outer = told(family, "parts/outer.jsonl")
    assert sorted(outer) == [("run.completed", "outer")] * 2 + [("run.started", "outer")] * 2
    # Two of them are inside the outer ones, three in the foreach.
    inner = lines(family, "parts/inner.jsonl")
    by_run: dict[str, list[str]] = {}
    for line in inner:
        by_run.setdefault("/".join(line["source"].split("/")[:3]), []).append(line["type"])
    assert len(by_run) == 5
    assert {tuple(types[-2:]) for types in by_run.values()} == {("said", "run.completed")}
    assert not any("run.started" in types for types in by_run.values())
    assert {line.get("subject") for line in inner if line["type"] == "said"} == {"of inner"}
    main = run_of(family, "main")
    routes = {one["route"] for one in family("events", "deliveries", "-o", "json").document["deliveries"]}
    assert routes == {
        f"run:{main}/log",
        f"run:{main}/parts/outer.yaml/log",
        f"run:{main}/parts/inner.yaml/log",
    }
    assert family("runs", "prune", "--keep-days", "0", "--yes").code == 0
    assert family("events", "deliveries", "-o", "json").document["deliveries"] == []


def test_two_files_with_the_same_workflow_id_are_told_apart(family: Terminal) -> None:
    family.write(
        "parts/outer.yaml", OUTER.replace("id: outer", "id: inner").replace("inner.yaml", "leaf.yaml")
    )
    family.write("parts/leaf.yaml", INNER.replace("id: inner", "id: leaf"))
    assert family("run", "main.yaml").code == 0
    outer, inner = told(family, "parts/outer.jsonl"), told(family, "parts/inner.jsonl")
    assert (len(outer), inner.count(("said", "inner")), inner.count(("said", "leaf"))) == (4, 3, 2)


def test_what_was_left_is_delivered_when_the_outer_run_is_taken_up_after_a_kill(family: Terminal) -> None:
    running = family.start("run", "calls.yaml", "--output", "quiet")
    family.until_written("it is up")
    running.send_signal(signal.SIGKILL)
    running.wait()
    running = family.start("resume", "main", "--output", "quiet")
    family.write("go", "")
    # A route that fails holds nothing up: the sub-workflow has ended, and the next step has begun.
    family.until_written("it is after")
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert told(family, "told.jsonl") == []
    family.write("open", "")
    family.write("end", "")
    assert family("resume", "main").code == 0
    assert {kind for kind, _ in told(family, "told.jsonl")} == {"run.started", "run.resumed", "run.completed"}
    assert family("events", "dead-letter", "-o", "json").document["deadLetters"] == []


def test_what_is_told_by_a_sub_workflow_that_is_cancelled_with_its_outer_run_is_delivered(
    family: Terminal,
) -> None:
    family.write("open", "")
    running = family.start("run", "calls.yaml", "--output", "quiet")
    family.until_written("it is up")
    assert family("cancel", "main").code == 0
    assert running.wait(60) == 4
    assert told(family, "told.jsonl") == [("run.started", "sub"), ("run.cancelled", "sub")]


@pytest.mark.parametrize("verb", ["cancel", "kill"])
def test_who_ends_a_run_that_nobody_drives_delivers_what_it_has_left(family: Terminal, verb: str) -> None:
    running = family.start("run", "calls.yaml", "--output", "quiet")
    family.until_written("it is up")
    running.send_signal(signal.SIGKILL)
    running.wait()
    family.write("open", "")
    assert family(verb, "main").code == 0
    assert {kind for kind, _ in told(family, "told.jsonl")} >= {"run.started", "run.cancelled"}


def test_a_sub_workflow_that_is_cancelled_alone_is_served_with_its_outer_run(family: Terminal) -> None:
    running = family.start("run", "calls.yaml", "--output", "quiet")
    family.until_written("it is up")
    running.send_signal(signal.SIGKILL)
    running.wait()
    family.write("open", "")
    assert family("cancel", "sub").code == 0
    assert told(family, "told.jsonl") == []
    assert family("resume", "main").code == 1
    kinds = [kind for kind, _ in told(family, "told.jsonl")]
    assert (kinds[0], kinds[-1], len(kinds)) == ("run.started", "run.cancelled", len(set(kinds)))


def test_a_route_of_a_sub_workflow_has_the_secrets_that_its_file_declares(family: Terminal) -> None:
    with serving(lambda asked, before: Reply(204)) as service:
        hook = f"{{webhook: '{service.base}/hook', secret: HOOK}}"
        text = INNER.replace("{file: inner.jsonl}", hook).replace("  events:", "  secrets: [HOOK]\n  events:")
        family.write("parts/inner.yaml", text)
        assert family("run", "main.yaml").code == 2
        assert not service.asked
        assert family("run", "main.yaml", env={"HOOK": SECRET}).code == 0
    assert len(service.asked) == 10
    for asked in service.asked:
        Webhook(SECRET).verify(asked.body, asked.headers)


def test_a_sub_workflow_that_waits_for_a_person_is_served_before_and_after(family: Terminal) -> None:
    asks = "{id: wait, type: approval, message: Go on?, approvers: [ann]}"
    wait = SUB.index("    - {id: wait")
    family.write("sub.yaml", SUB[:wait] + f"    - {asks}\n")
    family.write("open", "")
    family.write("end", "")
    assert family("run", "calls.yaml").code == 3
    assert told(family, "told.jsonl") == [("run.started", "sub"), ("run.waiting", "sub")]
    assert family("approve", "sub", "wait", "--by", "ann").code == 0
    assert family("resume", "main").code == 0
    assert told(family, "told.jsonl")[2:] == [("run.resumed", "sub"), ("run.completed", "sub")]
