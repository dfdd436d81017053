"""`mplp alerts`: how they stand, silences, and trying them."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from mplp_cli.clock import SystemClock
from mplp_cli.loading.settings_file import with_events
from mplp_cli.observe.alerting import Watch
from mplp_cli.settings import load_settings
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.metrics import Sample
from tests.conftest import Mplp

DECLARED = """\
state-dir: state
metrics: {interval: 1s}
events:
  routes: [{id: pager, match: {type: "alert.*"}, target: {file: pager.jsonl}}]
alerts:
  - {id: letters, metric: mplp_dead_letters, above: 3, message: "${alert.value} letters of ${alert.labels.route}"}
  - {id: failures, metric: 'mplp_steps_total{status="failed"}', function: increase, above: 0, severity: critical}
"""
ROUTE = (("route", "audit"),)


@pytest.fixture
def project(tmp_path: Path) -> Mplp:
    (tmp_path / "mplp.yaml").write_text(DECLARED)
    mplp = Mplp(tmp_path)
    mplp.env.pop("MPLP_STATE_DIR", None)
    return mplp


def watch(directory: Path, letters: float) -> None:
    """A look of a process that measures so many dead letters."""
    (directory / "state").mkdir(exist_ok=True)
    store, now = SqliteStore(directory / "state", SystemClock()), SystemClock().now()
    store.samples.add(
        Sample(source="serve:1", since=now - 1, at=now, gauges={"mplp_dead_letters": {ROUTE: letters}})
    )
    Watch(with_events(load_settings(directory)).alerts, store, SystemClock()).look()
    store.close()


def test_alerts_are_listed_shown_and_silenced(project: Mplp, tmp_path: Path) -> None:
    before = project("alerts", "--output", "json").document
    assert [(one["id"], one["status"]) for one in before["alerts"]] == [
        ("letters", "inactive"), ("failures", "inactive"),
    ]  # fmt: skip
    assert not (tmp_path / "state").exists(), "a question makes no store"

    project(
        "alerts",
        "silence",
        "let*",
        "-l",
        "route=audit",
        "--for",
        "2h",
        "--reason",
        "a\x1bdisk",
        "--by",
        "ann",
    )
    watch(tmp_path, 4)
    found = project("alerts", "list", "--active", "--output", "json").document
    [alert], [silence] = found["alerts"], found["silences"]
    assert (alert["id"], alert["status"], alert["labels"]) == ("letters", "firing", {"route": "audit"})
    assert (alert["message"], alert["silence"]["id"]) == ("4 letters of audit", silence["id"])
    assert (silence["by"], silence["labels"], found["watched"]) == ("ann", {"route": "audit"}, False)
    shown = project("alerts").out
    assert any(f"4 letters of audit (silenced for {left}" in shown for left in ("1h", "2h00m"))
    assert "a\\x1bdisk" in shown

    [event] = project("alerts", "show", "letters", "--output", "json").document["events"]
    assert (event["type"], event["data"]["silenced"]) == ("alert.firing", True)
    assert "above 3" in project("alerts", "show", "letters").out

    assert project("alerts", "unsilence", silence["id"]).out == "1 silence ended\n"
    watch(tmp_path, 5)
    events = project("alerts", "show", "letters", "--output", "json").document["events"]
    assert [one["data"]["silenced"] for one in events] == [True, False]
    assert project("alerts", "--output", "json").document["silences"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "leters"), "did you mean `letters`?"),
        (("silence", "--for", "2h"), "name one"),
        (("silence", "letters", "--for", "soon"), "not a duration"),
        (("silence", "letters", "--for", "400d"), "a year at most"),
        (("silence", "letters", "--until", "2020-01-01"), "says no time zone"),
        (("silence", "-l", "severity", "--for", "1h"), "NAME=VALUE"),
        (("unsilence", "letters"), "`mplp alerts` lists"),
        (("test", "--since", "90d"), "choose a shorter time"),
        (("test", "--samples", "nix.jsonl"), "cannot read nix.jsonl"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_said(project: Mplp, words: tuple[str, ...], said: str) -> None:
    ended = project("alerts", *words)
    assert ended.code == 2
    assert said in ended.err


def test_an_alert_whose_row_is_damaged_is_told_by_the_doctor_and_begins_anew(
    project: Mplp, tmp_path: Path
) -> None:
    watch(tmp_path, 4)
    db = apsw.Connection(str(tmp_path / "state" / "state.db"))
    db.execute("UPDATE alert SET body = x'7b'")
    db.close()
    assert project("alerts", "list", "--active", "--output", "json").document["alerts"] == []
    ended = project("doctor", "--output", "json")
    [finding] = ended.document["findings"]
    assert (ended.code, finding["code"], finding["severity"]) == (0, "alert", "warning")
    assert "begin anew" in project("doctor").out
    [mended] = project("doctor", "--repair", "--output", "json").document["findings"]
    assert mended["mended"]
    assert project("doctor", "--output", "json").document["findings"] == []
    watch(tmp_path, 4)
    [alert] = project("alerts", "list", "--active", "--output", "json").document["alerts"]
    assert (alert["id"], alert["status"]) == ("letters", "firing")


def test_alerts_are_tried_on_what_was_measured(project: Mplp, tmp_path: Path) -> None:
    assert project("alerts", "test", "--since", "5m").code == 1
    (tmp_path / "s.jsonl").write_text(
        '{"at": "2030-01-01T00:00:00Z", "series": {"mplp_steps_total{status=\'failed\'}": 1}}\n'
        '{"at": "2030-01-01T00:10:00Z", "series": {"mplp_dead_letters{route=\'audit\'}": 3}}\n'
    )
    ended = project("alerts", "test", "--samples", "s.jsonl", "--output", "json")
    made = ended.document
    assert (ended.code, made["looks"]) == (0, 121)
    assert [(one["type"], one["time"]) for one in made["events"]] == [
        ("alert.firing", "2030-01-01T00:00:00.000Z"), ("alert.resolved", "2030-01-01T00:06:00.000Z"),
    ]  # fmt: skip
    assert made["alerts"][0]["values"] == [{"labels": {"route": "audit"}, "value": 3.0}]
    assert "121 looks at 10m00s" in project("alerts", "test", "failures", "--samples", "s.jsonl").err
    (tmp_path / "s.jsonl").write_text("\n{")
    assert "s.jsonl, line 2: " in project("alerts", "test", "--samples", "s.jsonl").err
