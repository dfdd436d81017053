"""The plan: numbers, effective policies, what is refused and where, and that large files stay cheap."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time
from typing import Any

import msgspec
import pytest

from mplp_cli.errors import Problem
from mplp_cli.workflow.plan import digest_of, plan_summary
from mplp_cli.workflow.planning.make import make_plan
from tests.bench_of_runs import (
    Bench,
    choice,
    fallback,
    given,
    parallel,
    pause,
    planned,
    problems_of,
    retries,
    shell,
    statuses,
    step,
    workflow,
)


def refusals(steps: list[dict[str, Any]], **more: Any) -> list[tuple[str, tuple[str | int, ...]]]:
    return [(p.code, p.path) for p in problems_of(steps, **more)]


# ---- numbers and places ------------------------------------------------------------------------


def test_steps_are_numbered_in_file_order_and_containers_come_before_their_children() -> None:
    steps = [
        parallel("p", given("x"), choice("c", "true", [given("t")], given("e"))),
        shell("a", fallback_actions=fallback("run-step", step=given("b"))),
    ]
    plan = planned(steps, finally_=[given("f")])
    assert [s.id for s in plan.steps] == ["p", "x", "c", "t", "e", "a", "b", "f"]
    assert [s.parent for s in plan.steps] == [-1, 0, 0, 2, 2, -1, 5, -1]
    assert [s.branch for s in plan.steps] == ["", "", "", "then", "else", "", "fallback", "finally"]
    assert (plan.top, plan.final) == ((0, 5), (7,))
    assert plan.number["e"] == 4


def test_blocks_run_in_file_order_and_graphs_do_not() -> None:
    plan = planned(
        [given("a"), given("b"), choice("c", "true", [given("t1"), given("t2")])],
        finally_=[given("f"), given("g")],
    )
    assert plan.next_in_block == {3: 4, 5: 6}


def test_sequential_execution_chains_the_top_level_but_not_the_inside_of_a_parallel() -> None:
    plan = planned([parallel("p", given("x"), given("y")), given("b")], execution="sequential")
    assert plan.next_in_block == {0: 3}


def test_sequential_execution_keeps_the_files_order_wherever_dependencies_allow_it() -> None:
    steps = [given("c", dependencies=["z"]), given("a"), given("z"), given("b")]
    plan = planned(steps, execution="sequential")
    order, i = [], 1
    while i >= 0:
        order.append(plan.steps[i].id)
        i = plan.next_in_block.get(i, -1)
    assert order == ["a", "z", "c", "b"]


def test_only_attempts_with_effects_take_slots() -> None:
    plan = planned([given("a"), pause("w"), shell("s"), parallel("p", given("x"))])
    assert [s.effect for s in plan.steps] == [False, False, True, False, False]


def test_module_operations_that_ask_agents_have_effects() -> None:
    operation = step("module-operation", "m", module="context", operation="create-context", parameters={})
    plan, _ = make_plan(
        workflow([operation]), asks_agents=lambda *called: called == ("context", "create-context", {})
    )
    assert plan is not None
    assert plan.steps[0].effect
    assert plan.steps[0].target == ("context", "create-context")


# ---- effective timeouts and retries -------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (step("module-operation", "a", module="m", operation="o"), 30_000),
        (shell("a"), 600_000),
        (given("a"), 0),
        (pause("a"), 0),
        (parallel("a", given("x")), 0),
        (choice("a", "true", given("x")), 0),
    ],
)
def test_a_step_without_a_timeout_has_the_one_of_its_type(made: dict[str, Any], expected: int) -> None:
    assert planned([made]).steps[0].timeout == expected


@pytest.mark.parametrize(
    ("timeout", "expected"), [(1500, 1500), ("30s", 30_000), ("1h30m", 5_400_000), ("none", 0)]
)
def test_a_stated_timeout_is_milliseconds_or_a_duration(timeout: Any, expected: int) -> None:
    for made in (
        shell("a", timeout=timeout),
        parallel("a", given("x"), timeout=timeout),
        pause("a", timeout=timeout),
    ):
        assert planned([made]).steps[0].timeout == expected


def test_the_workflows_default_timeout_is_for_work_and_not_for_containers_and_waits() -> None:
    steps = [
        shell("a"),
        shell("b", timeout="1s"),
        shell("c", timeout="none"),
        parallel("p", shell("x")),
        pause("w"),
        given("g"),
    ]
    plan = planned(steps, defaults={"timeout": "5s"})
    assert {s.id: s.timeout for s in plan.steps} == {
        "a": 5000,
        "b": 1000,
        "c": 0,
        "p": 0,
        "x": 5000,
        "w": 0,
        "g": 0,
    }


def test_retry_policies_are_merged_key_by_key_from_the_step_out() -> None:
    plan = planned(
        [shell("a", retry_policy=retries(5)), shell("b")],
        defaults={"retry-policy": {"initial-delay": "2s", "max-retries": 1}},
        error_handling={"retry-policy": {"max-retries": 3, "backoff-strategy": "linear", "jitter": "full"}},
    )
    a, b = (s.retry for s in plan.steps)
    assert (a.max_retries, a.initial_delay, a.strategy, a.jitter, a.max_delay) == (
        5,
        2000,
        "linear",
        "full",
        60_000,
    )
    assert (b.max_retries, b.initial_delay) == (1, 2000)
    assert [s.max_attempts for s in plan.steps] == [6, 2]


def test_a_steps_own_fallbacks_replace_the_workflows_and_an_empty_list_has_none() -> None:
    steps = [shell("a"), shell("b", fallback_actions=fallback("abort")), shell("c", fallback_actions=[])]
    plan = planned(steps, error_handling={"fallback-actions": fallback("skip")})
    assert [[f.action for f in s.fallbacks] for s in plan.steps] == [["skip"], ["abort"], []]


def test_containers_have_no_retries_and_no_fallbacks() -> None:
    handling = {"retry-policy": {"max-retries": 3}, "fallback-actions": fallback("skip")}
    plan = planned([parallel("p", shell("x"))], error_handling=handling)
    assert [(s.max_attempts, len(s.fallbacks)) for s in plan.steps] == [(1, 0), (4, 1)]


# ---- what is refused ---------------------------------------------------------------------------


def test_a_duplicate_id_is_found_at_any_depth_and_names_the_first_place() -> None:
    [problem] = problems_of([given("a"), parallel("p", choice("c", "true", [given("a")]))])
    assert (problem.code, problem.message) == ("plan-duplicate-id", "step id `a` is used twice")
    assert problem.path == ("workflow", "steps", 1, "steps", 0, "then", 0, "id")
    assert problem.related == ("workflow", "steps", 0, "id")


@pytest.mark.parametrize(
    "second",
    [
        {"finally_": [given("a")]},
        {"steps": [shell("b", fallback_actions=fallback("run-step", step=given("a")))]},
        {"steps": [choice("c", "true", given("x"), given("a"))]},
    ],
)
def test_ids_of_finally_branches_and_fallbacks_count_too(second: dict[str, Any]) -> None:
    more = dict(second)
    steps = [given("a"), *more.pop("steps", [])]
    assert [p.code for p in problems_of(steps, **more)] == ["plan-duplicate-id"]


def test_a_cycle_is_printed_whole() -> None:
    steps = [
        given("a", dependencies=["c"]),
        given("b", dependencies=["a"]),
        given("c", {"v": "${b.result.n}"}),
    ]
    [problem] = problems_of(steps)
    assert (problem.code, problem.message) == (
        "dep-cycle",
        "these steps wait for each other: a -> c -> b -> a",
    )
    assert problem.path == ("workflow", "steps", 0, "dependencies")
    assert problem.hint is not None
    assert "a -> b: a waits for b" in problem.hint


def test_a_cycle_through_containers_is_found_between_the_containers() -> None:
    steps = [
        parallel("p", given("x", {"v": "${y.result.n}"})),
        parallel("q", given("y", {"v": "${x.result.n}"})),
    ]
    assert problems_of(steps)[0].message == "these steps wait for each other: p -> q -> p"


def test_a_cycle_inside_a_parallel_is_found() -> None:
    steps = [parallel("p", given("x", dependencies=["y"]), given("y", dependencies=["x"]))]
    [problem] = problems_of(steps)
    assert problem.message == "these steps wait for each other: x -> y -> x"
    assert problem.path == ("workflow", "steps", 0, "steps", 0, "dependencies")


def test_everything_that_is_wrong_is_found_in_one_pass() -> None:
    steps = [
        given("a", {"v": "${nobody.result}"}),
        given("a"),
        given("c", dependencies=["c"]),
        shell("d", when="${"),
        choice("e", {"type": "custom", "handler": "nope"}, given("t")),
    ]
    assert {p.code for p in problems_of(steps)} == {
        "ref-unknown-step",
        "plan-duplicate-id",
        "dep-self",
        "ref-syntax",
        "cond-unknown-handler",
    }


def test_conditions_are_checked_with_their_place() -> None:
    def condition(**keys: Any) -> dict[str, Any]:
        return {"type": "step-result", "step-id": "a", "operator": "equals", "value": 1, **keys}

    at = ("workflow", "steps", 1, "condition")
    a = given("a")
    assert refusals([a, choice("c", condition(operator="equal"), given("t"))]) == [
        ("cond-unknown-operator", (*at, "operator"))
    ]
    assert refusals([a, choice("c", condition(path="[["), given("t"))]) == [("ref-syntax", (*at, "path"))]
    matches = condition(operator="matches", value="(")
    assert refusals([a, choice("c", matches, given("t"))]) == [("cond-pattern", (*at, "value"))]
    unknown = condition(**{"step-id": "nobody"})
    assert refusals([a, choice("c", unknown, given("t"))]) == [("ref-unknown-step", (*at, "step-id"))]
    handler = {"type": "custom", "handler": "all-complete"}
    [problem] = problems_of([a, choice("c", handler, given("t"))])
    assert (problem.code, problem.path, problem.hint) == (
        "cond-unknown-handler",
        (*at, "handler"),
        "did you mean `all-completed`?",
    )


@pytest.mark.parametrize(
    ("made", "key"),
    [
        (shell("b", when="1 +"), "when"),
        (choice("b", "1 +", given("t")), "condition"),
    ],
)
def test_an_expression_that_is_none_is_refused_where_it_stands(made: dict[str, Any], key: str) -> None:
    [problem] = problems_of([given("a"), made])
    assert problem.path == ("workflow", "steps", 1, key)


def test_a_shared_fallback_cannot_run_one_step_for_all() -> None:
    handling = {"fallback-actions": fallback("run-step", step=given("x"))}
    assert refusals([given("a")], error_handling=handling) == [
        ("plan-shared-fallback", ("workflow", "error-handling", "fallback-actions", 0, "step"))
    ]


def test_a_join_that_counts_more_dependencies_than_there_are_is_refused() -> None:
    steps = [given("a"), given("b", dependencies=["a"], join={"count": 2})]
    [problem] = problems_of(steps)
    assert (problem.code, problem.path) == ("plan-join-count", ("workflow", "steps", 1, "join", "count"))
    assert problem.message == "`b` waits for 2 completed dependencies and has only 1"


def test_a_join_that_changes_nothing_is_a_warning_at_its_place() -> None:
    block = [
        shell("t1", fallback_actions=fallback("run-step", step=shell("x", join="all-ended"))),
        shell("t2", join="all-ended"),
    ]
    steps = [
        shell("a", join="none-failed"),
        shell("b", dependencies=["a"], join="all-ended"),
        choice("c", "true", block, shell("e", join={"count": 1})),
    ]
    last = [shell("f", join="any-completed", dependencies=["a"]), shell("g", join="all-completed")]
    found = problems_of(steps, finally_=last)
    assert {(p.code, p.severity) for p in found} == {("plan-join-unused", "warning")}
    assert [(p.path[1:], p.message.partition(":")[0]) for p in found] == [
        (("steps", 0, "join"), "`a` has no dependencies"),
        (
            ("steps", 2, "then", 0, "fallback-actions", 0, "step", "join"),
            "`x` runs when another step has failed",
        ),
        (("steps", 2, "then", 1, "join"), "`t2` runs after the step before it in its block"),
        (("steps", 2, "else", "join"), "`e` runs after the step before it in its block"),
        (("finally", 0, "join"), "`f` runs in `finally`"),
    ]
    planned(steps, finally_=last)


def test_what_a_module_says_about_an_operation_is_placed_under_its_step() -> None:
    def check(module: str, operation: str, parameters: dict[str, Any]) -> list[Problem]:
        return [
            Problem(
                code="op-x", message=f"{module} {operation}", path=("parameters", "name"), hint="h", on="key"
            )
        ]

    made = step("module-operation", "m", module="context", operation="create", parameters={"name": 1})
    plan, [problem] = make_plan(workflow([parallel("p", made)]), check_operation=check)
    assert plan is None
    assert problem.path == ("workflow", "steps", 0, "steps", 0, "parameters", "name")
    assert (problem.message, problem.hint, problem.on) == ("context create", "h", "key")


def test_a_warning_of_a_module_does_not_stop_the_plan() -> None:
    found = [Problem(code="op-x", message="x", severity="warning")]
    made = step("module-operation", "m", module="context", operation="create")
    plan, problems = make_plan(workflow([made]), check_operation=lambda *_: found)
    assert plan is not None
    assert len(problems) == 1


# ---- what is told of a plan ----------------------------------------------------------------------


def test_waves_and_the_critical_path_are_those_of_the_top_level() -> None:
    steps = [
        given("a"),
        given("b", dependencies=["a"]),
        given("c"),
        parallel("p", given("x"), dependencies=["b", "c"]),
    ]
    told = plan_summary(planned(steps, finally_=[given("f")]))
    assert told["waves"] == [["a", "c"], ["b"], ["p"]]
    assert told["criticalPath"] == ["a", "b", "p"]
    assert told["steps"]["b"] == {"type": "set", "dependencies": ["a"], "timeout": None, "maxAttempts": 1}
    assert told["steps"]["x"]["in"] == "p"
    assert told["steps"]["f"]["branch"] == "finally"


def test_waves_of_a_sequential_workflow_hold_one_step_each() -> None:
    assert plan_summary(planned([given("a"), given("b")], execution="sequential"))["waves"] == [["a"], ["b"]]


def test_the_same_workflow_gives_the_same_digest_and_another_shape_another_one() -> None:
    first = planned([given("a"), given("b", dependencies=["a"])])
    again = planned([given("a", {"n": 2}), given("b", dependencies=["a"])])
    other = planned([given("a"), given("b")])
    assert digest_of(first.stored()) == digest_of(again.stored())
    assert digest_of(first.stored()) != digest_of(other.stored())
    assert msgspec.json.decode(first.stored())["steps"][1][:2] == ["b", "set"]


# ---- large files ---------------------------------------------------------------------------------


def _chain(count: int) -> list[dict[str, Any]]:
    return [shell("s0", "fail"), *(shell(f"s{i}", dependencies=[f"s{i - 1}"]) for i in range(1, count))]


def _all_before(count: int) -> list[dict[str, Any]]:
    return [given(f"s{i}", dependencies=[f"s{k}" for k in range(i)]) for i in range(count)]


def _all_before_inside(count: int) -> list[dict[str, Any]]:
    values = [{f"v{k}": f"${{s{k}.result.n}}" for k in range(i)} | {"n": i} for i in range(count)]
    return [
        parallel(
            "p", *(given(f"s{i}", values[i], dependencies=[f"s{k}" for k in range(i)]) for i in range(count))
        )
    ]


def _wide(count: int) -> list[dict[str, Any]]:
    return [parallel("p", *(shell(f"s{i}") for i in range(count)), max_parallel=2)]


def _block(count: int) -> list[dict[str, Any]]:
    return [choice("c", "true", [shell(f"s{i}", "fail" if not i else "ok") for i in range(count)])]


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (_chain, 10_000),
        (_all_before, 1_000),
        (_all_before_inside, 300),
        (_wide, 10_000),
        (_block, 10_000),
    ],
)
def test_large_shapes_are_planned_and_run_in_time_that_grows_with_their_size(
    make: Callable[[int], list[dict[str, Any]]], count: int
) -> None:
    """Generous: what is meant to fail here is the square of it, tens of seconds to minutes."""
    document = workflow(make(count))
    began = process_time()
    plan, problems = make_plan(document)
    assert plan is not None, problems
    planning = process_time() - began
    assert planning < 8
    bench = Bench(plan)
    state = bench.start()
    assert state.status in ("completed", "failed")
    if state.status == "failed":
        assert bench.resume().status == "failed"
    assert process_time() - began < 16


def test_a_cycle_of_ten_thousand_steps_is_found() -> None:
    steps = [given(f"s{i}", dependencies=[f"s{(i + 1) % 10_000}"]) for i in range(10_000)]
    [problem] = problems_of(steps)
    assert problem.message.startswith("these steps wait for each other: s0 -> s1 -> s2 ->")


@pytest.mark.parametrize("depth", [60, 300])
def test_deeply_nested_containers_are_planned_and_run(depth: int) -> None:
    made = shell("x")
    for level in range(depth):
        made = parallel(f"p{level}", made) if level % 2 else choice(f"p{level}", "true", made)
    state = Bench(planned([made])).start()
    assert set(statuses(state).values()) == {"completed"}
