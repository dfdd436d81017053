"""The log of a store is written back beside commits, and begins anew while they go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from mplp_cli.store import writeback
from mplp_cli.store.writeback import Writeback


class Written:
    """A database with a log, and how many pages each commit has found in it."""

    def __init__(self, path: Path, beside: Callable[[], apsw.Connection] | None = None) -> None:
        self.path = str(path)
        self.db = apsw.Connection(self.path)
        self.db.pragma("journal_mode", "wal")
        self.doubts = 0
        self.writeback = Writeback(beside or (lambda: apsw.Connection(self.path)), self.doubt)
        self.pages: list[int] = []
        self.db.set_wal_hook(self.committed)
        self.db.execute("CREATE TABLE t(x)")

    def doubt(self) -> None:
        self.doubts += 1

    def committed(self, db: apsw.Connection, name: str, pages: int) -> int:
        self.pages.append(pages)
        return self.writeback.committed(db, name, pages)

    def commit(self) -> None:
        self.db.execute("INSERT INTO t VALUES(zeroblob(9000))")

    def commit_until(self, enough: Callable[[], bool]) -> None:
        until = time.monotonic() + 30
        while not enough():
            assert time.monotonic() < until
            self.commit()

    def times_anew(self) -> int:
        """How often the log has begun anew."""
        return sum(later < earlier for earlier, later in zip(self.pages, self.pages[1:], strict=False))

    def close(self) -> None:
        self.writeback.close()
        self.db.close()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(writeback, "PAGES", 100)
    return 100


def test_the_log_begins_anew_again_and_again_while_commits_go_on(tmp_path: Path, few: int) -> None:
    written = Written(tmp_path / "db")
    written.commit_until(lambda: written.times_anew() >= 5)
    assert max(written.pages) >= few
    written.close()
    again = apsw.Connection(written.path)
    assert again.execute("PRAGMA integrity_check").get == "ok"
    assert again.execute("SELECT count(*) FROM t").get == len(written.pages) - 1


def test_while_somebody_reads_the_log_grows_and_afterwards_it_begins_anew(tmp_path: Path, few: int) -> None:
    written = Written(tmp_path / "db")
    reader = apsw.Connection(written.path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM t").fetchall()
    written.commit_until(lambda: written.pages[-1] > 5 * few)
    assert not written.times_anew()
    reader.execute("COMMIT")
    reader.close()
    written.commit_until(lambda: written.times_anew() > 0)
    written.close()


def test_while_no_commit_waits_for_the_disk_the_log_may_be_longer(
    tmp_path: Path, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writeback, "LONG", 6 * few)
    written = Written(tmp_path / "db")
    written.writeback.waits = False
    written.commit_until(lambda: written.times_anew() > 0)
    assert max(written.pages) >= 6 * few
    written.writeback.waits = True
    written.pages.clear()
    written.commit_until(lambda: written.times_anew() > 0)
    assert max(written.pages) < 6 * few
    written.close()


def test_commits_go_on_though_the_log_cannot_be_written_back_beside_them(tmp_path: Path, few: int) -> None:
    def refuse() -> apsw.Connection:
        raise apsw.CantOpenError("unable to open database file")

    written = Written(tmp_path / "db", refuse)
    # Who commits does it then.
    written.commit_until(lambda: written.times_anew() > 0)
    assert max(written.pages) < 10 * few
    written.close()


def test_if_the_disk_refuses_who_commits_the_log_is_doubted(tmp_path: Path, few: int) -> None:
    class Refused(apsw.Connection):
        def wal_checkpoint(self, *args: Any, **more: Any) -> tuple[int, int]:
            raise apsw.IOError("disk I/O error")

    written = Written(tmp_path / "db")
    refused = Refused(written.path)
    for _ in range(2):  # the thread first, then who commits
        written.writeback.committed(refused, "main", 10 * few)
        assert written.writeback._work is None or written.writeback._work.result(30) is None
    assert written.doubts == 1
    refused.close()
    written.close()
