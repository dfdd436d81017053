"""What steps hold while they run: stated by themselves or by default, equal ones one object, never more than fits."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from mplp_cli.render.machine import problem_object
from mplp_cli.workflow.plan import Plan
from mplp_cli.workflow.resources import Demand, Kind, Pool, Unit
from tests.bench_of_runs import given, planned, shell
from tests.loading.samples import HEAD, load, steps

POOL = Pool(
    {
        "cpu": Kind(name="cpu", units=(Unit("a", 1_000), Unit("b", 1_000))),
        "memory": Kind(name="memory", units=(Unit("memory", 1 << 30),)),
        "llm-slot": Kind(name="llm-slot", units=(Unit("llm-slot", 4_000),)),
    }
)


def demand(plan: Plan, step: str) -> Demand | None:
    return plan.steps[plan.number[step]].demand


def test_amounts_are_whole_numbers_in_the_order_of_the_names() -> None:
    said = {"memory": "256MiB", "cpu": 0.5, "custom": {"llm-slot": 1}, "network": "10mbps", "storage": 1_000}
    plan = planned([shell("a", resources={**said, "strategy": "best-fit", "enforce": "rlimit"})])
    assert demand(plan, "a") == Demand(
        amounts=(
            ("cpu", 500),
            ("llm-slot", 1_000),
            ("memory", 1 << 28),
            ("network", 10**7),
            ("storage", 1_000),
        ),
        strategy="best-fit",
        enforce="rlimit",
    )


def test_the_default_goes_to_steps_that_work_and_is_replaced_as_a_whole() -> None:
    plan = planned(
        [
            shell("by-default"),
            shell("own", resources={"memory": "1GiB"}),
            shell("nothing", resources={}),
            given("values", {}),
            {"id": "each", "type": "foreach", "items": [1], "steps": [shell("inside")]},
            {"id": "pause", "type": "wait", "for": "1s"},
            {"id": "local", "type": "module-operation", "module": "context", "operation": "create-context"},
            {"id": "asks", "type": "module-operation", "module": "plan", "operation": "create-plan",
             "parameters": {"agent": "planner"}},
        ],
        defaults={"resources": {"cpu": 1}},
    )  # fmt: skip
    held = {step.id: step.demand and step.demand.amounts for step in plan.steps}
    cpu = (("cpu", 1_000),)
    assert held == {
        "by-default": cpu, "own": (("memory", 1 << 30),), "nothing": None, "values": None, "each": None,
        "inside": cpu, "pause": None, "local": None, "asks": cpu,
    }  # fmt: skip


def test_equal_demands_are_one_object() -> None:
    one = {"cpu": 1, "memory": "1GiB"}
    plan = planned(
        [shell("a"), shell("b", resources=one), shell("c", resources={"memory": 1 << 30, "cpu": 1.0})],
        defaults={"resources": one},
    )
    assert demand(plan, "a") is demand(plan, "b") is demand(plan, "c")


def test_resources_change_neither_the_stored_plan_nor_what_a_result_is_kept_under() -> None:
    plain = planned([shell("a", cache={"key": 1})])
    held = planned([shell("a", cache={"key": 1}, resources={"cpu": 1})])
    assert demand(held, "a") is not None
    assert plain.stored() == held.stored()
    assert plain.steps[0].cache == held.steps[0].cache


def checked(*lines: str, head: str = HEAD, pool: Pool = POOL) -> list[Any]:
    loaded = load(steps(*lines, head=head), pool=lambda: pool)
    assert (loaded.plan is None) == any(p.severity == "error" for p in loaded.problems)
    return loaded.problems


@pytest.mark.parametrize(
    ("resources", "code", "place", "said", "hint"),
    [
        ("{cpu: 3, memory: 2GiB}", "resource-never-fits", "resources", "cpu 3 of 2, memory 2GiB of 1GiB",
         "`resources: {cpu: ...}` in mplp.yaml"),
        ("{custom: {llm-slot: 5}}", "resource-never-fits", "resources", "llm-slot 5 of 4",
         "`resources: {custom: {llm-slot: ...}}`"),
        ("{memory: 1073741825}", "resource-never-fits", "resources", "memory 1,073,741,825 of 1,073,741,824", "less"),
        ("{custom: {llm-slto: 1}}", "resource-unknown", "llm-slto", "no resource `llm-slto`",
         "did you mean `llm-slot`?"),
        ("{custom: {gpu: 1}}", "resource-unknown", "gpu", "no resource `gpu`",
         "there are: llm-slot; mplp.yaml defines it: `resources: {custom: {gpu: 1}}`"),
        ("{network: 1mbps}", "resource-unknown", "network", "nobody knows how much", "`resources: {network: 1gbps}`"),
    ],
)  # fmt: skip
def test_what_can_never_fit_is_an_error_at_its_line(
    resources: str, code: str, place: str, said: str, hint: str
) -> None:
    line = f"{{id: b, type: shell, run: x, resources: {resources}}}"
    (problem,) = checked("{id: a, type: shell, run: x, resources: {cpu: 2}}", line)
    assert (problem.code, problem.severity, problem.line) == (code, "error", 7)
    assert problem.column == len("    - ") + line.index(place) + 1
    assert said in problem.message
    assert hint in str(problem.hint)


def test_every_step_that_never_fits_is_named_and_a_default_once() -> None:
    head = HEAD + "  defaults: {resources: {cpu: 9}}\n"
    found = checked(
        "{id: a, type: shell, run: x}",
        "{id: b, type: shell, run: x}",
        "{id: c, type: shell, run: x, resources: {cpu: 8}}",
        "{id: d, type: shell, run: x, resources: {cpu: 8}}",
        head=head,
    )
    assert [(p.code, p.line) for p in found] == [("resource-never-fits", line) for line in (5, 9, 10)]


def test_machines_read_what_was_asked_and_what_there_is() -> None:
    (problem,) = checked("{id: a, type: shell, run: x, resources: {cpu: 2.5}}")
    made = problem_object(problem)
    assert made["class"] == "resource"
    assert made["type"] == "InsufficientResourcesError"
    assert (made["requirements"], made["availability"]) == ({"cpu": "2.5"}, {"cpu": "2"})
    assert [problem_object(replace(problem, code=code))["class"] for code in ("dep-cycle", "file-root")] == [
        "dependency", "structure",
    ]  # fmt: skip


def test_an_operation_that_takes_no_time_is_told_that_it_holds_nothing() -> None:
    (problem,) = checked(
        "{id: a, type: module-operation, module: context, operation: create-context, resources: {cpu: 1}}"
    )
    assert (problem.code, problem.severity) == ("resource-unused", "warning")


def test_nobody_asks_for_the_pool_where_nothing_is_held() -> None:
    def pool() -> Pool:
        raise AssertionError("asked")

    assert load(steps("{id: a, type: shell, run: x}"), pool=pool).problems == []
