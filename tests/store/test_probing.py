"""A short look at a store: a commit that changes nothing, pages as far as the time reaches, and the log."""

from __future__ import annotations

import os
from pathlib import Path

import apsw
import pytest

from mplp_cli.clock import SystemClock
from mplp_cli.errors import StoreError
from mplp_cli.store.database import Database
from mplp_cli.store.layout import database_path
from mplp_cli.store.probing import probe
from mplp_cli.store.sqlite import SqliteStore
from tests.store.sample import FixedClock, new_run, started


def test_a_look_commits_and_changes_nothing_and_counts(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, FixedClock())
    store.create_run(new_run(), [started()])
    database = Database(database_path(tmp_path))
    before = [list(row) for row in database.rows("SELECT * FROM run")]
    version = store._database.change()
    probed = probe(database, SystemClock(), 30)
    assert (probed.busy, probed.details["integrity"], probed.details["runs"]) == (None, "ok", 1)
    assert probed.details["commitMs"] >= 0
    assert store._database.change() != version, "it was a commit"
    assert [list(row) for row in database.rows("SELECT * FROM run")] == before
    other = apsw.Connection(str(database_path(tmp_path)))
    other.execute("BEGIN IMMEDIATE")
    probed = probe(database, SystemClock(), 0.1, whole=False)
    assert probed.busy in (os.getpid(), 0)
    assert "commitMs" not in probed.details
    other.execute("ROLLBACK")
    # Somebody who reads an old view keeps what is written later out of the store proper.
    other.execute("BEGIN")
    other.execute("SELECT count(*) FROM run").fetchall()
    assert probe(database, SystemClock(), 1, whole=False).waiting > 0
    for one in (database, store, other):
        one.close()


def test_a_look_ends_in_time_and_finds_damage(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, FixedClock())
    with store._database.writing() as db:
        db.execute("CREATE TABLE much(a)")
        db.executemany("INSERT INTO much VALUES(?)", [("x" * 1_000,)] * 4_000)
        [(page,)] = store._database.rows("SELECT rootpage FROM sqlite_schema WHERE name = 'much'")
    path = database_path(tmp_path)
    store.close()

    class Rushing(FixedClock):
        at = 0.0

        def monotonic(self) -> float:
            self.at += 1
            return self.at

    database = Database(path)
    assert "mplp doctor" in probe(database, Rushing(), 1).details["integrity"]
    assert probe(database, SystemClock(), 60).details["integrity"] == "ok"
    [(size,)] = database.rows("PRAGMA page_size")
    database.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size + 8)
        file.write(b"\xff" * 200)
    database = Database(path)
    with pytest.raises(StoreError, match="damaged"):
        probe(database, SystemClock(), 60)
    database.close()
