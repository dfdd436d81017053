"""`mplp doctor` at a terminal."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from tests.cli.conftest import Terminal, until


@pytest.fixture
def talked(terminal: Terminal) -> Terminal:
    assert terminal("run", "talks.yaml").code == 0
    return terminal


def database(terminal: Terminal) -> Path:
    return terminal.directory / ".mplp" / "state.db"


def alter(terminal: Terminal, *statements: str) -> None:
    db = apsw.Connection(str(database(terminal)))
    for statement in statements:
        db.execute(statement)
    db.close()


def test_where_nothing_is_stored_there_is_nothing_to_find_and_nothing_is_made(terminal: Terminal) -> None:
    assert terminal("doctor").code == 0
    assert terminal("doctor", "-o", "json").document["healthy"] is True
    assert not (terminal.directory / ".mplp").exists()


def test_a_healthy_store(talked: Terminal) -> None:
    ended = talked("doctor", env={"COLUMNS": "80"})
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.endswith("\nhealthy\n")
    assert max(map(len, ended.out.splitlines())) <= 80
    document = talked("doctor", "-o", "json").document
    assert document.keys() == {"stateDir", "usable", "healthy", "counts", "findings", "backup"}
    assert document["counts"]["runs"] == 1


def test_a_wrong_list_is_found_and_mended_after_a_backup(talked: Terminal) -> None:
    alter(talked, "UPDATE run SET ended_at = 7")
    assert talked("doctor").code == 1
    document = talked("doctor", "--repair", "-o", "json").document
    [finding] = document["findings"]
    assert finding.keys() == {"code", "severity", "message", "hint", "runId", "repair", "mended"}
    assert (finding["code"], finding["mended"], document["healthy"]) == ("projection", True, True)
    assert Path(document["backup"]).parent == database(talked).parent
    copy = apsw.Connection(document["backup"])
    assert copy.execute("SELECT ended_at FROM run").get == 7
    copy.close()
    again = talked("doctor")
    assert (again.code, again.out.endswith("\nhealthy\n")) == (0, True)


def test_an_interrupted_run_is_told_with_how_it_goes_on(terminal: Terminal) -> None:
    process = terminal.start("run", "endless.yaml", "--output", "quiet")
    terminal.until_written("it is up")
    assert terminal("doctor", "-o", "json").document["findings"] == []
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: "survivors" not in terminal("doctor", "-o", "json").out)
    ended = terminal("doctor")
    assert ended.code == 0
    assert f"mplp resume {terminal.only_run()[:8]}" in ended.out


def test_a_process_of_a_run_that_nobody_drives_is_found_and_ended(talked: Terminal) -> None:
    mark = {"MPLP_ATTEMPT": f"{talked.only_run()}/owner/hello/1;"}
    lost = subprocess.Popen(["tail", "-f", "/dev/null"], env=os.environ | mark)
    try:
        until(lambda: talked("doctor").code == 1)
        ended = talked("doctor", "--repair", "-o", "json")
        [finding] = ended.document["findings"]
        assert (ended.code, finding["code"], finding["mended"]) == (0, "survivors", True)
        assert str(lost.pid) in finding["message"]
        assert lost.wait(10) == -signal.SIGKILL
    finally:
        lost.kill()


def test_a_run_that_this_version_cannot_take_up_is_told(terminal: Terminal) -> None:
    assert terminal("run", "ask.yaml").code == 3
    alter(terminal, "UPDATE definition SET plan = x'7b22646967657374223a2278227d'")
    ended = terminal("doctor")
    assert ended.code == 1
    assert "cannot be taken up by this version" in ended.out


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def gone(path: Path) -> None:
    path.unlink()


def of_another_program(path: Path) -> None:
    path.write_bytes(b"something else entirely" * 1_000)


def newer(path: Path) -> None:
    db = apsw.Connection(str(path))
    db.execute("PRAGMA user_version = 999")
    db.close()


def a_file(path: Path) -> None:
    path.parent.rename(path.parent.with_name("away"))
    path.parent.write_text("")


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (emptied, "empty"),
        (gone, "missing"),
        (of_another_program, "foreign"),
        (newer, "newer"),
        (a_file, "not-a-directory"),
    ],
)
def test_a_store_that_cannot_be_used_is_explained(
    talked: Terminal, damage: Callable[[Path], None], cause: str
) -> None:
    damage(database(talked))
    shown = talked("doctor", env={"COLUMNS": "80"})
    assert (shown.code, shown.err) == (74, "")
    assert "\n1. " in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80
    document = talked("doctor", "--repair", "-o", "json").document
    assert (document["usable"], document["healthy"], document["error"]["cause"]) == (False, False, cause)
    assert document["error"]["steps"]
    assert talked("runs").code == 74


def test_what_refuses_a_store_points_to_the_doctor(talked: Terminal) -> None:
    emptied(database(talked))
    ended = talked("runs")
    assert ended.code == 74
    assert "mplp doctor" in ended.err
