"""What is required, which actions lead there, and what becomes of each action."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.errors import UsageError
from mplp_cli.loading import load_workflow
from mplp_cli.protocols.scaling import NOTHING_ADJUSTED, ScalingAction
from mplp_cli.resources.adjustments import MAX_PARALLEL, bounds_of
from mplp_cli.resources.capacity import Stock
from mplp_cli.resources.foresight import CapacityPlan, plan_capacity
from mplp_cli.resources.needs import most_held
from mplp_cli.resources.scaling import LocalScaler, Outcome, execute_plan, summary_of
from mplp_cli.resources.stock import stocks_of
from mplp_cli.resources.usage import HOUR, PastRun
from mplp_cli.workflow.resources import Kind, Pool, Unit

GIB = 1 << 30
POOL = Pool(
    {
        "cpu": Kind(name="cpu", units=(Unit("cpu", 4_000),)),
        "memory": Kind(name="memory", units=(Unit("memory", 8 * GIB),)),
        "gpu": Kind(name="gpu", units=(Unit("a", 1_000), Unit("b", 1_000))),
        "tokens": Kind(name="tokens", units=(Unit("tokens", 10_000),), per=60_000),
        "desk": Kind(name="desk", units=(Unit("desk", 2_000),)),
    }
)
STOCKS = stocks_of(POOL, NOTHING_ADJUSTED, {"cpu": 8_000, "memory": 8 * GIB}.get)
SLOTS = STOCKS[MAX_PARALLEL].amount


def days(count: int, **held: int) -> list[PastRun]:
    """A run a day from ten to eleven."""
    return [
        PastRun(workflow="w", begun=(24 * n + 10) * HOUR, ended=(24 * n + 11) * HOUR, held=held)
        for n in range(count)
    ]


def planned(runs: list[PastRun], until: int = 24 * 4, cores: int = 8) -> CapacityPlan:
    return plan_capacity(runs, until * HOUR, 48, STOCKS, cores)


def actions(plan: CapacityPlan) -> list[tuple[Any, ...]]:
    return [(one.type, one.resource, one.amount, one.start, one.to) for one in plan.actions]


def test_bounds_are_those_of_the_machine_or_of_what_is_configured() -> None:
    assert bounds_of("cpu", 4_000, 8_000) == (500, 8_000)
    assert bounds_of("cpu", 4_000, 2_000) == (500, 4_000)
    assert bounds_of("desk", 2_000) == (250, 8_000)
    assert (STOCKS["gpu"].fixed != "", STOCKS["tokens"].fixed != "", STOCKS["desk"].fixed) == (True, True, "")


def test_more_is_planned_of_what_will_not_do_and_less_of_what_nobody_needs() -> None:
    assert actions(planned(days(4, cpu=6_000))) == [("scale-up", "cpu", 2, 4, 6)]
    assert actions(planned(days(4, cpu=1_500))) == [("scale-down", "cpu", 2.5, 4, 1.5)]
    assert actions(planned(days(4, cpu=2_000))) == []
    assert actions(planned(days(4, memory=GIB))) == [("scale-down", "memory", 7 * GIB, 8 * GIB, GIB)]


def test_nothing_is_made_smaller_on_a_forecast_that_is_flat() -> None:
    made = planned(days(1, cpu=500), until=12)
    assert {one.method for one in made.forecasts.values()} == {"flat"}
    assert actions(made) == []
    assert "too little history" in made.recommendations[0]


def test_what_the_machine_does_not_have_is_told_and_not_planned() -> None:
    made = planned(days(4, cpu=20_000, gpu=3_000))
    assert actions(made) == [("scale-up", "cpu", 4, 4, 8)]
    assert any("20" in text and "another machine" in text for text in made.recommendations)
    assert any("gpu" in text and "mplp.yaml" in text for text in made.recommendations)


def test_so_many_runs_at_once_get_fewer_slots_each() -> None:
    made = planned(days(4) * 20, cores=2)
    assert actions(made) == [("scale-down", MAX_PARALLEL, SLOTS - 1, SLOTS, 1)]
    assert actions(planned(days(4), cores=2)) == []


def test_without_any_run_there_is_no_plan() -> None:
    with pytest.raises(UsageError, match="no history"):
        planned([])


def test_a_run_holds_at_most_what_its_slots_can_hold() -> None:
    plan = load_workflow(
        b"""
workflow:
  id: w
  name: W
  version: 1.0.0
  steps:
    - {id: a, type: shell, run: 'true', resources: {cpu: 1, memory: 1GiB}}
    - {id: b, type: shell, run: 'true', resources: {cpu: 3}}
    - {id: c, type: shell, run: 'true'}
    - {id: d, type: set, values: {}}
    - id: each
      type: foreach
      items: [1, 2, 3]
      steps: [{id: e, type: shell, run: 'true', resources: {memory: 2GiB}}]
""",
        "w.yaml",
    ).plan
    assert plan is not None
    assert most_held(plan, 2) == {"slots": 2, "cpu": 4_000, "memory": 4 * GIB}
    assert most_held(plan, 10) == {"slots": 10, "cpu": 4_000, "memory": 20 * GIB}


# ---- carrying it out ---------------------------------------------------------------------------


def action(kind: str, resource: str, amount: Any, **more: Any) -> ScalingAction:
    up: Any = f"scale-{kind}"
    return ScalingAction(type=up, resource=resource, amount=amount, **more)


class Cluster:
    """Scales workers, and breaks on the third."""

    def __init__(self) -> None:
        self.asked: list[ScalingAction] = []

    def execute(self, action: ScalingAction) -> Any:
        self.asked.append(action)
        if len(self.asked) == 3:
            raise RuntimeError("no node left")
        return {"replicas": len(self.asked)}


class Entry:
    def __init__(self, name: str, leads_to: Any) -> None:
        self.name = name
        self._leads_to = leads_to

    def load(self) -> Any:
        return self._leads_to


def outcomes(*actions: ScalingAction, points: tuple[Entry, ...] = ()) -> tuple[list[Outcome], LocalScaler]:
    local = LocalScaler(STOCKS)
    return execute_plan(actions, local, lambda: points), local


def test_one_that_fails_keeps_no_other_from_being_done() -> None:
    ended, local = outcomes(
        action("down", "cpu", 1), action("up", "cpu", 100), action("down", "cpu", 0.5, start=3), action("up", "desk", 1)
    )  # fmt: skip
    assert [one.status for one in ended] == ["completed", "failed", "completed", "completed"]
    assert [one.result for one in ended] == [
        {"from": 4, "to": 3},
        None,
        {"from": 3, "to": 2.5},
        {"from": 2, "to": 3},
    ]
    assert "0.5 to 8" in ended[1].error
    assert [(one.resource, one.after) for one in local.made] == [("cpu", 3000), ("cpu", 2500), ("desk", 3000)]
    assert summary_of(ended) == "3 of 4 actions completed, 1 failed"
    assert (outcomes()[0], summary_of([])) == ([], "no actions")


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (action("up", "cpus", 1), "did you mean `cpu`"),
        (action("up", "gpu", 1), "2 units"),
        (action("up", "tokens", 1), "rate"),
        (action("up", "cpu", "many"), "is not a number"),
        (action("up", "cpu", 0), "0 is too little"),
        (action("up", "memory", "1 parsec"), "is not an amount"),
        (action("up", MAX_PARALLEL, 1.5), "whole number"),
        (action("up", MAX_PARALLEL, 1000), "1 to 256"),
        (action("down", MAX_PARALLEL, SLOTS), "1 to 256"),
        (action("down", "cpu", 1, start=2), "plan again"),
        (action("down", "cpu", 1, to=5), "is none"),
        (action("up", "cpu", 1, to=4), "is none"),
        (action("up", "nobody:nodes", 1), "no installed package"),
    ],
)
def test_an_action_that_cannot_be_done_says_why(asked: ScalingAction, why: str) -> None:
    [ended], local = outcomes(asked)
    assert (ended.status, local.made) == ("failed", [])
    assert why in ended.error


def test_the_scaler_of_a_package_gets_what_stands_after_the_colon() -> None:
    cluster = Cluster()
    points = (
        Entry("k8s", lambda: cluster),
        Entry("odd", object),
        Entry("twice", 1),
        Entry("twice", 2),
    )
    ended, local = outcomes(
        *(
            action("up", name, 1)
            for name in ("k8s:nodes", "odd:x", "k8s:a:b", "twice:x", "k8s:nodes", "desk")
        ),
        points=points,
    )
    assert [one.status for one in ended] == [
        "completed",
        "failed",
        "completed",
        "failed",
        "failed",
        "completed",
    ]
    assert [one.resource for one in cluster.asked] == ["nodes", "a:b", "nodes"]
    assert ended[0].result == {"replicas": 1}
    assert ended[0].action.resource == "k8s:nodes"
    assert "no `execute`" in ended[1].error
    assert "two packages" in ended[3].error
    assert ended[4].error == "RuntimeError: no node left"
    assert [one.resource for one in local.made] == ["desk"]
    assert isinstance(STOCKS["desk"], Stock)
