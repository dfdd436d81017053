"""Looks at a store and a machine, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from mplp_cli.errors import Failure
from mplp_cli.observe.monitor import Monitor
from mplp_cli.observe.seen import Doing, SeenAlert
from mplp_cli.protocols import Delivery, RunRecord
from mplp_cli.store.memory import MemoryStore
from mplp_cli.workflow.bottlenecks import Metrics, Use
from mplp_cli.workflow.fold.history import RunFailed
from mplp_cli.workflow.metrics import Sample, histogram
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.resources import Kind, Pool, Share, Unit
from tests.store.sample import START, FixedClock, new_run, run_id, started

POOL = Pool({"gpu": Kind(name="gpu", units=(Unit("gpu", 2_000),))})
MACHINE = Metrics(cpu=Use(utilization=0.5), memory=Use(utilization=0.4))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(FixedClock())


def monitor(store: MemoryStore | None, **more: object) -> Monitor:
    settled: dict[str, object] = {
        "follow": no_steps,
        "asks": lambda _: {},
        "readers": ["route:audit"],
        **more,
    }
    return Monitor(lambda: store, POOL, **settled)  # type: ignore[arg-type]  # by name


def no_steps(_: Sequence[RunRecord]) -> Mapping[str, Doing]:
    return {}


NOW = START + 60_000


def sample(at: int, steps: float, **more: float) -> Sample:
    """What 5 seconds counted."""
    return Sample(
        source="serve",
        since=at - 5_000,
        at=at,
        counters={
            "mplp_steps_total": {(("status", "completed"), ("type", "shell")): steps},
            "mplp_agent_calls_total": {
                (("agent", "a"), ("code", "ok")): 2.0,
                (("agent", "a"), ("code", "X")): 1.0,
            },
            "mplp_agent_cost_usd_total": {(("agent", "a"),): 0.5},
        },
        histograms={"mplp_step_duration_seconds": {(("type", "shell"),): histogram([0.2] * int(steps))}},
        gauges={"system_cpu_utilization_ratio": {(): more.get("cpu", 0.5)}},
    )


def test_without_a_store_the_machine_is_seen() -> None:
    watching = monitor(None)
    *_, seen = [watching.look(NOW + 10_000 * tick, MACHINE) for tick in range(10)]
    assert not seen.stored
    assert seen.machine == MACHINE
    assert seen.machine_past["cpu"][-10:] == (0.5,) * 10
    [cpu, *_] = seen.analysis.trends
    assert (cpu.metric, cpu.direction, cpu.readings) == ("cpu", "steady", 10)


def test_rates_latencies_and_agents_are_those_of_the_samples(store: MemoryStore) -> None:
    store.samples.add(*(sample(NOW - 5_000 * n, 10.0, cpu=0.2 + 0.002 * (100 - n)) for n in range(100)))
    seen = monitor(store).look(NOW, MACHINE)
    assert seen.rates["steps"].now == pytest.approx(2.0)
    assert len(seen.rates["steps"].past) == 60
    assert seen.rates["steps"].past[0] is None, "nothing was measured then"
    assert (found := seen.latencies["step"]) is not None
    assert found.count == 1_000
    assert found.p95 <= 0.25
    assert seen.latencies["commit"] is None
    [agent] = seen.agents
    assert (agent.calls, agent.failed, agent.cost) == (300, 100, 50.0)
    trends = {trend.metric: trend.direction for trend in seen.analysis.trends}
    assert trends["cpu"] == "rising"
    assert trends["steps"] == "steady"


def test_dead_letters_and_what_is_behind_are_those_of_now(store: MemoryStore) -> None:
    events = [Published(id=f"e{n}", type="x", source="s", at=NOW, data=None) for n in range(150)]
    store.board.publish(*events)
    store.deliveries.settle(
        {"route:audit": 20, "route:undeclared": 1, "trigger:w/t": 30},
        [Delivery(route="audit", event=7, state="dead", tries=3, at=NOW)],
    )
    seen = monitor(store).look(NOW, MACHINE)
    assert seen.behind == {"route:audit": 130, "trigger:w/t": 120}
    assert seen.dead == {"audit": 1}
    assert [one.type for one in seen.analysis.bottlenecks] == ["dead-letters", "backlog"]
    assert "w/t" not in seen.analysis.bottlenecks[1].description, "a trigger may be waiting for its turn"


def test_runs_say_what_they_wait_for_and_workflows_that_fail_are_told_once(store: MemoryStore) -> None:
    for number in (1, 2):
        store.create_run(new_run(number), [started(number)])
    for number, age in ((3, 30_000), (4, 10_000), (5, 7_200_000)):
        journal = store.create_run(new_run(number, "import"), [started(number)])
        journal.append([RunFailed(at=NOW - age, error=Failure(type="X", message="no"))])
        journal.close()
    held = {"gpu": {"gpu": 2_000}}
    assert store.shares.take(POOL, Share(run=run_id(1), held=held)) is None
    store.shares.take(POOL, Share(run=run_id(2), wanted={"gpu": {"gpu": 1_000}}))
    asked: list[list[str]] = []

    def follow(runs: Sequence[RunRecord]) -> Mapping[str, Doing]:
        asked.append([run.id for run in runs])
        return {run_id(1): Doing(ended=1, total=4, working=("build",))}

    alert = SeenAlert(name="slow", status="firing", severity="warning", since=NOW, message="it is")
    watching = monitor(
        store, follow=follow, asks=lambda _: {run_id(2): "mplp approve x"}, alerts=lambda: [alert]
    )
    seen = watching.look(NOW, MACHINE)
    shown = {run.id: run for run in seen.runs}
    assert asked == [list(shown)]
    assert shown[run_id(1)].doing.working == ("build",)
    assert (shown[run_id(2)].place, shown[run_id(2)].ask) == ("waits for gpu", "mplp approve x")
    assert [(run.id, run.times) for run in seen.runs if run.status == "failed"] == [(run_id(4), 2)]
    assert (seen.counts["running"], seen.counts["failed"]) == (2, 2), "one failed too long ago"
    [gpu] = seen.resources
    assert (gpu.taken, gpu.waiting, gpu.holders) == (2_000, 1, ((f"release-notes {run_id(1)[:8]}", 2_000),))
    assert [one.type for one in seen.analysis.bottlenecks] == ["resource", "workflow"]
    assert seen.alerts == (alert,)
