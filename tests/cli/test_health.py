"""`mplp health`, as somebody types it whose store is broken, disk full, agent gone or route stuck."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from mplp_cli.cli import health
from mplp_cli.modules.catalogue import builtin_modules
from mplp_cli.protocols import Delivery
from mplp_cli.workflow.published import Published
from tests.cli.conftest import Terminal
from tests.store.sample import new_run, started

PATIENT = ("--timeout", "60")


def test_it_is_healthy_and_says_why(terminal: Terminal) -> None:
    ended = terminal("health", "--output", "json", *PATIENT)
    assert ended.code == 0
    report = ended.document
    assert report.keys() == {"overall", "components", "timestamp"}
    assert report["overall"] == "healthy"
    named = [component["component"] for component in report["components"]]
    modules = [f"module:{name}" for name in builtin_modules()]
    first = ["engine", "store", "events", "resources", "machine", *modules]
    assert named == [*first, "agents", "schemas", "disk", "serve", "packages", "platform"]
    for component in report["components"]:
        assert component.keys() == {"component", "status", "details", "timestamp"}
    assert report["components"][1]["details"] == {"state": "none yet"}
    assert not (terminal.directory / ".mplp").exists()


def test_a_store_that_is_broken_is_critical_and_the_rest_is_still_told(terminal: Terminal) -> None:
    state = terminal.directory / ".mplp"
    state.mkdir()
    (state / "state.db").write_bytes(b"this is no database" * 100)
    ended = terminal("health", "--output", "json", *PATIENT)
    assert ended.code == 1
    report = ended.document
    assert report["overall"] == "critical"
    errors = {one["component"]: one["error"] for one in report["components"] if one["status"] == "error"}
    assert "it is not a database" in errors.pop("store")
    unknown = "this is not known, since the store cannot be used\n`mplp health store` says why"
    assert errors == dict.fromkeys(("engine", "events", "resources"), unknown)
    assert {one["status"] for one in report["components"]} == {"healthy", "error"}
    assert json.dumps(report).isascii()


def test_a_state_directory_that_is_a_file_is_no_trouble_of_what_needs_none(terminal: Terminal) -> None:
    terminal.write("state", "")
    ended = terminal("health", "store", "module", "disk", "--state-dir", "state", "-o", "json", *PATIENT)
    assert ended.code == 1
    wrong = {one["component"]: one["error"] for one in ended.document["components"] if "error" in one}
    assert list(wrong) == ["store"]
    assert "--state-dir" in wrong["store"].splitlines()[1]


def test_what_is_wrong_is_told_with_what_to_do(terminal: Terminal) -> None:
    route = '{id: audit, match: {type: "a.*"}, target: {file: audit.jsonl}}'
    terminal.write("mplp.yaml", f"events:\n  routes: [{route}]\nmodules: {{network: {{autostart: false}}}}\n")
    heartbeat = "heartbeat: {interval: 1s, stale-after: 2}"
    terminal.write("agents.yaml", f"agents: [{{id: planner, kind: mock, default: hi, {heartbeat}}}]\n")
    (terminal.directory / ".mplp").mkdir()
    store = terminal.store()
    store.create_run(new_run(), [started()]).close()
    last = store.board.publish(*(Published(id=str(n), type="a.b", source="me", at=1) for n in range(4)))[-1]
    dead = Delivery(route="audit", event=last, state="dead", tries=3, at=1, error="OSError: gone")
    store.deliveries.settle({"route:audit": last - 3}, [dead])
    store.close()
    seen = {"registered": [], "seen": {"planner": 1}, "offered": {}}
    (terminal.directory / ".mplp" / "agents.json").write_text(json.dumps(seen))
    ended = terminal("health", "--output", "json", "--fail-on", "warning", *PATIENT)
    report = ended.document
    assert (ended.code, report["overall"]) == (1, "warning")
    wrong = {
        one["component"]: one["details"]["problems"]
        for one in report["components"]
        if one["status"] != "healthy"
    }
    assert list(wrong) == ["engine", "events", "module:network", "agents"]
    assert [one["message"].partition(",")[0] for one in wrong["events"]] == [
        "3 events wait for route `audit`",
        "1 event in the dead letters of route `audit`",
    ]
    hints = [one["hint"] for problems in wrong.values() for one in problems]
    commands = (
        "resume 10000001",
        "serve",
        "events dead-letter list audit",
        "modules restart",
        "agents doctor",
    )
    assert all(f"`mplp {command}" in hint for command, hint in zip(commands, hints, strict=True))
    shown = terminal("health", *PATIENT, env={"COLUMNS": "80"})
    assert (shown.code, shown.out.startswith("overall: warning  4 unhealthy of 21\n")) == (0, True)
    assert max(map(len, shown.out.splitlines())) <= 80
    assert shown.out.index("✗ agents") < shown.out.index("✓ store"), "what is wrong stands first"


def test_a_full_disk_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MPLP_STATE_DIR", raising=False)
    disk = SimpleNamespace(f_bavail=5, f_frsize=1 << 20, f_favail=7, f_files=9)
    monkeypatch.setattr(os, "statvfs", lambda _: disk)
    with pytest.raises(typer.Exit) as left:
        health.main(components=["disk"], timeout=60)
    said = " ".join(capsys.readouterr().out.split())
    assert left.value.exit_code == 1
    assert "5 MiB are free" in said
    assert "7 more files fit" in said
    assert "`mplp runs prune" in said


@pytest.mark.parametrize(
    ("overall", "codes"),
    [("healthy", [0, 0, 0]), ("warning", [1, 0, 0]), ("degraded", [1, 1, 0]), ("critical", [1, 1, 1])],
)
def test_the_line_between_success_and_failure_can_be_drawn_elsewhere(overall: str, codes: list[int]) -> None:
    assert [health.exit_code(overall, level) for level in health.FailOn] == codes


def test_in_a_pipe_watching_gives_a_line_of_json_for_each_look(terminal: Terminal) -> None:
    unknown = terminal("health", "stoer")
    assert (unknown.code, "did you mean `store`?" in unknown.err) == (2, True)
    watching = terminal.start("health", "platform", "--watch", "--interval", "0.1")
    assert watching.stdout is not None
    reports = [json.loads(watching.stdout.readline()) for _ in range(3)]
    assert [report["overall"] for report in reports] == ["healthy"] * 3
    watching.send_signal(signal.SIGINT)
    assert watching.wait(30) == 130
