"""Artifacts and `once` at a terminal, also when mplp is killed."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.cli.conftest import Terminal, until

BUILD = """\
workflow:
  id: build
  name: Build
  version: 1.0.0
  inputs: {name: {type: string, default: app}}
  steps:
    - id: compile
      type: shell
      run: mkdir -p dist; echo made > dist/${inputs.name}.txt; ln -sf /etc/passwd dist/users; echo log > build.log
      artifacts: ["dist/${inputs.name}*", dist/users, "*.log"]
    - id: check
      type: shell
      dependencies: [compile]
      run: echo why > report.xml; false
      artifacts: [report.xml]
    - {id: count, type: python, call: "math:sqrt", arguments: {}, artifacts: [none.txt], join: all-ended}
"""

PAYS = """\
workflow:
  id: pays
  name: Pays
  version: 1.0.0
  steps:
    - id: pay
      type: shell
      once: true
      artifacts: [ledger]
      run: echo paid >> ledger; test -e fast || exec tail -f /dev/null
"""


def test_files_are_kept_listed_and_gone_with_the_run(terminal: Terminal) -> None:
    terminal.write("build.yaml", BUILD)
    assert terminal("run", "build.yaml").code == 1
    document = terminal("artifacts", "build", "-o", "json").document
    run = terminal.only_run()
    folder = terminal.directory / ".mplp" / "runs" / run / "artifacts"
    assert document["directory"] == str(folder)
    assert [(one["step"], one["file"], one["size"]) for one in document["artifacts"]] == [
        ("check", "report.xml", 4),
        ("compile", "build.log", 4),
        ("compile", "dist/app.txt", 5),
    ]
    assert [Path(one["path"]).read_text() for one in document["artifacts"]] == ["why\n", "log\n", "made\n"]
    assert "dist/users was not kept: it is a link" in terminal("logs", "build", "compile").out
    assert "no file matches the artifact pattern none.txt" in terminal("logs", "build", "count").out
    assert "dist/app.txt" in terminal("artifacts", "build", "compile").out
    assert "report.xml" not in terminal("artifacts", "build", "compile").out
    assert "3 files kept: mplp artifacts" in terminal("status", "build").out
    assert terminal("runs", "prune", "--keep", "0", "--yes").code == 0
    assert not folder.exists()


def test_there_may_be_none(terminal: Terminal) -> None:
    terminal("run", "talks.yaml")
    ended = terminal("artifacts", "talks")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.startswith("no step has left a file in run ")
    assert terminal("artifacts", "talks", "-o", "json").document["artifacts"] == []
    assert terminal("artifacts", "talks", "nope").code == 2
    assert terminal("artifacts", "nobody").code == 2


def test_an_ephemeral_run_keeps_no_files(terminal: Terminal) -> None:
    terminal.write("build.yaml", BUILD)
    assert terminal("run", "build.yaml", "--ephemeral").code == 1
    assert not (terminal.directory / ".mplp").exists()


def test_a_step_that_runs_once_is_not_repeated_after_a_kill(terminal: Terminal) -> None:
    terminal.write("pays.yaml", PAYS)
    ledger = terminal.directory / "ledger"
    running = terminal.start("run", "pays.yaml", "--output", "quiet")
    until(ledger.exists)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert terminal("resume", "pays").code == 3
    assert terminal("resume", "pays").code == 3
    assert ledger.read_text() == "paid\n"
    [asked] = terminal("approvals", "-o", "json").document["approvals"]
    assert "may have had its effect" in asked["message"]
    terminal.write("fast", "")
    assert terminal("approve", "pays").code == 0
    assert terminal("resume", "pays").code == 0
    assert ledger.read_text() == "paid\npaid\n"
    assert [one["file"] for one in terminal("artifacts", "pays", "-o", "json").document["artifacts"]] == [
        "ledger"
    ]
