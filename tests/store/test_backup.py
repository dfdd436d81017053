"""A copy of the store is one moment of it, whole, and never in the way of anything."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from mplp_cli.errors import StoreError, UsageError
from mplp_cli.store import backup
from mplp_cli.store.backup import back_up, verified
from mplp_cli.store.database import Database
from mplp_cli.store.layout import database_path
from mplp_cli.store.sqlite import SqliteStore
from tests.store.sample import FixedClock, new_run, run_id, started, step


@pytest.fixture
def state(tmp_path: Path) -> Path:
    made = tmp_path / "state"
    made.mkdir()
    return made


@pytest.fixture
def database(state: Path) -> Iterator[Database]:
    """A store with one run that goes on."""
    store = SqliteStore(state, FixedClock())
    journal = store.create_run(new_run(), [started()])
    journal.append(step(1))
    made = Database(database_path(state))
    yield made
    made.close()
    store.close()


def test_a_copy_can_be_opened_as_a_state_directory_of_its_own(database: Database, tmp_path: Path) -> None:
    place = tmp_path / "copy"
    place.mkdir()
    written = back_up(database, place / "state.db")
    assert (written["runs"], written["facts"]) == (1, 3)
    assert written["size"] == (place / "state.db").stat().st_size
    assert stat.S_IMODE((place / "state.db").stat().st_mode) == 0o600
    copy = SqliteStore(place, FixedClock())
    assert [run.id for run in copy.runs()] == [run_id(1)]
    assert len(list(copy.history(run_id(1)))) == 3
    assert copy.check()["journalMode"] == "wal"
    copy.own_run(run_id(1), "somebody").append(step(2))
    copy.close()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_writer_that_is_at_work_neither_waits_nor_shows(
    database: Database, state: Path, tmp_path: Path
) -> None:
    writer = apsw.Connection(str(database_path(state)))
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM event")
    assert back_up(database, tmp_path / "copy.db")["facts"] == 3
    writer.execute("COMMIT")
    writer.close()
    assert verified(tmp_path / "copy.db")["facts"] == 3


def test_what_is_there_is_overwritten_only_if_asked(database: Database, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        back_up(database, target)
    assert target.read_text() == "mine"
    assert back_up(database, target, force=True)["runs"] == 1


def test_a_store_in_use_is_not_overwritten(database: Database, state: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="in use"):
        back_up(database, database_path(state), force=True)
    other = tmp_path / "other.db"
    other.write_text("x")
    (tmp_path / "other.db-wal").write_text("x")
    with pytest.raises(UsageError, match="in use"):
        back_up(database, other, force=True)
    with pytest.raises(UsageError, match="no directory"):
        back_up(database, tmp_path / "nowhere" / "copy.db")


def test_a_copy_that_is_not_whole_leaves_everything_as_it_was(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "copy.db"
    target.write_text("the last good one")

    def broken(_database: Database, draft: Path) -> None:
        draft.write_bytes(b"not a database" * 100)

    monkeypatch.setattr(backup, "_copy", broken)
    with pytest.raises(StoreError):
        back_up(database, target, force=True)
    assert target.read_text() == "the last good one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "state"]


def test_a_name_that_was_taken_meanwhile_is_not_overwritten(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, copy = tmp_path / "copy.db", backup._copy

    def slow(of: Database, draft: Path) -> None:
        copy(of, draft)
        target.write_text("somebody else's")

    monkeypatch.setattr(backup, "_copy", slow)
    with pytest.raises(UsageError, match="exists already"):
        back_up(database, target)
    assert target.read_text() == "somebody else's"


def test_a_copy_that_cannot_be_written_says_so(database: Database, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="the copy cannot be written"):
        backup._copy(database, tmp_path / "nowhere" / "draft")
    assert [path.name for path in tmp_path.iterdir()] == ["state"]
