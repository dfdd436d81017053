"""The upkeep of a store: its log is written back, and what dead runs hold is found."""

from __future__ import annotations

from pathlib import Path

from mplp_cli.clock import SystemClock
from mplp_cli.store.adjusting import change_adjustments, read_adjustments
from mplp_cli.store.database import Database
from mplp_cli.store.layout import database_path, lock_path
from mplp_cli.store.locks import process_name, take
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.store.upkeep import dead_shares, free_places, log_size, lost_places, write_back
from mplp_cli.workflow.resources import Kind, Pool, Share, Unit

POOL = Pool({"cpu": Kind(name="cpu", units=(Unit("cpu", 4000),))})


def test_the_log_is_written_back_unless_somebody_reads_it(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, SystemClock())
    database, reader = Database(database_path(tmp_path)), Database(database_path(tmp_path))
    try:
        store.shares.take(POOL, Share(run="a", held={"cpu": {"cpu": 1000}}))
        assert log_size(database) > 0
        reader.connection().execute("BEGIN")
        reader.rows("SELECT count(*) FROM share")
        store.shares.take(POOL, Share(run="b", held={"cpu": {"cpu": 1000}}))
        assert write_back(database) > 0
        reader.connection().execute("ROLLBACK")
        assert write_back(database) == 0
        assert len(reader.rows("SELECT run FROM share")) == 2
    finally:
        for one in (reader, database, store):
            one.close()


def test_the_log_is_written_back_though_a_thread_is_at_it(tmp_path: Path) -> None:
    database, reader = (Database(database_path(tmp_path)) for _ in range(2))
    try:
        reader.connection().execute("BEGIN")
        reader.rows("SELECT count(*) FROM share")
        with database.writing() as db:
            db.execute("CREATE TABLE large(x)")
        with database.writing() as db:
            db.execute("INSERT INTO large VALUES(zeroblob(20000000))")
        reader.connection().execute("ROLLBACK")
        assert log_size(database) > 20_000_000
        other = Database(database_path(tmp_path))
        # Its first commit finds a long log.
        free_places(other)
        with other.writing() as db:
            db.execute("INSERT INTO large VALUES(1)")
        assert write_back(other) == 0
        other.close()
    finally:
        for one in (reader, database):
            one.close()


def test_what_dead_runs_hold_is_found_and_what_living_ones_hold_is_not(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, SystemClock())
    database = Database(database_path(tmp_path))
    try:
        (tmp_path / "runs").mkdir(exist_ok=True)
        lock = take(lock_path(tmp_path, "living"), "living", process_name(), 0)
        for run in ("living", "dead"):
            store.shares.take(POOL, Share(run=run, held={"cpu": {"cpu": 1000}}))
        now = SystemClock().now()
        assert [share.run for share in dead_shares(database, now)] == ["dead"]
        ended: list[str] = []
        store.shares.reap(ended.append)
        assert ended == ["dead"]
        assert dead_shares(database, now) == []
        lock.release()
        assert [share.run for share in dead_shares(database, now)] == ["living"]
        assert (lost_places(database), free_places(database)) == (0, 0)
    finally:
        database.close()
        store.close()


def test_what_is_adjusted_is_nothing_where_nothing_was(tmp_path: Path) -> None:
    assert read_adjustments(None) == read_adjustments(tmp_path)
    change_adjustments(tmp_path, lambda kept: kept)
    assert not (tmp_path / "adjustments.json").exists()
