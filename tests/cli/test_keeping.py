"""`mplp backup` and `mplp runs prune` at a terminal, and the settings behind them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mplp_cli.errors import UsageError
from mplp_cli.settings import Retention, load_settings
from tests.cli.conftest import Terminal


@pytest.fixture
def kept(terminal: Terminal) -> Terminal:
    """Three runs that have ended, and one that waits for a person."""
    for _ in range(3):
        assert terminal("run", "talks.yaml").code == 0
    assert terminal("run", "ask.yaml").code == 3
    return terminal


def listed(terminal: Terminal, *options: str) -> list[str]:
    return [run["workflowId"] for run in terminal("runs", "-o", "json", *options).document["runs"]]


def test_prune_deletes_what_is_beyond_the_last_runs(kept: Terminal) -> None:
    looked = kept("runs", "prune", "--keep", "1", "--dry-run")
    assert (looked.code, looked.out.splitlines()[-1]) == (0, "2 runs would be deleted, 1 kept")
    assert listed(kept) == ["ask", "talks", "talks", "talks"]
    done = kept("runs", "prune", "--keep", "1", "--yes")
    assert (done.code, done.out) == (0, "2 runs deleted, 1 kept\n")
    assert listed(kept) == ["ask", "talks"]
    assert len(list((kept.directory / ".mplp" / "runs").glob("*.lock"))) == 2


def test_prune_by_age_leaves_what_is_young(kept: Terminal) -> None:
    assert kept("runs", "prune", "--keep-days", "1", "--yes").out == "0 runs deleted, 3 kept\n"
    document = kept("runs", "prune", "--keep-days", "0", "-w", "talks", "--yes", "-o", "json").document
    assert document.keys() == {
        "dryRun",
        "deleted",
        "held",
        "kept",
        "cachedResults",
        "events",
        "eventsKeptFor",
    }
    assert [run["workflowId"] for run in document["deleted"]] == ["talks"] * 3
    assert listed(kept) == ["ask"]


def test_prune_asks_before_it_deletes(kept: Terminal) -> None:
    ended = kept("runs", "prune", "--keep", "0")
    assert ended.code == 2
    assert "--yes" in ended.err
    assert len(listed(kept)) == 4


def test_prune_needs_to_know_what_to_keep_and_the_settings_may_say_it(kept: Terminal) -> None:
    ended = kept("runs", "prune", "--yes")
    assert ended.code == 2
    assert "retention" in ended.err
    kept.write("mplp.yaml", "retention: {runs: 2}\n")
    assert kept("runs", "prune", "--yes").out == "1 run deleted, 2 kept\n"


def test_a_plain_list_stays_a_plain_list(kept: Terminal) -> None:
    assert kept("runs", "--workflow", "ask").code == 0
    misspelt = kept("runs", "purne")
    assert misspelt.code == 2
    assert len(listed(kept)) == 4
    shown = kept("runs", "prune", "--help")
    assert shown.out.startswith("Usage: mplp runs prune ")


def test_a_copy_is_a_state_directory(kept: Terminal) -> None:
    (kept.directory / "copy").mkdir()
    ended = kept("backup", "copy")
    assert ended.code == 0
    assert ended.out.endswith("state.db: 4 runs, " + ended.out.rpartition(", ")[2])
    assert listed(kept, "--state-dir", "copy") == ["ask", "talks", "talks", "talks"]
    assert kept("backup", "copy/state.db").code == 2
    document = kept("backup", "copy", "--force", "-o", "json").document
    assert document["runs"] == 4
    counted = {"runs", "facts", "objects", "requests", "approvals", "events", "deadLetters"}
    assert document.keys() == {"file", "size", "agents"} | counted


def test_where_nothing_is_stored_nothing_is_copied_or_made(terminal: Terminal) -> None:
    ended = terminal("backup", "copy.db")
    assert (ended.code, "nothing is stored here" in ended.err) == (2, True)
    assert terminal("runs", "prune", "--keep", "1", "--yes").code == 0
    assert not (terminal.directory / ".mplp").exists()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("retention: {days: 90, runs: 1000}", Retention(days=90, runs=1000)),
        ("retention: {runs: 1}", Retention(runs=1)),
        ("retention: {}", Retention()),
        ("retention:", Retention()),
        ("state-dir: x", Retention()),
    ],
)
def test_retention_is_read_from_the_settings(tmp_path: Path, text: str, meant: Retention) -> None:
    (tmp_path / "mplp.yaml").write_text(text)
    assert load_settings(tmp_path).retention == meant


@pytest.mark.parametrize(
    "value",
    ["90", "[1]", "{days: 0}", "{days: -1}", "{runs: true}", "{runs: 1.5}", "{days: 30d}", "{weeks: 1}"],
)
def test_a_retention_that_is_not_understood_is_refused(tmp_path: Path, value: str) -> None:
    (tmp_path / "mplp.yaml").write_text(f"retention: {value}")
    with pytest.raises(UsageError, match="retention"):
        load_settings(tmp_path)
