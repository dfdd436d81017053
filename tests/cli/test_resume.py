"""Resuming from the command line: what has ended is not driven again."""

from __future__ import annotations

import pytest

from tests.cli.conftest import ASK, Terminal


def test_a_completed_run_is_left_as_it_is(terminal: Terminal) -> None:
    assert terminal("run", "talks.yaml").code == 0
    before = terminal("logs", "talks", "--history").out
    ended = terminal("resume", "talks")
    assert ended.code == 0
    assert ended.document == {"said": "hello world\nno end"}
    assert ended.err == f"run {terminal.only_run()[:8]} has completed already\n"
    assert terminal("logs", "talks", "--history").out == before


def test_the_report_of_a_completed_run_is_given_again(terminal: Terminal) -> None:
    report = terminal("run", "talks.yaml", "-o", "json", "--junit", "first.xml").document
    ended = terminal("resume", "talks", "-o", "json", "--junit", "second.xml")
    assert (ended.code, ended.err) == (0, "")
    assert ended.document == report
    assert "testcase" in (terminal.directory / "second.xml").read_text("utf-8")
    events = terminal("resume", "talks", "-o", "jsonl")
    assert (events.code, events.out, events.err) == (0, "", "")


def test_a_completed_run_asks_for_no_secrets(terminal: Terminal) -> None:
    terminal.write(
        "w.yaml",
        "workflow: {id: w, name: W, version: 1.0.0, secrets: [TOKEN], "
        "steps: [{id: a, type: set, values: {n: 1}}]}",
    )
    terminal.env["TOKEN"] = "a-long-word"
    assert terminal("run", "w.yaml").code == 0
    del terminal.env["TOKEN"]
    assert terminal("resume", "w").code == 0


def test_a_run_that_completes_just_now_is_left_as_it_is_too(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another process has driven it to its end between our look at it and our taking it up."""
    from msgspec.structs import replace

    from mplp_cli.cli import resume
    from mplp_cli.cli.options import RunOutput
    from mplp_cli.protocols import RunRecord
    from mplp_cli.store.sqlite import SqliteStore

    assert terminal("run", "talks.yaml").code == 0
    look = SqliteStore.find_runs

    def looked_before(self: SqliteStore, name: str) -> list[RunRecord]:
        return [replace(record, status="running") for record in look(self, name)]

    monkeypatch.setattr(SqliteStore, "find_runs", looked_before)
    resume.main("talks", output=RunOutput.auto, state_dir=str(terminal.directory / ".mplp"))
    assert "has completed already" in capsys.readouterr().err


def test_a_cancelled_run_stays_cancelled(terminal: Terminal) -> None:
    terminal.write("ask.yaml", ASK.replace("  steps:", "  secrets: [TOKEN]\n  steps:"))
    terminal.env["TOKEN"] = "a-long-word"
    assert terminal("run", "ask.yaml").code == 3
    del terminal.env["TOKEN"]
    assert terminal("cancel", "ask").code == 0
    ended = terminal("resume", "ask")
    assert ended.code == 2
    assert "the run is cancelled; that is final" in ended.err
