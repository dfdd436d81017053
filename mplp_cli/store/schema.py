"""The tables of `state.db`, and the statements that write them.

A run is known inside by a small number (`key`), so that a row of its history costs few bytes. Facts
are JSON as msgspec writes it, kept as blobs: nothing is decoded to store them. `approval` and the
status in `run` are projections of the history, written in the transaction that adds to it.
"""

from __future__ import annotations

#: "MPLP" in ASCII.
APPLICATION_ID = 0x4D504C50
VERSION = 6

#: Tables that format 2 has and format 1 had not.
#:
#: `relation`: `run` was made for another run: its `rerun`, or the sub-workflow (`child`) of its step `step`.
#: `turn`: runs that hold (`held` = 1) or wait for a place under a concurrency key.
#: `cached`: results kept under a cache key.
_ADDED_IN_2 = """
CREATE TABLE relation(
    run INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK(kind IN ('rerun', 'child')),
    other TEXT NOT NULL,
    step TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX relation_by_other ON relation(other);
CREATE TABLE turn(
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    workflow_id TEXT NOT NULL,
    key TEXT NOT NULL,
    run TEXT NOT NULL UNIQUE,
    held INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX turn_by_key ON turn(workflow_id, key, seq);
CREATE TABLE cached(
    key TEXT PRIMARY KEY,
    step TEXT NOT NULL,
    run TEXT NOT NULL,
    at INTEGER NOT NULL,
    until INTEGER NOT NULL,
    result BLOB NOT NULL
) STRICT, WITHOUT ROWID;
"""

#: Events that steps and people had published, in formats 2 to 5.
_EMITTED_BEFORE_6 = """
CREATE TABLE emitted(
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    source TEXT NOT NULL,
    at INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;
"""

#: Tables that format 3 has and format 2 had not.
#:
#: `module`: the state that a module was put into; one without a row is as its configuration says.
#: `subscription`: whom the hub tells what a module does. `communication`: what went through the hub, in order.
_ADDED_IN_3 = """
CREATE TABLE module(
    name TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    at INTEGER NOT NULL,
    "by" TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE subscription(
    publisher TEXT NOT NULL,
    type TEXT NOT NULL,
    subscriber TEXT NOT NULL,
    PRIMARY KEY(publisher, type, subscriber)
) STRICT, WITHOUT ROWID;
CREATE TABLE communication(
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
"""

#: Table that format 4 has and format 3 had not: the reserved interfaces that agents have taken over.
_ADDED_IN_4 = """
CREATE TABLE active(
    interface TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    "by" TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""

#: Tables that format 5 has and format 4 had not.
#:
#: `share`: what a run holds of the pool of resources, has spent of rates and waits for.
#: `profile`: what ended runs have shown of their steps.
#: `allocation`: what is held by hand (as parts of the pool), or was released by an attempt of a run that goes on.
_ADDED_IN_5 = """
CREATE TABLE share(
    run TEXT PRIMARY KEY,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE allocation(
    id TEXT PRIMARY KEY,
    "by" TEXT NOT NULL,
    body BLOB NOT NULL,
    released TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE TABLE profile(
    run INTEGER PRIMARY KEY,
    workflow_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX profile_by_workflow ON profile(workflow_id, at, run);
"""

#: Tables that format 6 has and format 5 had not.
#:
#: `emitted`: published events, in order; `more` is JSON, or empty. `reader`: the number of the event up to which a
#: reader has dealt with all. `delivery`: what became of an event on a route. `cause`: what started a run.
#: `sample`: what was measured (level 0: as it was taken, 1: added up by minute, 2: by hour); `counted`: all of it ever.
_ADDED_IN_6 = """
CREATE TABLE emitted(
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    source TEXT NOT NULL,
    at INTEGER NOT NULL,
    data BLOB NOT NULL,
    more BLOB NOT NULL DEFAULT x'',
    UNIQUE(id, source)
) STRICT;
CREATE TABLE reader(
    name TEXT PRIMARY KEY,
    event INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE delivery(
    route TEXT NOT NULL,
    event INTEGER NOT NULL,
    state TEXT NOT NULL CHECK(state IN ('delivered', 'retrying', 'dead', 'dropped')),
    tries INTEGER NOT NULL,
    at INTEGER NOT NULL,
    due INTEGER NOT NULL,
    took INTEGER NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY(route, event)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_open ON delivery(state, route, event) WHERE state IN ('retrying', 'dead');
CREATE TABLE cause(
    run INTEGER PRIMARY KEY,
    "by" TEXT NOT NULL,
    event TEXT NOT NULL
) STRICT;
CREATE TABLE sample(
    id INTEGER PRIMARY KEY,
    level INTEGER NOT NULL,
    source TEXT NOT NULL,
    since INTEGER NOT NULL,
    at INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX sample_by_time ON sample(level, at);
CREATE TABLE counted(
    source TEXT PRIMARY KEY,
    since INTEGER NOT NULL,
    at INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
"""

#: By the format that a store has, what makes it one of the next; it is done when the store is opened.
UPGRADES = {
    1: f"""
{_ADDED_IN_2}
{_EMITTED_BEFORE_6}
ALTER TABLE definition ADD COLUMN included BLOB NOT NULL DEFAULT x'';
ALTER TABLE control ADD COLUMN data BLOB NOT NULL DEFAULT x'';
ALTER TABLE approval ADD COLUMN form BLOB NOT NULL DEFAULT x'';
ALTER TABLE approval ADD COLUMN data BLOB NOT NULL DEFAULT x'';
""",
    2: _ADDED_IN_3,
    3: _ADDED_IN_4,
    4: _ADDED_IN_5,
    # Numbers stay as they are, also the next one.
    5: f"""
ALTER TABLE emitted RENAME TO emitted_before_6;
{_ADDED_IN_6}
INSERT INTO emitted(seq, id, type, source, at, data)
    SELECT seq, id, type, source, at, data FROM emitted_before_6 ORDER BY seq;
DELETE FROM sqlite_sequence WHERE name = 'emitted';
INSERT INTO sqlite_sequence(name, seq) SELECT 'emitted', seq FROM sqlite_sequence WHERE name = 'emitted_before_6';
DROP TABLE emitted_before_6;
""",  # noqa: S608 - statements of ours
}

SCHEMA = f"""
CREATE TABLE run(
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    workflow_id TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL
        CHECK(status IN ('pending', 'running', 'waiting', 'paused', 'completed', 'failed', 'cancelled')),
    epoch INTEGER NOT NULL,
    owner TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT;
CREATE INDEX run_by_age ON run(created_at, key);
CREATE INDEX run_by_workflow ON run(workflow_id, created_at, key);
CREATE TRIGGER run_status_is_final BEFORE UPDATE OF status ON run
WHEN old.status IN ('completed', 'cancelled')
    OR (old.status = 'failed' AND new.status NOT IN ('failed', 'running'))
BEGIN
    SELECT raise(ABORT, 'the status of a run that has ended never changes');
END;
CREATE TABLE definition(
    run INTEGER PRIMARY KEY,
    source BLOB NOT NULL,
    source_name TEXT NOT NULL,
    source_dir TEXT NOT NULL,
    cwd TEXT NOT NULL,
    plan BLOB NOT NULL,
    included BLOB NOT NULL DEFAULT x''
) STRICT;
CREATE TABLE event(
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY(run, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE control(
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL,
    verb TEXT NOT NULL,
    step TEXT NOT NULL,
    "by" TEXT NOT NULL,
    reason TEXT NOT NULL,
    data BLOB NOT NULL DEFAULT x''
) STRICT;
CREATE INDEX control_by_run ON control(run, seq);
CREATE TABLE approval(
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    step TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    message TEXT NOT NULL,
    approvers BLOB NOT NULL,
    asked_at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK(state IN ('pending', 'approved', 'rejected', 'withdrawn')),
    "by" TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    decided_at INTEGER NOT NULL DEFAULT 0,
    form BLOB NOT NULL DEFAULT x'',
    data BLOB NOT NULL DEFAULT x'',
    PRIMARY KEY(run, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX one_question_a_step ON approval(run, step) WHERE state = 'pending';
CREATE INDEX approval_pending ON approval(asked_at) WHERE state = 'pending';
CREATE TABLE object(
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    body BLOB NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY(kind, id, version)
) STRICT, WITHOUT ROWID;
{_ADDED_IN_2}
{_ADDED_IN_3}
{_ADDED_IN_4}
{_ADDED_IN_5}
{_ADDED_IN_6}
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
"""

ADD_RUN = "INSERT INTO run VALUES(NULL, ?, ?, ?, 'pending', 1, ?, ?, NULL) RETURNING key"
ADD_DEFINITION = "INSERT INTO definition VALUES(?, ?, ?, ?, ?, ?, ?)"
ADD_RELATION = "INSERT INTO relation(run, kind, other, step) VALUES(?, ?, ?, ?)"
ADD_CAUSE = 'INSERT INTO cause(run, "by", event) VALUES(?, ?, ?)'
SET_DEFINITION = (
    "UPDATE definition SET source = ?, source_name = ?, source_dir = ?, cwd = ?, plan = ?, included = ?"
    " WHERE run = ?"
)
ADD_EVENT = "INSERT INTO event VALUES(?, ?, ?)"
ADD_OBJECT = "INSERT INTO object VALUES(?, ?, ?, ?, ?)"
ADD_CONTROL = 'INSERT INTO control(run, verb, step, "by", reason, data) VALUES(?, ?, ?, ?, ?, ?)'
ADD_APPROVAL = (
    "INSERT INTO approval(run, seq, id, step, attempt, message, approvers, asked_at, form, state)"
    " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending')"
)
SET_STATUS = "UPDATE run SET status = ?, ended_at = ? WHERE key = ?"
#: An answer that is there already stays; `?2` is NULL for every step of the run.
SETTLE = (
    'UPDATE approval SET state = ?3, "by" = ?4, reason = ?5, decided_at = ?6, data = ?7'
    " WHERE run = ?1 AND state = 'pending' AND (?2 IS NULL OR step = ?2)"
)
MODULES = 'SELECT name, status, at, "by" FROM module ORDER BY name'
SET_MODULE = 'INSERT OR REPLACE INTO module(name, status, at, "by") VALUES(?, ?, ?, ?)'
SUBSCRIPTIONS = "SELECT subscriber, publisher, type FROM subscription ORDER BY publisher, type, subscriber"
ADD_SUBSCRIPTION = "INSERT OR IGNORE INTO subscription(subscriber, publisher, type) VALUES(?, ?, ?)"
DROP_SUBSCRIPTION = "DELETE FROM subscription WHERE subscriber = ? AND publisher = ? AND type = ?"
ACTIVE = 'SELECT interface, at, "by" FROM active ORDER BY interface'
ACTIVATE = 'INSERT OR IGNORE INTO active(interface, at, "by") VALUES(?, ?, ?)'
DEACTIVATE = "DELETE FROM active WHERE interface = ?"
ADD_COMMUNICATION = "INSERT INTO communication(source, target, body) VALUES(?, ?, ?)"
#: The newest first.
LOG = (
    "SELECT body FROM communication WHERE ?1 IS NULL OR source = ?1 OR target = ?1 ORDER BY seq DESC LIMIT ?2"
)
ADD_TURN = "INSERT INTO turn(workflow_id, key, run, held, at) VALUES(?, ?, ?, 0, ?)"
GIVE_TURN = "UPDATE turn SET held = 1, at = ? WHERE run = ?"
LEAVE_TURN = "DELETE FROM turn WHERE run = ?"
TURN_KEY = "SELECT workflow_id, key FROM turn WHERE run = ?"
#: All keys that somebody has or waits for a place under, or (`?1`) that of one run.
TURN_KEYS = "SELECT DISTINCT workflow_id, key FROM turn WHERE (?1 IS NULL OR run = ?1)"
#: A run that is gone has the key 0.
TURNS = (
    "SELECT t.run, t.held, t.at, coalesce(r.key, 0), coalesce(r.status, ''),"
    " EXISTS(SELECT 1 FROM control c WHERE c.run = r.key AND c.verb = 'cancel')"
    " FROM turn t LEFT JOIN run r ON r.id = t.run WHERE t.workflow_id = ? AND t.key = ? ORDER BY t.seq"
)
#: Of runs that cannot have or wait for a place, whatever their processes do. A failed one may, if it is taken up.
ENDED_TURNS = "run NOT IN (SELECT id FROM run WHERE status NOT IN ('completed', 'cancelled'))"
#: What everybody but one run (`?`) holds: shares, then allocations by hand, which belong to nobody in the list.
SHARES = (
    "SELECT run, body FROM share WHERE run <> ? UNION ALL SELECT '', body FROM allocation WHERE released = ''"
)
SHARE = "SELECT body FROM share WHERE run = ?"
SET_SHARE = "INSERT OR REPLACE INTO share(run, body) VALUES(?, ?)"
DROP_SHARE = "DELETE FROM share WHERE run = ?"
ALLOCATIONS = "SELECT body FROM allocation WHERE released = ''"
ALLOCATION = "SELECT body, released FROM allocation WHERE id = ?"
ALLOCATE = 'INSERT INTO allocation(id, "by", body) VALUES(?, ?, ?)'
#: `?2` is the attempt that does it; the row is kept for its next one.
RELEASE = "UPDATE allocation SET released = ?2 WHERE id = ?1"
DROP_ALLOCATION = "DELETE FROM allocation WHERE id = ?"
#: `?1` is the run.
DROP_ALLOCATIONS = (
    "DELETE FROM allocation WHERE \"by\" = 'run:' || ?1 OR substr(released, 1, length(?1) + 1) = ?1 || '/'"
)
ADD_PROFILE = (
    "INSERT OR REPLACE INTO profile(run, workflow_id, at, body)"
    " SELECT key, workflow_id, ?, ? FROM run WHERE key = ?"
)
PROFILES = (
    "SELECT run.id, p.at, p.body FROM profile p JOIN run ON run.key = p.run WHERE p.workflow_id = ?"
    " ORDER BY p.at DESC, p.run DESC LIMIT ?"
)
KEEP = "INSERT OR REPLACE INTO cached(key, step, run, at, until, result) VALUES(?, ?, ?, ?, ?, ?)"
#: No key goes on with the last character there is.
CACHED = "SELECT key, step, run, at, until, result FROM cached WHERE key >= ?1 AND key < ?1 || char(0x10ffff)"
#: What is not good any more, and with `?2` what was stored before then; of one workflow with `?3`.
_STALE = (
    " FROM cached WHERE ((until > 0 AND until <= ?1) OR at < ?2)"
    " AND (?3 IS NULL OR substr(key, 1, length(?3) + 1) = ?3 || '/')"
)
COUNT_STALE = f"SELECT count(*){_STALE}"
DROP_STALE = f"DELETE{_STALE}"
TAKE_ALL = "DELETE FROM control WHERE run = ?1 AND (?2 OR verb <> 'kill')"
DROP_PAUSES = "DELETE FROM control WHERE run = ? AND verb IN ('pause', 'resume')"
TAKE_ANSWERS = "DELETE FROM control WHERE run = ? AND step = ? AND verb IN ('approve', 'reject')"
EPOCH = "SELECT epoch, owner FROM run WHERE key = ?"
HISTORY = "SELECT seq, body FROM event WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?"
CONTROLS = 'SELECT seq, verb, step, "by", reason, data FROM control WHERE run = ? AND seq > ? ORDER BY seq'
RUNS = (
    "SELECT id, workflow_id, name, status, epoch, owner, created_at, ended_at, kind, other, step,"
    ' (SELECT coalesce(max(seq), 0) FROM control WHERE control.run = run.key), cause."by", cause.event'
    " FROM run LEFT JOIN relation ON relation.run = run.key LEFT JOIN cause ON cause.run = run.key"
)
NEWEST = " ORDER BY created_at DESC, key DESC"
APPROVALS = (
    "SELECT a.id, r.id, r.workflow_id, a.step, a.attempt, a.message, a.approvers, a.asked_at, a.state,"
    ' a."by", a.reason, a.decided_at, a.form, a.data FROM approval a JOIN run r ON r.key = a.run'
)
#: SQLite takes `body` from the row that has the maximum.
OBJECTS = (
    "SELECT kind, id, max(version), body FROM object"
    " WHERE (kind, id) > (?1, ?2) AND (?3 IS NULL OR kind = ?3)"
    " GROUP BY kind, id ORDER BY kind, id LIMIT ?4"
)
NEWER = (
    "SELECT version, body FROM object WHERE kind = ? AND id = ? AND version > ? ORDER BY version DESC LIMIT 1"
)
OBJECT_VERSIONS = "SELECT version, body FROM object WHERE kind = ? AND id = ? ORDER BY version"
#: `?1` is the bytes of a tag. Which of them really carry it as a tag, a reader finds out.
VERSIONS = (
    "SELECT kind, id, version, body FROM object"
    " WHERE (kind, id) IN (SELECT kind, id FROM object WHERE instr(body, ?1))"
    " ORDER BY kind, id, version"
)
DEFINITION = "SELECT source, source_name, source_dir, cwd, plan, included FROM definition WHERE run = ?"
COUNTED = ("runs", "facts", "objects", "requests", "approvals", "events", "deadLetters")
COUNTS = (
    "SELECT (SELECT count(*) FROM run) runs, (SELECT count(*) FROM event) facts,"
    " (SELECT count(*) FROM object) objects, (SELECT count(*) FROM control) requests,"
    " (SELECT count(*) FROM approval) approvals, (SELECT count(*) FROM emitted) events,"
    " (SELECT count(*) FROM delivery WHERE state = 'dead') deadLetters"
)
