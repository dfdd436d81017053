"""`mplp events routes`: who reads events, and how far each has come."""

from __future__ import annotations

from pathlib import Path

from mplp_cli.clock import SystemClock
from mplp_cli.protocols import Delivery
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.metrics import Labels, Sample
from mplp_cli.workflow.published import Published
from tests.conftest import Mplp

DECLARED = """\
state-dir: state
events:
  routes:
    - {id: audit, match: {type: "run.*", source: "mplp/*"}, target: {file: audit.jsonl}}
    - {id: pager, match: {where: data.n > 1}, target: {webhook: "https://x.example/y?token=abcdef"}}
  correlation-rules:
    - {id: pair, type: join, events: [{type: a}, {type: b}], window: 1m, actions: [{emit: {type: both}}]}
"""


def test_routes_rules_and_triggers_are_shown_with_what_they_have_not_dealt_with(tmp_path: Path) -> None:
    (tmp_path / "mplp.yaml").write_text(DECLARED)
    (tmp_path / "state").mkdir()
    mplp = Mplp(tmp_path)
    mplp.env.pop("MPLP_STATE_DIR", None)
    [first, *_] = mplp("events", "routes", "--output", "json").document["readers"]
    assert (first["id"], first["behind"]) == ("audit", None)

    store = SqliteStore(tmp_path / "state", SystemClock())
    store.board.publish(*[Published(id=str(n), type="run.started", source="mplp/x", at=n) for n in range(7)])
    dead = [
        Delivery(route="pager", event=n, state="dead", tries=4, at=n, error=f"HttpStatusError: {n}")
        for n in (1, 2)
    ]
    again = Delivery(route="pager", event=3, state="retrying", tries=1, at=9, due=99, error="Timeout: last")
    store.deliveries.settle({"route:audit": 7, "route:pager": 4, "trigger:flow/nightly": 6}, [*dead, again])
    fates: dict[Labels, float] = {
        (("rule", "pair"), ("state", state)): n for state, n in (("counted", 9.0), ("dropped", 1_200.0))
    }
    store.samples.add(Sample(source="run:a", since=1, at=2, counters={"mplp_rule_events_total": fates}))
    store.close()

    ended = mplp("events", "routes", "--output", "json")
    readers = {one["id"]: one for one in ended.document["readers"]}
    assert [one["kind"] for one in readers.values()] == ["route", "route", "rule", "trigger"]
    assert readers["pager"] == {
        "kind": "route",
        "id": "pager",
        "match": "* where data.n > 1",
        "target": "webhook https://x.example/y",
        "behind": 3,
        "retrying": 1,
        "dead": 2,
        "error": "Timeout: last",
    }
    assert (readers["audit"]["behind"], readers["audit"]["match"]) == (0, "run.* from mplp/*")
    assert (readers["pair"]["match"], readers["pair"]["target"]) == ("a; b", "emit both")
    assert readers["pair"]["events"] == {"counted": 9, "dropped": 1200}
    assert (readers["flow/nightly"]["behind"], readers["flow/nightly"]["target"]) == (1, "workflow flow")
    shown = mplp("events", "routes").out
    assert "Timeout: last" in shown
    assert "1,200 dropped" in shown
    assert "counted" not in shown
    assert "abcdef" not in shown


def test_what_is_wrong_with_the_routes_is_said_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "mplp.yaml").write_text("events:\n  routes: [{id: a, target: {fil: x}}]\n")
    mplp = Mplp(tmp_path)
    ended = mplp("events", "routes")
    assert (ended.code, "mplp.yaml:2:29: there is no target `fil`" in ended.err) == (2, True)
    checked = mplp("validate", "mplp.yaml", "--output", "json")
    assert (checked.code, checked.document["problems"][0]["column"]) == (1, 29)


def test_nobody_may_read_events(tmp_path: Path) -> None:
    ended = Mplp(tmp_path)("events", "routes")
    assert (ended.code, ended.out) == (0, "")
    assert "mplp help events" in ended.err
