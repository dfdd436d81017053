"""Several processes and one store: one owner, no waiting in vain, nothing left behind by the dead."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import apsw
import pytest

from mplp_cli.errors import LostOwnershipError, RunBusyError, StoreError
from mplp_cli.protocols import Control
from mplp_cli.store import database, locks
from mplp_cli.store.layout import database_path, lock_path
from mplp_cli.store.sqlite import SqliteStore
from tests.store.sample import START, FixedClock, asks, new_run, run_id, started, step

ROOT = Path(__file__).parents[2]
Worker = subprocess.Popen[str]
Start = Callable[[str, int], Worker]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts another process on the store of the test."""
    running: list[Worker] = []

    def worker(verb: str, argument: int) -> Worker:
        command = [
            sys.executable,
            str(Path(__file__).with_name("worker.py")),
            verb,
            str(tmp_path),
            str(argument),
        ]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        running.append(process)
        return process

    yield worker
    for process in running:
        process.kill()
        with process:
            pass


def line(process: Worker) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go(process: Worker) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def end(process: Worker) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


def alter(state: Path, statement: str) -> None:
    """Change the store behind its back."""
    db = apsw.Connection(str(database_path(state)))
    db.execute(statement)
    db.close()


def files_of(process: str) -> list[str]:
    """The files that a process has open, under the names of the system (Linux)."""
    found = []
    for entry in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(entry.readlink()))
    return found


# ---- ownership


def test_of_processes_that_race_for_a_run_one_wins(durable: SqliteStore, start: Start) -> None:
    durable.create_run(new_run(), [started()]).close()
    racers = [start("own", 1) for _ in range(4)]
    for racer in racers:
        assert line(racer) == "ready"
    for racer in racers:
        go(racer)
    answers = [line(racer) for racer in racers]
    winner = [answer.split()[1] for answer in answers if answer.startswith("owned")]
    assert len(winner) == 1
    assert sorted(answers) == [*[f"busy {winner[0]}"] * 3, f"owned {winner[0]}"]
    assert durable.runs()[0].owned
    for racer in racers:
        end(racer)
    assert not durable.runs()[0].owned
    assert durable.runs()[0].epoch == 2


def test_a_run_is_free_the_moment_its_owner_is_killed(durable: SqliteStore, start: Start) -> None:
    durable.create_run(new_run(), [started()]).close()
    owner = start("own", 1)
    line(owner)
    go(owner)
    assert line(owner) == f"owned {owner.pid}"
    with pytest.raises(RunBusyError, match=f"process {owner.pid} on "):
        durable.own_run(run_id(1), "ann")
    owner.kill()
    owner.wait()
    assert not durable.runs()[0].owned
    durable.own_run(run_id(1), "ann").append(step(1))


def test_an_owner_that_was_overtaken_writes_nothing(durable: SqliteStore, tmp_path: Path) -> None:
    journal = durable.create_run(new_run(), [started()])
    alter(tmp_path, "UPDATE run SET epoch = epoch + 1")
    for _ in range(2):
        with pytest.raises(LostOwnershipError, match=r"took run .* over; nothing more was written"):
            journal.append(step(1))
    assert [fact for _, fact in durable.history(run_id(1))] == [started()]


def test_a_look_at_a_run_does_not_keep_an_owner_out(durable: SqliteStore, tmp_path: Path) -> None:
    durable.create_run(new_run(), [started()]).close()
    path = lock_path(tmp_path, run_id(1))
    before = path.read_bytes()
    assert not locks.is_held(path)
    assert path.read_bytes() == before
    durable.own_run(run_id(1), "ann").close()


def test_an_owner_waits_for_a_look_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.lock"
    path.touch()
    look = os.open(path, os.O_RDONLY)
    fcntl.flock(look, fcntl.LOCK_SH)
    monkeypatch.setattr(time, "sleep", lambda _: os.close(look))
    locks.take(path, run_id(1), "ann", START).release()


def test_a_lock_file_that_says_nothing_still_locks(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    lock = locks.take(path, run_id(1), "ann", START)
    path.write_bytes(b"\xff{")
    with pytest.raises(RunBusyError, match="another process holds run"):
        locks.take(path, run_id(1), "bob", START)
    lock.release()


def test_children_inherit_neither_the_store_nor_the_lock(durable: SqliteStore, tmp_path: Path) -> None:
    durable.create_run(new_run(), [started()])
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no list of open files on this system")
    opened = [path for path in files_of("self") if path.startswith(str(tmp_path))]
    assert len(opened) >= 3
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as child:
        inherited = [path for path in files_of(str(child.pid)) if path in opened]
    assert inherited == []


# ---- writing beside each other


def test_twenty_writers_do_not_get_into_each_others_way(durable: SqliteStore, start: Start) -> None:
    shared = durable.create_run(new_run(0), [started(0)])
    writers = [start("write", number) for number in range(1, 21)]
    for writer in writers:
        assert line(writer) == "ready"
    for writer in writers:
        go(writer)
    assert [line(writer) for writer in writers] == ["done"] * 20
    assert len(shared.controls()) == 200
    for number in range(1, 21):
        facts = [fact for _, fact in durable.history(run_id(number))]
        assert facts == [started(number), *(fact for n in range(30) for fact in step(n))]
    assert durable.check()["facts"] == 1 + 20 * 61


def test_a_writer_that_is_halted_is_named_after_a_while(
    durable: SqliteStore, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 20)
    journal = durable.create_run(new_run(), [started()])
    durable._database.drop()  # so that the next connection is as impatient
    halted = start("stall", 0)
    assert line(halted) == f"writing {halted.pid}"
    with pytest.raises(StoreError, match=f"written to by process {halted.pid}") as refused:
        journal.append(step(1))
    assert refused.value.details["cause"] == "busy"
    end(halted)
    journal.close()
    journal = durable.own_run(run_id(1), "ann")
    assert list(journal.read()) == [started()]
    journal.append(step(1))


# ---- requests


def test_a_request_of_another_connection_is_seen_at_once(durable: SqliteStore, tmp_path: Path) -> None:
    journal = durable.create_run(new_run(), [started(), asks()])
    other = SqliteStore(tmp_path, FixedClock())
    for number in range(3):
        assert journal.controls() == []
        other.request(run_id(1), Control(seq=0, verb="cancel", by="ann", reason=str(number)))
        assert [control.reason for control in journal.controls()] == [str(number)]
        journal.append(step(number))
    other.decide(run_id(1), "review", "approved", "ann", "", START)
    assert [control.verb for control in journal.controls()] == ["approve"]
    other.close()


def test_a_request_made_just_before_an_append_is_seen_after_it(durable: SqliteStore, tmp_path: Path) -> None:
    journal = durable.create_run(new_run(), [started()])
    assert journal.controls() == []
    other = SqliteStore(tmp_path, FixedClock())
    other.request(run_id(1), Control(seq=0, verb="cancel", by="ann"))
    journal.append(step(1))
    assert [control.verb for control in journal.controls()] == ["cancel"]
    other.close()


def test_nothing_is_asked_of_the_tables_while_nobody_else_writes(durable: SqliteStore) -> None:
    journal = durable.create_run(new_run(), [started()])
    journal.controls()
    asked: list[str] = []
    durable._database.connection().trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: asked.append(event["sql"]))
    for number in range(5):
        journal.append(step(number))
        journal.controls()
    assert not [statement for statement in asked if "control" in statement]
    assert asked.count("PRAGMA data_version") == 5


def test_a_request_is_not_overlooked_when_the_connection_is_a_new_one(
    durable: SqliteStore, tmp_path: Path
) -> None:
    journal = durable.create_run(new_run(), [started()])
    durable._database.drop()  # as after a failed write of another run
    assert journal.controls() == []
    other = SqliteStore(tmp_path, FixedClock())
    other.request(run_id(1), Control(seq=0, verb="cancel", by="ann"))
    durable._database.drop()
    assert [control.verb for control in journal.controls()] == ["cancel"]
    other.close()
