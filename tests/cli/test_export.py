"""`mplp export` and `mplp verify`: a run becomes documents that anybody can check."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, FormatChecker
from referencing import Registry, Resource

from mplp_cli.bundled import bundled
from mplp_cli.exchange.documents import OBJECT_KINDS, event_kind
from tests.cli.conftest import Terminal, until

#: One plan, carried out, asked about and traced: the whole life of one agent's work.
LIFE = """\
workflow:
  id: life
  name: A life
  version: 1.0.0
  steps:
    - id: context
      type: module-operation
      module: context
      operation: create-context
      parameters: {name: letter, type: writing}
    - id: roles
      type: module-operation
      module: role
      operation: assign-roles
      parameters: {contextId: "${context.result.contextId}", roles: [author]}
    - id: plan
      type: module-operation
      module: plan
      operation: create-plan
      parameters: {contextId: "${context.result.contextId}", assignedRoles: "${roles.result.assignments}"}
    - id: trace
      type: module-operation
      module: trace
      operation: start-monitoring
      parameters: {planId: "${plan.result.planId}"}
    - id: ask
      type: module-operation
      module: confirm
      operation: request-approval
      dependencies: [trace]
      parameters: {planId: "${plan.result.planId}", reason: is it good}
    - id: answer
      type: module-operation
      module: confirm
      operation: approve
      parameters: {confirmId: "${ask.result.confirmId}", decidedByRole: author}
    - id: approved
      type: module-operation
      module: plan
      operation: approve-plan
      dependencies: [answer]
      parameters: {planId: "${plan.result.planId}"}
    - id: started
      type: module-operation
      module: plan
      operation: start-plan
      dependencies: [approved]
      parameters: {planId: "${plan.result.planId}"}
    - id: begin
      type: module-operation
      module: plan
      operation: update-step-status
      dependencies: [started]
      parameters: {planId: "${plan.result.planId}", stepId: "${plan.result.steps[0].step_id}", status: in_progress}
    - {id: write, type: shell, dependencies: [begin], run: echo Dear Ann > letter.txt}
    - id: done
      type: module-operation
      module: plan
      operation: update-step-status
      dependencies: [write]
      parameters: {planId: "${plan.result.planId}", stepId: "${plan.result.steps[0].step_id}", status: completed}
    - id: over
      type: module-operation
      module: plan
      operation: complete-plan
      dependencies: [done]
      parameters: {planId: "${plan.result.planId}"}
    - id: stop
      type: module-operation
      module: trace
      operation: stop-monitoring
      dependencies: [over]
      parameters: {traceId: "${trace.result.traceId}"}
    - id: close
      type: module-operation
      module: context
      operation: close-context
      dependencies: [stop]
      parameters: {contextId: "${context.result.contextId}"}
"""

#: What makes a bundled workflow run here.
GIVEN = {
    "appends.yaml": ["-i", "file=names.txt"],
    "release-component.yaml": ["-i", "component=core", "-i", "version=1.0.0"],
}


def files_of(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def events_of(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "events.ndjson").read_text("utf-8").splitlines()]


@pytest.fixture
def life(terminal: Terminal) -> Path:
    """The export of a whole life."""
    terminal.write("life.yaml", LIFE)
    ended = terminal("run", "life.yaml", "--output", "quiet")
    assert ended.code == 0, ended.err
    assert terminal("export", "life", "--out", "out").code == 0
    return terminal.directory / "out"


def test_a_run_is_exported_whole_and_verified(terminal: Terminal, life: Path) -> None:
    manifest = json.loads((life / "manifest.json").read_text("utf-8"))
    assert (manifest["runId"], manifest["workflowId"]) == (terminal.only_run(), "life")
    assert (manifest["formatVersion"], manifest["status"]) == (1, "completed")
    assert manifest["profiles"] == {
        "sa": {"status": "complete", "missing": []},
        "map": {"status": "absent", "missing": ["collab"]},
    }
    kinds = sorted(one["kind"] for one in manifest["files"])
    assert kinds == ["confirm", "context", "events", "plan", "role", "trace"]
    assert {one["path"] for one in manifest["files"]} | {"manifest.json"} == set(files_of(life))
    families = {event.get("event_family") for event in events_of(life)}
    assert families == {None, "graph_update", "pipeline_stage", "runtime_execution"}
    checked = terminal("verify", "out", "--output", "json")
    assert (checked.code, checked.document) == (0, {"valid": True, "problems": []})
    said = terminal("verify", "out")
    assert (said.out, said.err.endswith(" documents are valid\n")) == ("", True)


def test_the_same_run_gives_the_same_bytes(terminal: Terminal, life: Path) -> None:
    first = files_of(life)
    assert terminal("export", "life", "--out", "again").code == 0
    assert files_of(terminal.directory / "again") == first


def test_the_events_are_in_the_order_of_time_with_ids_of_version_4(life: Path) -> None:
    events = events_of(life)
    times = [event["timestamp"] for event in events]
    assert times == sorted(times)
    assert len({event["event_id"] for event in events}) == len(events)
    assert {event["event_id"][14] for event in events} == {"4"}
    phases = [event["event_type"] for event in events if event["event_type"].startswith("SA")]
    assert phases == [
        "SAInitialized",
        "SAContextLoaded",
        "SAPlanEvaluated",
        "SAStepStarted",
        "SAStepCompleted",
        "SATraceEmitted",
        "SACompleted",
    ]


def test_machines_are_told_where_it_is_and_what_is_in_it(terminal: Terminal, life: Path) -> None:
    told = terminal("export", "life", "--out", "json", "--output", "json").document
    assert told["directory"] == str(terminal.directory / "json")
    assert told["files"] == json.loads((life / "manifest.json").read_text("utf-8"))["files"]


# ---- the directory -----------------------------------------------------------------------------


def test_a_directory_that_holds_something_is_left_alone(terminal: Terminal, life: Path) -> None:
    before = files_of(life)
    ended = terminal("export", "life", "--out", "out")
    assert ended.code == 2
    assert "the directory out is not empty" in ended.err
    assert "--force" in ended.err
    assert files_of(life) == before


def test_force_replaces_an_export_and_keeps_what_is_not_of_it(terminal: Terminal, life: Path) -> None:
    before = files_of(life)
    (life / "notes.txt").write_text("mine")
    (life / "context-0.json").write_text("{}")
    next(life.glob("plan-*")).unlink()
    manifest = json.loads((life / "manifest.json").read_text("utf-8"))
    manifest["files"].append({"path": "context-0.json", "sha256": ""})
    (life / "manifest.json").write_text(json.dumps(manifest))
    assert terminal("export", "life", "--out", "out/", "--force").code == 0
    assert files_of(life) == before | {"notes.txt": b"mine"}
    assert [path.name for path in terminal.directory.glob(".out*")] == []


def test_an_empty_directory_is_filled(terminal: Terminal, life: Path) -> None:
    (terminal.directory / "empty").mkdir()
    assert terminal("export", "life", "--out", "empty").code == 0
    assert files_of(terminal.directory / "empty") == files_of(life)


@pytest.mark.parametrize(
    "out", ["life.yaml", "no/such/place", ".", "life.yaml/out", "a" * 300, "a" * 300 + "/b"]
)
def test_what_is_no_place_for_a_directory_is_refused(terminal: Terminal, life: Path, out: str) -> None:
    before = sorted(path.name for path in terminal.directory.iterdir())
    ended = terminal("export", "life", "--out", out, "--force")
    assert ended.code == 2
    assert "Traceback" not in ended.err
    assert "help:" in ended.err
    assert sorted(path.name for path in terminal.directory.iterdir()) == before


def test_a_run_that_is_not_there_is_no_export(terminal: Terminal) -> None:
    ended = terminal("export", "nobody", "--out", "out")
    assert ended.code == 2
    assert not (terminal.directory / "out").exists()


# ---- runs in every state -----------------------------------------------------------------------


def test_a_run_that_waits_is_exported_as_it_stands_and_later_as_it_ended(terminal: Terminal) -> None:
    assert terminal("run", "ask.yaml").code == 3
    assert terminal("export", "ask", "--out", "one").code == 0
    manifest = json.loads((terminal.directory / "one" / "manifest.json").read_text("utf-8"))
    assert (manifest["status"], manifest["endedAt"]) == ("waiting", None)
    assert terminal("verify", "one").code == 0
    (terminal.directory / "approved").write_text("yes")
    assert terminal("approve", "ask", "--by", "ann").code == 0
    assert terminal("resume", "ask").code == 0
    assert terminal("export", "ask", "--out", "two").code == 0
    manifest = json.loads((terminal.directory / "two" / "manifest.json").read_text("utf-8"))
    assert manifest["status"] == "completed"
    assert manifest["endedAt"] is not None
    [confirm] = (terminal.directory / "two").glob("confirm-*.json")
    assert json.loads(confirm.read_text("utf-8"))["status"] == "approved"
    assert terminal("verify", "two").code == 0
    before, after = (events_of(terminal.directory / name) for name in ("one", "two"))
    assert after[: len(before)] == before


def attempts_at_work(terminal: Terminal) -> list[int]:
    """Which attempts of steps go on."""
    steps = terminal("status", "endless", "--output", "json").document["steps"].values()
    return [step["attempts"] for step in steps if step["status"] == "running"]


def test_a_run_that_was_killed_and_one_that_was_cancelled_are_exported(terminal: Terminal) -> None:
    process = terminal.start("run", "endless.yaml")
    terminal.until_written("it is up")
    process.kill()
    process.wait()
    until(lambda: terminal("status", "endless", "--output", "json").document["status"] == "interrupted")
    assert terminal("export", "endless", "--out", "killed").code == 0
    assert terminal("verify", "killed").code == 0
    process = terminal.start("resume", "endless")
    until(lambda: 2 in attempts_at_work(terminal))
    assert terminal("cancel", "endless").code == 0
    process.wait()
    assert terminal("export", "endless", "--out", "cancelled").code == 0
    assert terminal("verify", "cancelled").code == 0
    executions = [e for e in events_of(terminal.directory / "cancelled") if "execution_id" in e]
    assert {e["status"] for e in executions} >= {"running", "failed", "cancelled"}


# ---- every bundled workflow --------------------------------------------------------------------


@pytest.fixture(scope="module")
def theirs(shared: Path) -> Callable[[str, dict[str, Any]], list[str]]:
    """What the protocol's own schemas say against a document."""
    folder = shared / "mplp-v1"
    documents = [json.loads(path.read_text()) for path in sorted(folder.rglob("*.schema.json"))]
    registry: Registry[Any] = Registry().with_resources(
        (document["$id"], Resource.from_contents(document)) for document in documents
    )

    def judge(name: str, body: dict[str, Any]) -> list[str]:
        document = json.loads((folder / f"{name}.schema.json").read_text())
        check = Draft7Validator(document, registry=registry, format_checker=FormatChecker())
        return [f"{list(error.absolute_path)}: {error.message}" for error in check.iter_errors(body)]

    return judge


_EVENTS = {"event": "mplp-event-core"}


def against_theirs(directory: Path, judge: Callable[[str, dict[str, Any]], list[str]]) -> int:
    """How many documents the protocol's own schemas accept: all, or the test fails."""
    count = 0
    for path in directory.glob("*.json"):
        kind = path.name.partition("-")[0]
        if kind in OBJECT_KINDS:
            assert judge(f"mplp-{kind}", json.loads(path.read_text("utf-8"))) == [], path.name
            count += 1
    for event in events_of(directory):
        kind = event_kind(event) or ""
        assert judge(f"events/{_EVENTS.get(kind, f'mplp-{kind}')}", event) == [], event
        count += 1
    return count


def test_a_life_is_valid_for_the_protocol_itself(
    life: Path, theirs: Callable[[str, dict[str, Any]], list[str]]
) -> None:
    assert against_theirs(life, theirs) > 40


@pytest.mark.parametrize(
    "name", sorted(path.name for path in bundled("workflows").iterdir() if path.is_file())
)
def test_the_export_of_a_bundled_workflow_is_valid(
    name: str, terminal: Terminal, theirs: Callable[[str, dict[str, Any]], list[str]]
) -> None:
    run = terminal("run", f"example:{name}", "--output", "json", *GIVEN.get(name, []))
    ended = terminal("export", run.document["runId"], "--out", "out")
    assert ended.code == 0, ended.err
    checked = terminal("verify", "out")
    assert checked.code == 0, checked.err
    assert against_theirs(terminal.directory / "out", theirs) >= 2


# ---- what is wrong with an export --------------------------------------------------------------


def problems(terminal: Terminal, *paths: str) -> list[tuple[str, str]]:
    ended = terminal("verify", *paths, "--output", "json")
    assert ended.code == 1
    return [(one["code"], Path(one["file"]).name) for one in ended.document["problems"]]


def test_a_changed_a_missing_and_an_extra_file_are_found(terminal: Terminal, life: Path) -> None:
    [plan], [role] = life.glob("plan-*"), life.glob("role-*")
    plan.write_text(plan.read_text("utf-8").replace("letter", "litter"), "utf-8")
    role.unlink()
    (life / "extra.json").write_text("{}")
    found = problems(terminal, "out")
    assert sorted(found) == [
        ("export-checksum", plan.name),
        ("export-extra-file", "extra.json"),
        ("export-missing-file", "manifest.json"),
    ]


def test_a_link_is_no_file_of_an_export(terminal: Terminal, life: Path) -> None:
    [plan] = life.glob("plan-*")
    shutil.copy(plan, terminal.directory / "plan.json")
    plan.unlink()
    plan.symlink_to(terminal.directory / "plan.json")
    assert problems(terminal, "out") == [("export-missing-file", "manifest.json")]


def test_an_invariant_is_named_with_the_line_that_breaks_it(terminal: Terminal, life: Path) -> None:
    [context] = life.glob("context-*")
    body = json.loads(context.read_text("utf-8"))
    context.write_text(json.dumps(body | {"status": "draft"}, indent=2), "utf-8")
    ended = terminal("verify", "out", "--no-color")
    assert ended.code == 1
    assert "error[sa_context_must_be_active]" in ended.err
    assert '"status": "draft"' in ended.err
    assert "^^^^^^^" in ended.err


def test_text_of_a_document_is_data(terminal: Terminal) -> None:
    terminal.write("context.json", '{"context_id": "\\u001b[31mred [/red]"}')
    ended = terminal("verify", "context.json")
    assert ended.code == 1
    assert "\x1b" not in ended.err


def test_what_cannot_be_read_ends_with_code_2(terminal: Terminal) -> None:
    (terminal.directory / "empty").mkdir()
    for path in ("nothing.json", "empty"):
        ended = terminal("verify", path)
        assert ended.code == 2
        assert path in ended.err


def test_a_name_that_is_too_long_is_no_file(terminal: Terminal) -> None:
    ended = terminal("verify", "a" * 300)
    assert ended.code == 2
    assert "no such file" in ended.err
