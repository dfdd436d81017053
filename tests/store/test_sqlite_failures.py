"""What goes wrong with files and disks: said plainly, never mended in silence, nothing acknowledged lost."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from mplp_cli.errors import Exit, StoreError
from mplp_cli.protocols import Control, Journal, ProtocolObject
from mplp_cli.store import creation, database
from mplp_cli.store.layout import database_path
from mplp_cli.store.schema import VERSION
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.store.writeback import Writeback
from mplp_cli.workflow.fold.history import StepCompleted
from mplp_cli.workflow.published import Published
from tests.store.sample import START, FixedClock, new_run, run_id, started, step

ROOT = Path(__file__).parents[2]


def made(state: Path) -> Path:
    """A store with one run, closed; the path of its file."""
    store = SqliteStore(state, FixedClock())
    journal = store.create_run(new_run(), [started()])
    for number in range(200):
        journal.append(step(number))
    store.close()
    return database_path(state)


def alter(path: Path, *statements: str) -> None:
    db = apsw.Connection(str(path))
    for statement in statements:
        db.execute(statement)
    db.close()


def refusal(state: Path) -> StoreError:
    with pytest.raises(StoreError) as refused:
        SqliteStore(state, FixedClock())
    assert refused.value.exit_code == Exit.STORE
    assert refused.value.hint
    return refused.value


# ---- creation


def test_only_the_user_can_read_the_store(durable: SqliteStore, tmp_path: Path) -> None:
    durable.create_run(new_run(), [started()])
    for name in ("state.db", "state.db-wal", f"runs/{run_id(1)}.lock"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "runs").stat().st_mode) == 0o700


def test_the_store_is_safe_against_power_cuts(durable: SqliteStore) -> None:
    facts = durable.check()
    assert facts["journalMode"] == "wal"
    assert facts["synchronous"] == 2
    assert facts["integrity"] == "ok"
    assert facts["freeDisk"] > 0


def test_the_linked_sqlite_is_new_enough() -> None:
    assert database.sqlite_version() >= database.SAFE_SQLITE == (3, 51, 3)


def test_an_older_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    assert refusal(tmp_path).details["cause"] == "old-sqlite"


def test_a_half_made_store_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "state.db.new").write_bytes(b"half")
    (tmp_path / "state.db.new-wal").write_bytes(b"half")
    SqliteStore(tmp_path, FixedClock()).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state.db"]


def test_a_creation_that_fails_leaves_no_store(tmp_path: Path) -> None:
    def broken(path: str) -> apsw.Connection:
        raise apsw.FullError("disk is full")

    with pytest.raises(StoreError):
        SqliteStore(tmp_path, FixedClock(), connect=broken)
    assert not database_path(tmp_path).exists()
    SqliteStore(tmp_path, FixedClock()).close()


def test_of_two_processes_that_create_the_store_the_later_uses_the_first_ones(tmp_path: Path) -> None:
    first = SqliteStore(tmp_path, FixedClock())
    first.create_run(new_run(), [started()])
    creation.create(database_path(tmp_path), database.connect)
    second = SqliteStore(tmp_path, FixedClock())
    assert len(second.runs()) == 1
    second.close()
    first.close()


def test_the_format_can_be_read_by_any_sqlite(tmp_path: Path) -> None:
    db = sqlite3.connect(made(tmp_path))
    (body,) = db.execute("SELECT body FROM event WHERE seq = 2").fetchone()
    db.close()
    assert msgspec.json.decode(body) == {
        "type": "step.completed",
        "at": START,
        "step": "step-0",
        "attempt": 1,
        "result": {"n": 0, "text": "ü\u2028"},
    }


# ---- files that are not what they should be


def test_an_empty_file_is_refused_and_kept(tmp_path: Path) -> None:
    database_path(tmp_path).touch()
    assert refusal(tmp_path).details["cause"] == "empty"
    assert database_path(tmp_path).stat().st_size == 0


@pytest.mark.parametrize("content", [b"hello\n", b"x" * 10_000, b"SQLite format 3\0" + b"\0" * 200])
def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    database_path(tmp_path).write_bytes(content)
    assert refusal(tmp_path).details["cause"] in {"foreign", "corrupt"}
    assert database_path(tmp_path).read_bytes() == content


def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    alter(database_path(tmp_path), "CREATE TABLE t(a)")
    refused = refusal(tmp_path)
    assert refused.details["cause"] == "foreign"
    assert "belongs to another program" in refused.message


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
def test_a_store_of_an_earlier_format_is_brought_up_to_date_and_keeps_its_runs(
    tmp_path: Path, version: int
) -> None:
    path = made(tmp_path)
    new_tables = ["reader", "delivery", "cause", "emitted", "sample", "counted", "alert"]
    if version < 5:
        new_tables += ["share", "allocation", "profile"]
    if version < 4:
        new_tables += ["active"]
    if version < 3:
        new_tables += ["module", "subscription", "communication"]
    if version == 1:
        new_tables += ["relation", "turn", "cached"]
    new_columns = (
        ("definition", "included"),
        ("control", "data"),
        ("approval", "form"),
        ("approval", "data"),
    )
    drops = [f"DROP TABLE {table}" for table in new_tables]
    if version == 1:
        drops += [f"ALTER TABLE {table} DROP COLUMN {column}" for table, column in new_columns]
    else:
        drops += [EMITTED_BEFORE_6, *(ADD_BEFORE_6.format(name) for name in "abc")]
        drops += ["DELETE FROM emitted WHERE id IN ('a', 'c')"]
    alter(path, *drops, f"PRAGMA user_version = {version}")
    store = SqliteStore(tmp_path, FixedClock())
    assert len(list(store.history(store.runs()[0].id))) > 200
    before = [] if version == 1 else [(2, Published(id="b", type="t", source="s", at=1, data=7))]
    assert store.board.following(0) == before
    later = Published(id="b", type="t", source="other", at=2, more={"subject": "x"})
    assert store.board.publish(later) == [1 if version == 1 else 4]
    assert store.board.following(0) == [*before, (store.board.last(), later)]
    store.close()
    (tmp_path / "fresh").mkdir()
    fresh = made(tmp_path / "fresh")
    assert shape(path) == shape(fresh)


#: Published events as formats 2 to 5 kept them.
EMITTED_BEFORE_6 = (
    "CREATE TABLE emitted(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL,"
    " source TEXT NOT NULL, at INTEGER NOT NULL, data BLOB NOT NULL) STRICT"
)
ADD_BEFORE_6 = "INSERT INTO emitted(id, type, source, at, data) VALUES('{}', 't', 's', 1, x'37')"


def shape(path: Path) -> object:
    """The tables with their columns, and the format."""
    db = apsw.Connection(str(path))
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1")]
    columns = {t: [row[1:4] for row in db.execute(f"PRAGMA table_info({t})")] for t in tables}
    indexes = {t: sorted(row[1:] for row in db.execute(f"PRAGMA index_list({t})")) for t in tables}
    return columns, indexes, db.pragma("user_version")


def test_a_newer_format_is_refused_with_both_numbers(tmp_path: Path) -> None:
    alter(made(tmp_path), "PRAGMA user_version = 7")
    refused = refusal(tmp_path)
    assert refused.details["cause"] == "newer"
    assert f"format 7; this one knows {VERSION}" in refused.message
    assert refused.hint is not None
    assert "Upgrade mplp" in refused.hint


def test_a_store_that_is_gone_is_not_replaced(tmp_path: Path) -> None:
    made(tmp_path).unlink()
    assert refusal(tmp_path).details["cause"] == "missing"
    assert not database_path(tmp_path).exists()


def test_a_directory_in_its_place_is_refused(tmp_path: Path) -> None:
    database_path(tmp_path).mkdir()
    refusal(tmp_path)


@pytest.mark.parametrize("kept", [0.25, 0.6, 0.95])
def test_a_truncated_store_is_refused(tmp_path: Path, kept: float) -> None:
    path = made(tmp_path)
    os.truncate(path, int(path.stat().st_size * kept) // 4096 * 4096)
    with pytest.raises(StoreError) as refused:
        SqliteStore(tmp_path, FixedClock()).check()
    assert refused.value.details["cause"] == "corrupt"


def test_damage_anywhere_is_a_store_error_or_does_no_harm(tmp_path: Path) -> None:
    path = made(tmp_path)
    whole = path.read_bytes()
    intact = read_all(tmp_path)
    causes = []
    for place in range(0, len(whole), 499):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        path.write_bytes(damaged)
        try:
            assert len(read_all(tmp_path)) <= len(intact)
        except StoreError as error:
            causes.append(error.details["cause"])
    assert len(causes) > 20
    assert set(causes) <= {"corrupt", "foreign", "newer", "io", "cannot-open"}


def read_all(state: Path) -> list[Any]:
    store = SqliteStore(state, FixedClock())
    try:
        return [store.runs(), store.definition(run_id(1)), *store.history(run_id(1)), store.check()["runs"]]
    finally:
        store.close()


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM event WHERE seq = 7",
        "DELETE FROM event WHERE seq = 0",
        "UPDATE event SET body = x'7b' WHERE seq = 7",
        "UPDATE event SET body = x'ff' WHERE seq = 7",
        """UPDATE event SET body = CAST('{"type": "unknown", "at": 1}' AS BLOB) WHERE seq = 7""",
        "UPDATE event SET body = CAST(body || ',' || body AS BLOB) WHERE seq = 7",
    ],
)
def test_a_history_that_was_tampered_with_is_refused(tmp_path: Path, damage: str) -> None:
    alter(made(tmp_path), damage)
    store = SqliteStore(tmp_path, FixedClock())
    with pytest.raises(StoreError) as refused:
        list(store.history(run_id(1)))
    assert refused.value.details["cause"] == "corrupt"
    store.close()


def test_a_definition_or_object_that_was_tampered_with_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path)
    alter(
        path, "UPDATE definition SET source = x'00'", "INSERT INTO object VALUES('Plan', 'p', 1, x'5b5d', 1)"
    )
    store = SqliteStore(tmp_path, FixedClock())
    for look in (lambda: store.definition(run_id(1)), lambda: list(store.objects())):
        with pytest.raises(StoreError):
            look()
    store.close()


def test_the_end_of_a_run_is_guarded_by_the_database_too(tmp_path: Path) -> None:
    path = made(tmp_path)
    alter(path, "UPDATE run SET status = 'completed'")
    for status in ("running", "failed", "completed"):
        with pytest.raises(apsw.ConstraintError, match="never changes"):
            alter(path, f"UPDATE run SET status = '{status}'")


# ---- writes that fail


class Faulty(apsw.Connection):
    """A connection whose next COMMIT goes wrong: `before` it takes effect, or `after` it did."""

    fault = ""

    def execute(self, statements: str, *args: Any, **kwargs: Any) -> apsw.Cursor:
        if statements != "COMMIT" or not Faulty.fault:
            return super().execute(statements, *args, **kwargs)
        fault, Faulty.fault = Faulty.fault, ""
        if fault == "after":
            super().execute(statements)
        raise apsw.IOError("the disk went away")


def faulty(path: str) -> apsw.Connection:
    return Faulty(path, flags=apsw.SQLITE_OPEN_READWRITE)


@pytest.mark.parametrize(("fault", "stored"), [("before", 1), ("after", 3)])
def test_after_a_commit_that_failed_the_journal_is_broken_and_the_run_can_be_owned_anew(
    tmp_path: Path, fault: str, stored: int
) -> None:
    store = SqliteStore(tmp_path, FixedClock(), connect=faulty)
    journal = store.create_run(new_run(), [started()])
    Faulty.fault = fault
    for _ in range(2):
        with pytest.raises(StoreError, match="the disk went away"):
            journal.append(step(1))
    with pytest.raises(StoreError):
        journal.controls()
    assert len(list(store.history(run_id(1)))) == stored
    journal.close()
    again = store.own_run(run_id(1), "ann")
    again.append(step(2))
    assert len(list(again.read())) == stored + 2
    store.close()


def test_who_is_interrupted_while_a_write_is_given_up_keeps_nobody_from_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (database.Database(database_path(tmp_path)) for _ in range(2))
    second.connection().set_busy_timeout(0)

    def interrupt(_writeback: Writeback) -> None:
        raise KeyboardInterrupt

    def write() -> None:
        with first.writing():
            raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(Writeback, "close", interrupt)
        with pytest.raises(KeyboardInterrupt) as kept:
            write()
    with second.writing() as db:
        assert db.in_transaction
    assert isinstance(kept.value.__context__, ZeroDivisionError)
    for one in (first, second):
        one.close()


class Refusing:
    """A disk that says of so many syncs that it could not keep something; which files were synced, and what was written
    over itself."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.refusals = 0
        self.kept: list[int] = []
        self.written = 0
        self._sync, self._write = os.fdatasync, os.pwrite
        patch.setattr(os, "fdatasync", self.sync)
        patch.setattr(os, "pwrite", self.write)

    def sync(self, file: int) -> None:
        if self.refusals:
            self.refusals -= 1
            raise OSError(errno.EIO, "Input/output error")
        self.kept.append(os.fstat(file).st_ino)
        self._sync(file)

    def write(self, file: int, data: bytes, at: int) -> int:
        assert os.pread(file, len(data), at) == data
        self.written += len(data)
        return self._write(file, data, at)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Refusing:
    return Refusing(monkeypatch)


def told(name: str) -> Published:
    return Published(id=name, type="t", source="s", at=1)


def test_what_a_disk_could_not_keep_is_written_over_itself_and_synced_once_more(
    durable: SqliteStore, tmp_path: Path, disk: Refusing
) -> None:
    durable.board.post(told("a"))
    log, disk.refusals = tmp_path / "state.db-wal", 1
    before = log.read_bytes()
    asyncio.run(durable.board.sync())
    assert (disk.kept, disk.written) == ([log.stat().st_ino], len(before))
    assert log.read_bytes() == before
    durable.board.post(told("b"))
    asyncio.run(durable.board.sync())
    assert disk.written == len(before)  # once is enough


def test_until_the_log_could_be_written_over_itself_nothing_is_acknowledged(
    durable: SqliteStore, disk: Refusing
) -> None:
    durable.board.post(told("a"))
    disk.refusals = 5
    for _ in range(2):
        with pytest.raises(StoreError, match="Input/output error"):
            asyncio.run(durable.board.sync())
    for write in (durable.board.publish, durable.board.post):
        with pytest.raises(StoreError, match="Input/output error"):
            write(told("b"))
    assert (disk.kept, disk.refusals) == ([], 0)
    assert [one.id for _, one in durable.board.following(0)] == ["a"]  # reading goes on
    assert durable.board.publish(told("c")) == [2]
    assert len(disk.kept) == 1


def test_a_store_whose_log_may_have_a_gap_takes_nothing_over_from_it(tmp_path: Path, disk: Refusing) -> None:
    store = SqliteStore(tmp_path, FixedClock())
    file = database_path(tmp_path)
    store.board.post(told("a"))
    before, disk.refusals = file.read_bytes(), 2
    with pytest.raises(StoreError):
        asyncio.run(store.board.sync())
    store.close()
    assert file.read_bytes() == before
    again = SqliteStore(tmp_path, FixedClock())
    assert [one.id for _, one in again.board.following(0)] == ["a"]
    again.close()


def test_a_log_that_others_have_begun_anew_is_written_over_itself_too(
    durable: SqliteStore, tmp_path: Path, disk: Refusing
) -> None:
    for n in range(20):
        durable.board.post(told(f"{n}"))
    other = apsw.Connection(str(database_path(tmp_path)))
    other.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
    other.execute("PRAGMA user_version = 1")
    other.execute(f"PRAGMA user_version = {VERSION}")
    disk.refusals = 1
    asyncio.run(durable.board.sync())
    other.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    other.close()
    disk.refusals = 1
    asyncio.run(durable.board.sync())
    assert durable.board.publish(told("z")) == [21]


def test_a_store_that_may_only_be_read_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real = made(tmp_path), os.open

    def refuse(file: Any, flags: int, *more: Any, **further: Any) -> int:
        if str(file) == f"{path}-wal" and flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(file, flags, *more, **further)

    monkeypatch.setattr(os, "open", refuse)
    store = SqliteStore(tmp_path, FixedClock())
    assert len(store.runs()) == 1
    store.close()


def test_a_log_of_zeros_is_no_log(durable: SqliteStore, tmp_path: Path, disk: Refusing) -> None:
    durable.board.post(told("a"))
    log = tmp_path / "state.db-wal"
    with log.open("r+b") as file:
        file.write(bytes(log.stat().st_size))
    disk.refusals = 1
    with pytest.raises(StoreError, match="start them again"):
        asyncio.run(durable.board.sync())


@pytest.mark.parametrize("at", [32 + 20, 32 + 24 + 4096 + 8, 32 + 2 * 4120 + 4_000])
def test_if_what_the_disk_refused_is_not_in_memory_either_the_process_has_to_be_started_again(
    tmp_path: Path, disk: Refusing, at: int
) -> None:
    store = SqliteStore(tmp_path, FixedClock())
    store.board.publish(told("a"))
    store.board.post(told("b"))
    whole = (tmp_path / "state.db-wal").read_bytes()
    with (tmp_path / "state.db-wal").open("r+b") as log:
        log.seek(at)
        log.write(bytes(255 - byte for byte in whole[at : at + 100]))
    disk.refusals = 1
    for _ in range(2):
        with pytest.raises(StoreError, match="start them again"):
            asyncio.run(store.board.sync())
    (tmp_path / "state.db-wal").write_bytes(whole)
    with pytest.raises(StoreError, match="start them again"):
        store.board.publish(told("c"))
    assert not disk.written
    store.close()
    again = SqliteStore(tmp_path, FixedClock())
    assert again.board.publish(told("c")) == [3]
    again.close()


def test_after_a_commit_that_the_disk_refused_the_log_is_written_over_itself(
    tmp_path: Path, disk: Refusing
) -> None:
    store = SqliteStore(tmp_path, FixedClock(), connect=faulty)
    store.board.post(told("a"))
    Faulty.fault = "before"
    with pytest.raises(StoreError):
        store.board.publish(told("b"))
    before = disk.written
    assert store.board.publish(told("b")) == [2]
    assert disk.written > before == 0
    store.close()


def test_who_publishes_what_is_there_already_is_answered_when_the_disk_has_it(
    durable: SqliteStore, disk: Refusing
) -> None:
    durable.board.post(told("a"))
    assert durable.board.publish(told("b")) == [2]
    assert not disk.kept  # a commit is synced by SQLite
    assert durable.board.publish(told("a")) == [1]
    assert len(disk.kept) == 1


def test_another_journal_of_the_store_goes_on_after_a_failure(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, FixedClock(), connect=faulty)
    first, second = (store.create_run(new_run(n), [started(n)]) for n in (1, 2))
    assert second.controls() == []
    Faulty.fault = "before"
    with pytest.raises(StoreError):
        first.append(step(1))
    second.append(step(1))
    store.request(run_id(2), Control(seq=0, verb="cancel"))
    assert len(second.controls()) == 1
    assert len(list(second.read())) == 3
    store.close()


def test_a_run_whose_creation_failed_is_free_and_unknown(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, FixedClock(), connect=faulty)
    Faulty.fault = "before"
    with pytest.raises(StoreError):
        store.create_run(new_run(), [started()])
    assert store.runs() == []
    store.create_run(new_run(), [started()])
    store.close()


def test_an_interrupt_in_a_write_breaks_the_journal(durable: SqliteStore) -> None:
    journal = durable.create_run(new_run(), [started()])

    def interrupt(*_: object) -> bool:
        raise KeyboardInterrupt

    durable._database.connection().set_commit_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        journal.append(step(1))
    with pytest.raises(StoreError, match="was interrupted"):
        journal.append(step(1))
    assert len(list(durable.history(run_id(1)))) == 1


@pytest.mark.parametrize("limit", [100_000, 333_333, 1_000_000])
def test_a_full_disk_ends_the_writing_and_loses_nothing_that_was_acknowledged(
    tmp_path: Path, limit: int
) -> None:
    command = [sys.executable, str(Path(__file__).with_name("worker.py")), "fill", str(tmp_path), str(limit)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    acknowledged, code, cause = first.split()
    assert (int(code), cause in {"full", "io"}) == (Exit.STORE, True)
    assert second == "again: StoreError"
    store = SqliteStore(tmp_path, FixedClock())
    facts = [fact for _, fact in store.history(run_id(1))]
    expected = [started(), *(fact for n in range(int(acknowledged)) for fact in step(n))]
    assert facts == expected
    journal = store.own_run(run_id(1), "ann")
    journal.append(step(0))
    assert store.check()["integrity"] == "ok"
    store.close()


def test_a_store_that_may_only_be_read_is_refused_at_the_first_write(tmp_path: Path) -> None:
    made(tmp_path)
    store = SqliteStore(
        tmp_path, FixedClock(), connect=lambda path: apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    )
    assert len(store.runs()) == 1
    with pytest.raises(StoreError) as refused:
        store.own_run(run_id(1), "ann")
    assert refused.value.details["cause"] == "read-only"
    assert not store.runs()[0].owned
    store.close()


def deep_list() -> StepCompleted:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    return StepCompleted(at=START, step="a", attempt=1, result=nested)


def odd_object() -> StepCompleted:
    return StepCompleted(at=START, step="a", attempt=1, result=object())


def lone_surrogate() -> StepCompleted:
    return StepCompleted(at=START, step="a", attempt=1, result="\ud800")


@pytest.mark.parametrize("fact", [deep_list, odd_object, lone_surrogate])
def test_what_json_cannot_hold_is_refused_before_anything_is_written(
    durable: SqliteStore, fact: Callable[[], StepCompleted]
) -> None:
    journal: Journal = durable.create_run(new_run(), [started()])
    with pytest.raises(StoreError) as refused:
        journal.append([*step(1), fact()], [ProtocolObject("Plan", "p", 1, {})])
    assert refused.value.details["cause"] == "encoding"
    assert list(journal.read()) == [started()]
    assert list(durable.objects()) == []


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, FixedClock())
    store.create_run(new_run(), [started()])
    store.close()
    store.close()
    with pytest.raises(StoreError, match="was closed by this process"):
        store.runs()
    other = SqliteStore(tmp_path, FixedClock())
    assert not other.runs()[0].owned
    other.close()
