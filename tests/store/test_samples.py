"""What was measured: both stores keep it alike, coarser as it grows old, and never lose a count from the totals."""

from __future__ import annotations

from collections.abc import Sequence

from mplp_cli.protocols import Store
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.metrics import RETENTION, SERIES_LIMIT, Sample, histogram

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
NOW = 1_700_000_000_000 // HOUR * HOUR
STEPS = (("status", "completed"), ("type", "set"))


def sample(at: int, source: str = "serve:1", steps: float = 1.0, took: Sequence[float] = (0.02,)) -> Sample:
    return Sample(
        source=source,
        since=at - 5 * SECOND,
        at=at,
        counters={"mplp_steps_total": {STEPS: steps}},
        histograms={"mplp_commit_seconds": {(): histogram(took)}},
        gauges={"mplp_dead_letters": {(("route", "a"),): float(at % 100_000)}},
    )


def steps_of(samples: Sequence[Sample]) -> float:
    return sum(s.counters["mplp_steps_total"][STEPS] for s in samples)


def test_what_is_kept_comes_back_by_its_end_and_only_of_the_time_that_is_asked_for(store: Store) -> None:
    first, second = sample(NOW), sample(NOW + 5 * SECOND, "run:abc", 2.0)
    store.samples.add(second)
    store.samples.add(first, sample(NOW + 10 * SECOND))
    assert store.samples.between(NOW - 1, NOW + 5 * SECOND) == [first, second]
    assert store.samples.between(NOW, NOW + 5 * SECOND) == [second]


def test_a_month_of_samples_becomes_coarser_and_nothing_is_lost_before_its_time(store: Store) -> None:
    """Samples of two runs and a server, dense at the end: as taken for an hour, by minute for a day, by hour for 30."""
    ages = [
        *range(0, 2 * HOUR, 15 * SECOND),
        *range(2 * HOUR, 2 * DAY, 20 * MINUTE),
        *range(2 * DAY, 40 * DAY, 7 * HOUR),
    ]
    given = [sample(NOW - age, ("run:a", "run:b", "serve:9")[n % 3]) for n, age in enumerate(ages)]
    store.samples.add(*given)
    for day in (20, 1, 0):
        store.samples.compact(NOW - day * DAY)
    kept = store.samples.between(0, NOW)
    assert steps_of(kept) == sum(1 for age in ages if age < RETENTION)
    assert [s for s in kept if s.at > NOW - HOUR] == sorted(
        (s for s in given if s.at > NOW - HOUR), key=lambda s: s.at
    )
    for low, high, width in ((HOUR, DAY, MINUTE), (DAY, RETENTION, HOUR)):
        times = [(s.source, (s.at - 1) // width) for s in kept if NOW - high < s.at <= NOW - low]
        assert len(times) == len(set(times))
        assert {source for source, _ in times} == {"run", "serve"}
    assert {t.source: steps_of([t]) for t in store.samples.totals()} == {
        "run": sum(1 for s in given if s.source != "serve:9"),
        "serve": sum(1 for s in given if s.source == "serve:9"),
    }
    store.samples.compact(NOW)
    assert store.samples.between(0, NOW) == kept


def test_added_up_samples_have_all_values_and_the_last_gauge(store: Store) -> None:
    store.samples.add(sample(NOW - 5 * SECOND, took=(0.02, 4.0)), sample(NOW, took=(0.3,)))
    store.samples.compact(NOW + 2 * HOUR)
    (one,) = store.samples.between(0, NOW)
    assert (one.since, one.at, one.source) == (NOW - 10 * SECOND, NOW, "serve")
    assert one.histograms["mplp_commit_seconds"][()] == histogram((0.02, 4.0, 0.3))
    assert one.gauges == sample(NOW).gauges


def test_series_without_end_are_counted_together(store: Store) -> None:
    for number in range(SERIES_LIMIT + 50):
        labels = (("status", "completed"), ("workflow", f"w{number}"))
        store.samples.add(
            Sample(source="run:x", since=NOW, at=NOW + number, counters={"mplp_runs_total": {labels: 1.0}})
        )
    (total,) = store.samples.totals()
    counted = total.counters["mplp_runs_total"]
    assert len(counted) == SERIES_LIMIT + 1
    assert counted[("status", "other"), ("workflow", "other")] == 50
    assert sum(counted.values()) == SERIES_LIMIT + 50


def test_a_damaged_row_is_left_out(durable: SqliteStore) -> None:
    durable.samples.add(sample(NOW), sample(NOW + 1))
    with durable._database.writing() as db:
        db.execute("UPDATE sample SET body = x'00' WHERE at = ?", (NOW,))
        db.execute("UPDATE counted SET body = x'00'")
    assert [s.at for s in durable.samples.between(0, NOW + 1)] == [NOW + 1]
    assert durable.samples.totals() == []
    durable.samples.add(sample(NOW + 2))
    assert steps_of(durable.samples.totals()) == 1
