"""Facts of a newer version are refused as such; damage is called damage."""

from __future__ import annotations

from pathlib import Path

import apsw
import msgspec
import pytest

from mplp_cli.errors import StoreError
from mplp_cli.store.inspection import inspect
from mplp_cli.store.layout import database_path
from mplp_cli.store.sqlite import SqliteStore
from tests.store.sample import START, asks, new_run, run_id, started, step

NEWER = [
    ({"type": "step.teleported", "at": START, "step": "a"}, "is a `step.teleported`"),
    ({"type": "run.stopping", "at": START, "cause": "cancel", "gently": True}, "has the key `gently`"),
    (
        {"type": "step.failed", "at": START, "step": "a", "attempt": 1,
         "error": {"type": "X", "message": "x", "blame": "b"}},
        "has the key `blame`",
    ),
    (
        {"type": "step.waiting", "at": START, "step": "a", "attempt": 1,
         "approval": {"id": "1", "message": "m", "quorum": 2}},
        "has the key `quorum`",
    ),
]  # fmt: skip
DAMAGED = [
    b"\x00",
    b'{"type":"step.',
    b'{"type":7,"at":1}',
    b'{"type":"step.queued","at":1}',
    b'{"type":"??","at":1}',
]


def put(state: Path, body: bytes) -> None:
    """Write a fact behind the last one of run 1."""
    db = apsw.Connection(str(database_path(state)))
    db.execute("INSERT INTO event SELECT 1, max(seq) + 1, ? FROM event WHERE run = 1", (body,))
    db.close()


@pytest.fixture
def state(durable: SqliteStore, tmp_path: Path) -> Path:
    for number in (1, 2):
        durable.create_run(new_run(number), [started(number), *step(0), asks()]).close()
    return tmp_path


@pytest.mark.parametrize(("fact", "says"), NEWER, ids=[says for _, says in NEWER])
def test_a_fact_of_a_newer_version_is_refused_as_such(
    durable: SqliteStore, state: Path, fact: dict[str, object], says: str
) -> None:
    put(state, msgspec.json.encode(fact))
    with pytest.raises(StoreError) as refused:
        list(durable.history(run_id(1)))
    assert refused.value.exit_code == 74
    assert refused.value.details["cause"] == "newer"
    assert refused.value.details["fact"] == 4
    assert (
        f"a newer mplp has written to a run in {database_path(state)}: fact 4 {says}" in refused.value.message
    )
    assert refused.value.hint is not None
    assert refused.value.hint.startswith("Upgrade mplp")
    assert len(list(durable.history(run_id(2)))) == 4
    [finding] = inspect(durable._database, state, START)
    assert (finding.code, finding.severity) == ("newer", "warning")


@pytest.mark.parametrize("body", DAMAGED)
def test_what_is_no_fact_of_any_version_is_damage(durable: SqliteStore, state: Path, body: bytes) -> None:
    put(state, body)
    with pytest.raises(StoreError) as refused:
        list(durable.history(run_id(1)))
    assert refused.value.details["cause"] == "corrupt"
    assert "among facts 0 to 4" in refused.value.message
