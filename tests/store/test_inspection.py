"""What is wrong in a store is found, and mended where nothing can be lost by it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from msgspec.structs import replace

from mplp_cli.errors import Failure, StoreError
from mplp_cli.protocols import Delivery, Relation
from mplp_cli.store.database import Database
from mplp_cli.store.diagnosis import CAUSES, meaning
from mplp_cli.store.inspection import Finding, check_integrity, inspect
from mplp_cli.store.layout import database_path, lock_path, log_dir
from mplp_cli.store.leftovers import OLD
from mplp_cli.store.mending import mend
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.alerting import Round, Standing
from mplp_cli.workflow.alerts import Alert, Silence, Tally
from mplp_cli.workflow.events.routes import Match
from mplp_cli.workflow.fold.history import RunCompleted, RunFailed, RunResumed, RunStopping, StepDecided
from mplp_cli.workflow.published import Published
from tests.store.sample import START, FixedClock, asks, new_run, run_id, started, step

#: Later than any file of a test.
NOW = 4_000_000_000_000


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Four runs: completed with an answer, waiting for one, failed and resumed, stopped after a question."""
    store = SqliteStore(tmp_path, FixedClock())
    one = store.create_run(new_run(1), [started(1), *step(1), asks()])
    one.append(
        [StepDecided(START, "review", "approved", "ann", inputs={"share": 3}), RunCompleted(START + 5)]
    )
    store.create_run(new_run(2), [started(2), asks()])
    store.create_run(
        new_run(3), [started(3), RunFailed(START, Failure(type="E", message="m")), RunResumed(START, "x")]
    )
    store.create_run(new_run(4), [started(4), asks(), RunStopping(START, "cancel")])
    store.close()
    return tmp_path


@pytest.fixture
def database(state: Path) -> Iterator[Database]:
    made = Database(database_path(state))
    yield made
    made.close()


def found(database: Database) -> list[Finding]:
    return list(inspect(database, database.path.parent, NOW))


def alter(database: Database, *statements: str) -> None:
    db = apsw.Connection(str(database.path))
    db.execute("BEGIN IMMEDIATE")
    guard = db.execute("SELECT sql FROM sqlite_schema WHERE name = 'run_status_is_final'").get
    db.execute("DROP TRIGGER run_status_is_final")
    for statement in statements:
        db.execute(statement)
    db.execute(str(guard))
    db.execute("COMMIT")
    db.close()


def test_a_sound_store_has_no_findings(database: Database) -> None:
    check_integrity(database)
    assert found(database) == []


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (
            "UPDATE run SET status = 'running' WHERE key = 1",
            "the list says running, its history says completed",
        ),
        (
            "UPDATE run SET status = 'cancelled' WHERE key = 3",
            "the list says cancelled, its history says running",
        ),
        ("UPDATE run SET ended_at = 7 WHERE key = 1", "another end"),
        ("DELETE FROM approval WHERE run = 2", "in its history only"),
        ("UPDATE approval SET state = 'withdrawn' WHERE run = 2", "is withdrawn, its history says pending"),
        ("UPDATE approval SET state = 'pending' WHERE run = 1", "is pending, its history says approved"),
        (
            (
                "INSERT INTO approval SELECT 1, 99, id, 'y', 1, '', x'5b5d', 1, 'pending', '', '', 0, x'', x''"
                " FROM approval LIMIT 1"
            ),
            "in the list only",
        ),
    ],
)
def test_a_list_that_is_not_what_the_history_says_is_made_anew(
    database: Database, state: Path, damage: str, says: str
) -> None:
    history = database.rows("SELECT * FROM event")
    whole = database.rows("SELECT * FROM approval"), database.rows("SELECT key, status, ended_at FROM run")
    alter(database, damage)
    [finding] = found(database)
    assert (finding.code, finding.severity) == ("projection", "problem")
    assert says in finding.message
    assert mend(database, state, finding, NOW)
    assert found(database) == []
    mended = database.rows("SELECT * FROM approval"), database.rows("SELECT key, status, ended_at FROM run")
    assert mended == whole
    assert database.rows("SELECT * FROM event") == history
    with pytest.raises(StoreError), database.writing() as db:
        db.execute("UPDATE run SET status = 'running' WHERE key = 1")


def test_an_answer_that_the_run_has_not_taken_up_yet_is_no_finding_and_is_kept(
    database: Database, state: Path
) -> None:
    alter(
        database,
        "UPDATE approval SET state = 'approved', \"by\" = 'ann' WHERE run IN (2, 4)",
        "UPDATE run SET status = 'failed' WHERE key = 2",
    )
    [finding] = found(database)
    assert mend(database, state, finding, NOW)
    assert database.rows('SELECT state, "by" FROM approval WHERE run = 2') == [("approved", "ann")]
    assert found(database) == []


def test_a_sub_workflow_that_nobody_will_take_on_is_named(database: Database, state: Path) -> None:
    store = SqliteStore(state, FixedClock())
    for number, parent in ((5, 1), (6, 3)):
        new = replace(
            new_run(number, "sub"), relation=Relation(kind="child", run=run_id(parent), step="call")
        )
        store.create_run(new, [started(number)])
    store.close()
    [finding] = found(database)
    assert (finding.code, finding.severity, finding.run) == ("left-child", "warning", run_id(5))
    assert finding.hint == f"`mplp cancel {run_id(5)[:8]}` ends it"
    assert not mend(database, state, finding, NOW)


def test_a_run_that_a_process_holds_is_not_mended(database: Database, state: Path) -> None:
    alter(database, "UPDATE run SET ended_at = 7 WHERE key = 2")
    store = SqliteStore(state, FixedClock())
    journal = store.own_run(run_id(2), "somebody")
    [finding] = found(database)
    assert not mend(database, state, finding, NOW)
    journal.close()
    store.close()
    assert mend(database, state, finding, NOW)


def test_rows_of_no_run_and_requests_to_ended_runs_are_deleted(database: Database, state: Path) -> None:
    alter(
        database,
        "INSERT INTO event VALUES(99, 0, x'7b7d')",
        "INSERT INTO control(run, verb, step, \"by\", reason) VALUES(1, 'cancel', '', '', '')",
        "INSERT INTO control(run, verb, step, \"by\", reason) VALUES(2, 'cancel', '', '', '')",
    )
    assert [f.code for f in found(database)] == ["rows-of-no-run", "stale-request"]
    assert all(mend(database, state, f, NOW) for f in found(database))
    assert found(database) == []
    assert database.rows("SELECT run FROM control") == [(2,)]


def test_what_is_held_of_the_pool_for_nobody_is_deleted(database: Database, state: Path) -> None:
    ended, waiting = (str(database.rows(f"SELECT id FROM run WHERE key = {key}")[0][0]) for key in (1, 2))
    body = '{"run":"x","held":{"cpu":{"one":1}}}'
    spent = '{"run":"x","spent":[["calls","calls",1,9000000000000]]}'
    by_hand = '{"id":"x","at":1,"by":"ann","strategy":"balanced","parts":[["cpu","one",1]]}'
    shares = {ended: body, waiting: body, "gone": body, "spent": spent, "torn": "{"}
    allocations = {"of-ended": f"run:{ended}", "of-waiting": f"run:{waiting}", "by-hand": "ann"}
    alter(
        database,
        *(f"INSERT INTO share VALUES('{run}', CAST('{text}' AS BLOB))" for run, text in shares.items()),
        *(
            f"INSERT INTO allocation VALUES('{name}', '{by}', CAST('{by_hand}' AS BLOB), '')"
            for name, by in allocations.items()
        ),
    )
    [finding] = found(database)
    assert (finding.code, finding.severity) == ("stale-share", "problem")
    assert finding.message.startswith("4 shares")
    assert mend(database, state, finding, NOW)
    assert {row[0] for row in database.rows("SELECT run FROM share")} == {waiting, "spent"}
    assert {row[0] for row in database.rows("SELECT id FROM allocation")} == {"of-waiting", "by-hand"}
    assert found(database) == []


def test_places_of_ended_runs_are_deleted_and_those_of_others_stay(database: Database, state: Path) -> None:
    place = "INSERT INTO turn(workflow_id, key, run, held, at) VALUES('w', 'prod', '{}', 1, 0)"
    ids = [
        str(row[0]) for row in database.rows("SELECT id FROM run WHERE status IN ('completed', 'waiting')")
    ]
    alter(database, *map(place.format, [*ids, "gone"]))
    [finding] = found(database)
    assert (finding.code, finding.severity) == ("stale-place", "problem")
    assert finding.message.startswith("2 places")
    assert mend(database, state, finding, NOW)
    waiting = "SELECT id FROM run WHERE status = 'waiting'"
    assert database.rows("SELECT run FROM turn") == database.rows(waiting)
    assert found(database) == []


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE event SET body = x'00' WHERE run = 1 AND seq = 1",
        "DELETE FROM event WHERE run = 1 AND seq = 1",
        "DELETE FROM definition WHERE run = 1",
        "UPDATE definition SET source = x'00' WHERE run = 1",
    ],
)
def test_a_damaged_history_is_told_and_not_touched(database: Database, state: Path, damage: str) -> None:
    alter(database, damage)
    [finding] = found(database)
    assert (finding.code, finding.mend) == ("history", "")
    assert run_id(1) in finding.message
    assert not mend(database, state, finding, NOW)


def test_files_of_unknown_runs_are_deleted_but_not_of_one_about_to_begin(
    database: Database, state: Path
) -> None:
    stray, young = run_id(8), run_id(9)
    log_dir(state, stray).mkdir(parents=True)
    lock_path(state, stray).touch()
    (state / "runs" / "not-a-run.txt").touch()
    assert {f.run for f in found(database)} == {stray}
    lock_path(state, young).touch()
    os.utime(lock_path(state, young), (NOW / 1000, NOW / 1000 - OLD / 2000))
    [finding] = found(database)
    assert mend(database, state, finding, NOW)
    assert found(database) == []
    assert not lock_path(state, stray).exists()
    assert not log_dir(state, stray).parent.exists()
    assert lock_path(state, young).exists()
    assert lock_path(state, run_id(1)).exists()


def test_damaged_pages_are_found(database: Database, state: Path) -> None:
    database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    database.drop()
    with database_path(state).open("r+b") as file:
        file.seek(4096 * 2)
        file.write(b"\xff" * 4096)
    with pytest.raises(StoreError):
        check_integrity(database)


def test_every_cause_is_explained_with_what_to_do() -> None:
    for cause, (means, steps) in CAUSES.items():
        assert meaning(StoreError("x", details={"cause": cause})) == (means, steps)
        assert means.endswith(".")
        assert steps
    assert meaning(StoreError("x"))[1]


def test_a_cached_result_that_cannot_be_read_counts_as_not_there_and_is_deleted(
    database: Database, state: Path
) -> None:
    row = "INSERT INTO cached VALUES('{}', 's', 'r', 1, 0, {})"
    alter(database, row.format("good", "x'31'"), row.format("bad", "x'7b'"))
    store = SqliteStore(state, FixedClock())
    assert [one.key for one in store.cached("")] == ["good"]
    [finding] = found(database)
    assert (finding.code, finding.severity) == ("cached-result", "warning")
    assert mend(database, state, finding, NOW)
    assert found(database) == []
    assert [one.key for one in store.cached("")] == ["good"]
    store.close()


def test_a_profile_that_cannot_be_read_counts_as_not_there_and_is_deleted(
    database: Database, state: Path
) -> None:
    alter(
        database,
        "INSERT INTO profile VALUES(1, 'release-notes', 5, x'81a16193010500')",
        "INSERT INTO profile VALUES(2, 'release-notes', 6, x'81a161')",
        "INSERT INTO profile VALUES(77, 'release-notes', 7, x'80')",
    )
    store = SqliteStore(state, FixedClock())
    assert [one.run for one in store.profiles("release-notes", 20)] == [run_id(1)]
    findings = {finding.code: finding for finding in found(database)}
    assert findings.keys() == {"profile", "rows-of-no-run"}
    assert all(mend(database, state, finding, NOW) for finding in findings.values())
    assert found(database) == []
    assert [one.run for one in store.profiles("release-notes", 20)] == [run_id(1)]
    store.close()


def stands(name: str) -> Standing:
    return Standing(rule=Alert(id=name, metric="m", above=1.0), since=1, seen=1)


def test_rows_of_alerts_that_cannot_be_read_count_as_not_there_and_are_deleted(
    database: Database, state: Path
) -> None:
    store = SqliteStore(state, FixedClock())
    tallies = [Tally(alert=name, match=Match(type="t"), heard=0) for name in ("whole", "torn")]
    store.alerts.settle(Round(kept=[stands("whole"), stands("torn")]), tallies)
    for name in ("whole", "torn"):
        store.alerts.silence(Silence(id=name, at=1, until=2))
    whole = database.rows("SELECT kind, name, body FROM alert WHERE name LIKE '%whole%' ORDER BY kind")
    assert found(database) == []
    alter(database, "UPDATE alert SET body = substr(body, 1, 20) WHERE name LIKE '%torn%'")

    kept = store.alerts.kept()
    assert {*kept.standings, *kept.tallies, *kept.silences} == {("whole", ()), "whole"}
    [finding] = found(database)
    assert (finding.code, finding.severity) == ("alert", "warning")
    assert finding.message.startswith("3 rows of alerts")
    assert mend(database, state, finding, NOW)
    assert found(database) == []
    assert database.rows("SELECT kind, name, body FROM alert ORDER BY kind") == whole
    store.close()


def test_a_row_of_an_alert_that_was_written_anew_since_it_was_found_damaged_stays(
    database: Database, state: Path
) -> None:
    store = SqliteStore(state, FixedClock())
    store.alerts.settle(Round(kept=[stands("one"), stands("two")]))
    alter(database, "UPDATE alert SET body = x'7b'")
    [finding] = found(database)
    store.alerts.settle(Round(kept=[stands("one")]))
    assert mend(database, state, finding, NOW)
    assert [*store.alerts.kept().standings] == [("one", ())]
    assert found(database) == []
    store.close()


def test_an_event_that_cannot_be_read_is_found_and_deleted_and_so_is_what_was_to_become_of_it(
    database: Database, state: Path
) -> None:
    store = SqliteStore(state, FixedClock())
    store.board.publish(*(Published(id=name, type="t", source="s", at=1) for name in "abc"))
    late = [Delivery(route="r", event=n, state="retrying", tries=1, at=1) for n in (2, 3)]
    store.deliveries.settle({}, late)
    alter(database, "UPDATE emitted SET data = x'7b' WHERE seq = 2")
    with pytest.raises(StoreError, match="the event b"):
        store.board.following(0)
    [event] = found(database)
    assert (event.code, event.severity) == ("event", "problem")
    assert mend(database, state, event, NOW)
    [delivery] = found(database)
    assert delivery.code == "stale-delivery"
    assert mend(database, state, delivery, NOW)
    assert found(database) == []
    assert [one.id for _, one in store.board.following(0)] == ["a", "c"]
    assert store.deliveries.of() == late[1:]
    store.close()
