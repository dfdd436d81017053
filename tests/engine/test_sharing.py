"""Several runs on one store share a pool, at the same moments, whatever becomes of their processes."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mplp_cli.workflow.fold.history import StepStarted
from mplp_cli.workflow.fold.statuses import ENDED
from mplp_cli.workflow.resources import Kind, Pool, Unit
from tests.bench_of_runs import Bench, planned, shell, side_by_side

PER = 300
POOL = Pool(
    {
        "cpu": Kind(name="cpu", units=(Unit("cpu", 2_000),)),
        "gpu": Kind(name="gpu", units=(Unit("a", 1_000), Unit("b", 1_000))),
        "calls": Kind(name="calls", units=(Unit("calls", 2_000),), per=PER),
    }
)
RESOURCES: list[dict[str, Any]] = [
    {"cpu": 0.5},
    {"cpu": 2},
    {"custom": {"gpu": 1}},
    {"custom": {"calls": 1}},
    {"custom": {"calls": 2, "gpu": 0.5}},
    {"cpu": 1, "custom": {"gpu": 2}, "strategy": "balanced"},
    {"cpu": 1.5, "custom": {"gpu": 1, "calls": 1}, "strategy": "priority"},
]
SCRIPTS = ["ok", "ok", "fail", "fail 1", "sleep 0.05", "sleep 0.5"]


@st.composite
def contending(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A few steps that hold something, some of them after others."""
    steps: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 6))):
        before = [step["id"] for step in steps if draw(st.integers(0, 3)) == 0]
        step = shell(f"s{number}", draw(st.sampled_from(SCRIPTS)), resources=draw(st.sampled_from(RESOURCES)))
        step |= {"dependencies": before, "join": "all-ended"} if before else {}
        step |= draw(st.sampled_from([{}, {"timeout": "100ms"}, {"retry-policy": {"max-retries": 1}}]))
        steps.append(step)
    return steps


DEATHS = st.none() | st.tuples(st.integers(1, 8), st.booleans())


@settings(max_examples=60)
@given(st.lists(st.tuples(contending(), DEATHS), min_size=2, max_size=3))
def test_runs_together_never_hold_more_than_there_is_and_all_of_them_end(
    runs: list[tuple[list[dict[str, Any]], tuple[int, bool] | None]],
) -> None:
    benches: list[Bench] = []
    for steps, _ in runs:
        after = benches[-1] if benches else None
        benches.append(Bench(planned(steps), after=after, pool=POOL, poll=0.1))
    side_by_side(benches, [dies for _, dies in runs])
    store, calls = benches[0].store, list[tuple[int, int]]()
    for bench in benches:
        state = bench.replayed()
        assert state.status in ENDED
        assert not bench.work.breaches
        for fact in bench.history():
            demand = (
                bench.plan.steps[bench.plan.number[fact.step]].demand
                if isinstance(fact, StepStarted)
                else None
            )
            if demand is not None:
                calls.append((fact.at, demand.amount("calls")))
    assert not any(share.has_place for share in store.shares.all())
    for at, _ in calls:
        assert sum(amount for moment, amount in calls if at - PER < moment <= at) <= 2_000
