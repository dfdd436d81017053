"""What is counted comes out as it went in: into samples, through the store, to whoever asks."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from mplp_cli.errors import StoreError
from mplp_cli.observe import metering
from mplp_cli.observe.exposition import exposition, metrics_document
from mplp_cli.observe.tally import Tally
from mplp_cli.runtime import Runtime
from mplp_cli.sampling import Sampler
from mplp_cli.workflow.alerts import Alert, values_of
from mplp_cli.workflow.measured import METRICS
from mplp_cli.workflow.metrics import BOUNDS, SERIES_LIMIT, Sample, histogram
from tests.virtual import VirtualClock

NOW = 1_700_000_000_000
HOSTILE = 'a"b\\c\nd{}=,é\u2028\x1b[31m'


def read(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """All samples that the official parser finds."""
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_prometheus_reads_every_metric_back_whatever_its_labels_say() -> None:
    counters: dict[str, Any] = {}
    histograms: dict[str, Any] = {}
    gauges: dict[str, Any] = {}
    for metric in METRICS.values():
        labels = tuple(sorted((name, HOSTILE) for name in metric.labels))
        if metric.kind == "histogram":
            histograms[metric.name] = {labels: histogram([0.0004, 0.3, 5_000.0])}
        elif metric.kind == "gauge" or not metric.name.startswith("mplp_"):
            gauges[metric.name] = {labels: 1.5}
        else:
            counters[metric.name] = {labels: 3.0}
    whole = Sample(
        source="serve:1", since=NOW, at=NOW, counters=counters, histograms=histograms, gauges=gauges
    )
    text = exposition([whole], [whole], NOW)
    found = read(text)
    for metric in METRICS.values():
        labels = tuple(sorted((name, HOSTILE) for name in metric.labels))
        assert f"# TYPE {metric.name} {metric.kind}\n" in text
        if metric.kind == "histogram":
            assert found[f"{metric.name}_count", labels] == 3
            assert found[f"{metric.name}_bucket", tuple(sorted((*labels, ("le", "0.5"))))] == 2
            assert found[f"{metric.name}_bucket", tuple(sorted((*labels, ("le", "+Inf"))))] == 3
        else:
            assert found[metric.name, labels] == (1.5 if metric.name in gauges else 3.0)
    # What nobody has looked at for a while is not told, nor what another process than the server says of itself.
    late = exposition([whole], [whole], NOW + 60_000)
    assert "mplp_dead_letters{" not in late
    assert "mplp_runs_total{" in late
    assert "process_" not in exposition([whole], [whole], NOW, own="run")


def test_a_metric_has_no_more_series_than_it_may_and_says_how_much_is_told_together() -> None:
    tally = Tally()
    for number in range(SERIES_LIMIT + 30):
        tally.count("mplp_events_total", (("type", f"t{number}"),))
        tally.values("mplp_run_duration_seconds", (("workflow", f"w{number}"),)).add(1.0)
    taken = tally.take("run:x", NOW, NOW, {})
    events, runs = taken.counters["mplp_events_total"], taken.histograms["mplp_run_duration_seconds"]
    assert len(events) == len(runs) == SERIES_LIMIT + 1
    assert events[(("type", "other"),)] == runs[(("workflow", "other"),)].count == 30
    assert sum(taken.counters["mplp_series_overflow_total"].values()) == 60 - 2 + 2
    assert tally.is_empty


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9), st.floats(0, 4_000)), max_size=30))
@settings(max_examples=60)
def test_questions_are_answered_as_if_every_value_were_known(told: list[tuple[int, int, float]]) -> None:
    """Samples of a second each; a window of whole seconds; against plain sums over what was told."""
    samples = [
        Sample(
            source="run:a",
            since=NOW + second * 1_000,
            at=NOW + (second + 1) * 1_000,
            counters={"mplp_agent_calls_total": {(("agent", "a"), ("code", "ok")): float(number)}},
            histograms={"mplp_commit_seconds": {(): histogram([took])}},
        )
        for second, number, took in sorted(told)
    ]
    since, until = NOW + 10_000, NOW + 30_000
    inside = [(second, number, took) for second, number, took in told if 10 <= second < 30]
    calls = metering.rate(samples, "mplp_agent_calls_total", since, until, {"agent": "a"})
    assert (calls or 0.0) == pytest.approx(sum(number for _, number, _ in inside) / 20)
    assert metering.rate(samples, "mplp_agent_calls_total", since, until, {"agent": "b"}) in (None, 0.0)
    parts = metering.series(
        samples, NOW, NOW + 41_000, 1_000, lambda s, a, b: metering.rate(s, "mplp_commit_seconds", a, b)
    )
    assert [round(value or 0) for _, value in parts] == [
        sum(1 for one, _, _ in told if one == second) for second in range(41)
    ]
    for q in (0.5, 0.95):
        about = metering.quantile(samples, "mplp_commit_seconds", q)
        values = sorted(took for _, _, took in told)
        if not values:
            assert about is None
            continue
        exact = values[max(round(q * len(values) + 0.499_999) - 1, 0)]
        ends = (0.0, *BOUNDS, float("inf"))
        place = next(n for n, end in enumerate(ends[1:]) if exact <= end)
        assert about is not None
        assert ends[place] * 0.999_999 <= about <= min(ends[place + 1], BOUNDS[-1]) * 1.000_001


def test_a_gauge_is_that_of_who_still_lives_and_a_counter_of_the_system_may_begin_anew() -> None:
    def sample(source: str, at: int, sent: float, used: float) -> Sample:
        direction = (("direction", "transmit"),)
        gauges: Any = {"system_network_io_bytes_total": {direction: sent}, "process_threads": {(): used}}
        return Sample(source=source, since=at, at=at, gauges=gauges)

    samples = [
        sample("run:dead", NOW - 50_000, 0, 100),
        sample("machine", NOW - 10_000, 1_000, 2),
        sample("machine", NOW - 5_000, 3_000, 2),
        sample("run:b", NOW - 1_000, 0, 5),
        sample("machine", NOW, 500, 3),
    ]
    assert metering.gauge(samples, "process_threads", NOW) == 8
    assert metering.gauge(samples, "process_threads", NOW, {"no": "such"}) is None
    assert metering.counted(samples, "system_network_io_bytes_total") == 2_500
    machine = [one for one in samples if one.source == "machine"]
    assert metering.rate(machine, "system_network_io_bytes_total", NOW - 20_000, NOW) == 250
    document = metrics_document(samples, NOW - 60_000, NOW, ["process_"])
    (threads,) = document["metrics"]
    assert [one["labels"]["source"] for one in threads["series"]] == ["machine", "run:b"]


def test_a_series_that_was_told_once_is_told_for_ever_whatever_other_sources_count() -> None:
    def total(kind: str, count: int) -> Sample:
        counted: Any = {(("type", f"{kind}{number}"),): 1.0 for number in range(count)}
        return Sample(source=kind, since=NOW, at=NOW, counters={"mplp_events_total": counted})

    few = read(exposition([total("run", 3), total("serve", SERIES_LIMIT)], [], NOW))
    many = read(exposition([total("run", SERIES_LIMIT), total("serve", SERIES_LIMIT)], [], NOW))
    assert few.items() <= many.items()
    assert len(many) == 2 * SERIES_LIMIT


def test_of_two_servers_one_after_the_other_only_the_second_stands() -> None:
    samples = [
        Sample(source=source, since=at, at=at, gauges={"process_threads": {(): threads}})
        for source, at, threads in (
            ("serve:1", NOW - 9, 7.0),
            ("run:a", NOW - 8, 2.0),
            ("serve:2", NOW - 5, 8.0),
        )
    ]
    assert "process_threads 8\n" in exposition([], samples, NOW)
    assert values_of(Alert(id="a", metric="process_threads"), samples, NOW) == {(): 10.0}


def test_samples_come_every_five_seconds_never_two_at_once_and_nothing_is_lost_with_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock(NOW)
    runtime = Runtime(start=tmp_path, ephemeral=True, environ={})
    runtime.clock = clock
    tally, began, looking = Tally(), list[int](), 0
    slow = iter([0.1, 12.0, *[0.1] * 99])

    async def look() -> tuple[Any, Any]:
        nonlocal looking
        looking += 1
        assert looking == 1
        began.append(clock.now() - NOW)
        await asyncio.sleep(next(slow))
        looking -= 1
        return {"system_cpu_logical_count": {(): 2.0}}, {"process_threads": {(): 1.0}}

    def full(*_: Sample) -> None:
        raise StoreError("the disk is full")

    sampler = Sampler(runtime, "run:x", tally, look=lambda place: look)

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(sampler.work())
            for second in range(38):
                tally.count("mplp_events_total", (("type", "t"),))
                if second == 22:
                    monkeypatch.setattr(runtime.store.samples, "add", full)
                if second == 33:
                    monkeypatch.undo()
                await asyncio.sleep(1)
            work.cancel()
        sampler.last()

    clock.run(main)
    assert [round(at / 1_000) for at in began] == [5, 10, 25, 30, 35]
    kept = runtime.store.samples.between(0, clock.now())
    assert metering.counted(kept, "mplp_events_total") == 38
    assert metering.counted(kept, "mplp_samples_skipped_total") == 2
    own = [one for one in kept if one.source == "run:x"]
    assert all(one.at == two.since for one, two in pairwise(own))
