"""Bottlenecks by their limits, and what is done about them without asking."""

from __future__ import annotations

import pytest

from mplp_cli.protocols.scaling import NOTHING_ADJUSTED, Adjustment, Adjustments
from mplp_cli.resources.adjustments import MAX_PARALLEL, overlaid, slots, with_change, without_last
from mplp_cli.resources.advice import LONG_LOG, Found, Moved, improvement_of, safe_ones
from mplp_cli.workflow.bottlenecks import Metrics, Network, Use, bottlenecks_of, misfits
from mplp_cli.workflow.resources import Kind, Unit


def metrics(cpu: float | None = None, memory: float | None = None, latency: float | None = None) -> Metrics:
    return Metrics(cpu=Use(utilization=cpu), memory=Use(utilization=memory), network=Network(latency=latency))


@pytest.mark.parametrize(
    ("measured", "found"),
    [
        (metrics(cpu=0.8), []),
        (metrics(cpu=0.81), [("cpu", "high")]),
        (metrics(memory=0.9), []),
        (metrics(memory=0.91), [("memory", "critical")]),
        (metrics(latency=100), []),
        (metrics(latency=100.1), [("network", "medium")]),
        (metrics(), []),
        (metrics(1, 1, 1000), [("cpu", "high"), ("memory", "critical"), ("network", "medium")]),
    ],
)
def test_a_bottleneck_is_what_is_above_its_limit_in_one_order(
    measured: Metrics, found: list[tuple[str, str]]
) -> None:
    assert [(one.type, one.severity) for one in bottlenecks_of(measured)] == found


def test_bottlenecks_are_told_in_english_and_in_chinese() -> None:
    told = {
        language: [(one.description, *one.recommendations) for one in bottlenecks_of(metrics(1, 1, 200), language)]
        for language in ("en", "zh")
    }  # fmt: skip
    assert told == {
        "en": [
            ("high CPU utilisation detected", "scale horizontally", "optimise algorithms"),
            ("memory pressure detected", "increase memory allocation", "optimise memory use"),
            ("network latency is high", "optimise network topology", "use caching"),
        ],
        "zh": [
            ("检测到高CPU利用率", "水平扩展", "优化算法"),
            ("检测到内存压力", "增加内存分配", "优化内存使用"),
            ("网络延迟较高", "优化网络拓扑", "使用缓存"),
        ],
    }


def test_metrics_that_can_be_no_measurement_are_named_with_their_place() -> None:
    wrong = dict(misfits(metrics(cpu=81, memory=-0.1, latency=float("inf"))))
    assert set(wrong) == {("cpu", "utilization"), ("memory", "utilization"), ("network", "latency")}
    assert "81" in wrong["cpu", "utilization"]
    assert [path for path, _ in misfits(Metrics())] == [()]
    assert list(misfits(metrics(0, 1, 0))) == []


@pytest.mark.parametrize(
    ("measured", "before", "after"),
    [
        (metrics(cpu=0.9), 8, 4),
        (metrics(cpu=0.9), 4, None),
        (metrics(cpu=0.9), 2, None),
        (metrics(memory=0.95), 8, 4),
        (metrics(memory=0.95), 1, None),
        (metrics(cpu=0.9, memory=0.95), 16, 2),
        (metrics(latency=500), 8, None),
        (metrics(cpu=0.1), 8, None),
    ],
)
def test_a_crowded_machine_gets_fewer_slots_and_never_fewer_than_one(
    measured: Metrics, before: int, after: int | None
) -> None:
    safe = safe_ones(bottlenecks_of(measured), Found(cores=4, slots=before))
    made = [one.adjustment.after for one in safe if one.adjustment]
    assert made == ([] if after is None else [after])
    assert all(one.undoable for one in safe)


def test_what_nobody_needs_is_tidied_up_and_only_that() -> None:
    assert safe_ones([], Found(cores=1, slots=4, log=LONG_LOG - 1)) == []
    safe = safe_ones([], Found(cores=1, slots=4, log=LONG_LOG, dead_shares=1, lost_places=2))
    assert [one.action for one in safe] == ["reap-shares", "free-places", "write-back"]
    assert not any(one.undoable for one in safe)


def test_no_improvement_is_claimed_that_was_not_measured() -> None:
    tidied = safe_ones([], Found(cores=1, slots=4, log=LONG_LOG))
    log = Moved(metric="storage.log", unit="bytes", before=LONG_LOG, after=LONG_LOG // 4)
    same = Moved(metric="storage.log", unit="bytes", before=LONG_LOG, after=LONG_LOG)
    slower = safe_ones(bottlenecks_of(metrics(memory=1)), Found(cores=1, slots=4))
    assert improvement_of([], [])["status"] == "none"
    assert improvement_of(tidied, [log])["status"] == "measured"
    assert improvement_of(tidied, [log])["changes"] == [
        {"metric": "storage.log", "unit": "bytes", "before": LONG_LOG, "after": LONG_LOG // 4, "improvement": 0.75}
    ]  # fmt: skip
    assert improvement_of(tidied, [same])["status"] == "none"
    assert improvement_of(slower, [])["status"] == "unknown"


# ---- adjustments -------------------------------------------------------------------------------


def adjusted(*made: tuple[str, str, int, int]) -> Adjustments:
    found = NOTHING_ADJUSTED
    for at, (by, resource, before, after) in enumerate(made):
        one = Adjustment(resource=resource, before=before, after=after)
        found = with_change(found, at, by, (one,))
    return found


def test_the_last_adjustment_counts_and_each_command_takes_back_its_own() -> None:
    both = adjusted(("optimize", MAX_PARALLEL, 8, 4), ("apply", MAX_PARALLEL, 4, 6))
    assert slots(both) == 6
    rest, gone = without_last(both, "optimize")
    assert gone == both.changes[0]
    assert slots(rest) == 6
    rest, gone = without_last(both, "apply")
    assert slots(rest) == 4
    rest, gone = without_last(rest, "optimize")
    assert rest == NOTHING_ADJUSTED
    assert without_last(rest, "optimize") == (rest, None)


def test_adjusted_kinds_go_before_the_settings_unless_they_are_several_units() -> None:
    cpu = Kind(name="cpu", units=(Unit("cpu", 8000),))
    gpu = Kind(name="gpu", units=(Unit("a", 1000), Unit("b", 1000)))
    made = adjusted(
        ("x", "cpu", 8000, 2000), ("x", "gpu", 2000, 1000), ("x", "memory", 4, 2), ("x", "gone", 1, 2)
    )
    found = overlaid({"cpu": cpu, "gpu": gpu}, made)
    assert {name: kind.capacity for name, kind in found.items()} == {"cpu": 2000, "gpu": 2000, "memory": 2}
    assert found["cpu"].units[0].id == "cpu"
