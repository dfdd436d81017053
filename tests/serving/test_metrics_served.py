"""`/metrics`: who may read it, and what a server tells that works."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import monotonic

from prometheus_client.parser import text_string_to_metric_families

from mplp_cli.workflow.metrics import Sample
from tests.serving.inside import GREETS, inside
from tests.serving.outside import Outside, until

SETTINGS = """\
metrics: {interval: 1s}
events:
  routes: [{id: audit, match: {type: "run.*"}, target: {file: audit.jsonl}}]
  correlation-rules: [{id: pair, type: frequency, match: {type: ping}, window: 1m, minimum-events: 9}]
"""


def test_metrics_need_the_token_unless_the_settings_open_them(tmp_path: Path) -> None:
    (tmp_path / "greets.yaml").write_text(GREETS)
    labels = (("status", "completed"), ("workflow", "a"))
    sample = Sample(source="run:1", since=1, at=2, counters={"mplp_runs_total": {labels: 4.0}})

    async def use(*, is_open: bool) -> None:
        async with inside(tmp_path) as house:
            house.parts.store.samples.add(sample)
            assert (await house.ask("GET", "/metrics", token=None)).status == (200 if is_open else 401)
            assert (await house.ask("GET", "/api/v1/runs", token=None)).status == 401
            told = await house.ask("GET", "/metrics")
            assert told.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert 'mplp_runs_total{status="completed",workflow="a"} 4\n' in told.body.decode()

    asyncio.run(use(is_open=False))
    (tmp_path / "mplp.yaml").write_text("metrics: {open: true}\n")
    asyncio.run(use(is_open=True))


def test_a_server_tells_what_it_does_and_goes_on_counting_after_it_was_started_again(tmp_path: Path) -> None:
    (tmp_path / "greets.yaml").write_text(GREETS)
    (tmp_path / "mplp.yaml").write_text(SETTINGS)
    server = Outside(tmp_path)

    def read(least: float) -> dict[str, float]:
        """The metrics, labels left out, once so many runs have ended and the machine was looked at."""
        end = monotonic() + 30
        while True:
            text = server.ask("GET", "/metrics").body.decode()
            told: dict[str, float] = {}
            for family in text_string_to_metric_families(text):
                for one in family.samples:
                    told[one.name] = told.get(one.name, 0.0) + one.value
            if told.get("mplp_runs_total", 0) >= least and "process_threads" in told:
                return told
            assert monotonic() < end, text

    found: dict[str, float] = {}
    for runs in (1, 2):
        server.begin()
        try:
            assert server.ask("POST", "/api/v1/runs", {"workflow": "greets"}).status == 202
            found = read(runs)
        finally:
            assert server.end() == 0
    assert found["mplp_runs_total"] == found["mplp_runs_started_total"] == 2
    assert found["mplp_event_deliveries_total"] == found["mplp_event_delivery_seconds_count"] >= 2
    assert found["mplp_dead_letters"] == 0
    assert found["system_memory_limit_bytes"] > found["system_memory_usage_bytes"] > 0
    assert found["mplp_resource_capacity"] > 0
    assert found["process_resident_memory_bytes"] > 1 << 20


def test_a_server_tells_which_events_came_too_late_for_a_rule_and_commands_tell_it_afterwards(
    tmp_path: Path,
) -> None:
    (tmp_path / "greets.yaml").write_text(GREETS)
    (tmp_path / "mplp.yaml").write_text(SETTINGS)
    server = Outside(tmp_path)

    def told() -> dict[str, int]:
        routes = server.ask("GET", "/api/v1/routes").document["routes"]
        return next(one["events"] for one in routes if one["reader"] == "rule:pair")

    server.begin()
    try:
        event = {"specversion": "1.0", "source": "me", "type": "ping", "id": "now"}
        for late in ({}, {"id": "late", "time": "2020-01-01T00:00:00Z"}):
            made = {**event, **late}
            answer = server.ask("POST", "/api/v1/events", made, content_type="application/cloudevents+json")
            assert answer.status == 202
        until(lambda: told() == {"counted": 1, "late": 1})
        text = server.ask("GET", "/metrics").body.decode()
        assert 'mplp_rule_events_total{rule="pair",state="late"} 1\n' in text
    finally:
        assert server.end() == 0
    readers = server.mplp("events", "routes", "--output", "json").document["readers"]
    assert [one["events"] for one in readers if one["kind"] == "rule"] == [{"counted": 1, "late": 1}]
    assert server.mplp("events", "emit", "ping", "--id", "later", "--time", "2020-01-01T00:00:00Z").code == 0
    assert "2 late" in server.mplp("events", "routes").out
