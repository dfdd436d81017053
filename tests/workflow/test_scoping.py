"""Who may refer to whom, and what a reference makes a step wait for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench_of_runs import (
    choice,
    fallback,
    given,
    parallel,
    planned,
    problems_of,
    result_of,
    run_steps,
    shell,
    statuses,
)


def needs_of(steps: list[dict[str, Any]], name: str, **more: Any) -> list[str]:
    plan = planned(steps, **more)
    return [plan.steps[d].id for d in plan.steps[plan.number[name]].needs]


def refusal(steps: list[dict[str, Any]], **more: Any) -> tuple[str, str, tuple[str | int, ...]]:
    """Code, message and path of the one thing that is wrong."""
    [problem] = problems_of(steps, **more)
    assert problem.severity == "error"
    return problem.code, problem.message, problem.path


def uses(name: str, reference: str, **keys: Any) -> dict[str, Any]:
    return given(name, {"v": f"${{{reference}}}"}, **keys)


# ---- what is allowed, and what it makes wait ----------------------------------------------------


def test_a_reference_to_a_step_of_the_top_level_adds_the_dependency() -> None:
    assert needs_of([given("a"), uses("b", "a.result.n")], "b") == ["a"]


def test_a_dependency_that_is_declared_and_referred_to_counts_once() -> None:
    assert needs_of([given("a"), uses("b", "a.result.n", dependencies=["a"])], "b") == ["a"]


def test_a_step_may_refer_to_one_that_stands_later_in_the_file() -> None:
    state, _ = run_steps([uses("b", "a.result.n"), given("a")])
    assert result_of(state, "b") == {"v": 1}


@pytest.mark.parametrize("key", ["when", "run", "values", "condition", "for"])
def test_every_place_that_holds_references_adds_the_dependency(key: str) -> None:
    step: dict[str, Any] = {
        "when": shell("b", when="a.status == 'completed'"),
        "run": {"id": "b", "type": "shell", "run": "echo ${a.result.n}"},
        "values": uses("b", "a.result.n"),
        "condition": choice("b", "a.result.n == 1", given("t")),
        "for": {"id": "b", "type": "wait", "for": "${a.result.n}"},
    }[key]
    assert needs_of([given("a"), step], "b") == ["a"]


def test_conditions_of_all_three_types_add_their_dependencies() -> None:
    found = {
        "type": "step-result",
        "step-id": "a",
        "path": "n",
        "operator": "equals",
        "value": "${b.result.n}",
    }
    custom = {
        "type": "custom",
        "handler": "between",
        "arguments": {"value": "${a.result.n}", "min": 0, "max": 2},
    }
    bare = {"type": "expression", "expression": "a.result.n > 0"}
    steps = [given("a"), given("b")]
    assert needs_of([*steps, choice("c", found, given("t"))], "c") == ["a", "b"]
    assert needs_of([*steps, choice("c", custom, given("t"))], "c") == ["a"]
    assert needs_of([*steps, choice("c", bare, given("t"))], "c") == ["a"]


def test_a_nested_step_that_refers_to_an_outer_one_makes_its_whole_container_wait() -> None:
    steps = [given("a"), parallel("p", choice("c", "true", [uses("t", "a.result.n")]))]
    assert needs_of(steps, "p") == ["a"]
    assert needs_of(steps, "c") == []
    assert needs_of(steps, "t") == []


def test_a_child_of_a_parallel_is_referred_to_from_outside_by_its_own_id() -> None:
    steps = [parallel("p", parallel("q", given("x"))), uses("b", "x.result.n")]
    assert needs_of(steps, "b") == ["p"]
    state, _ = run_steps(steps)
    assert result_of(state, "b") == {"v": 1}


def test_a_container_can_be_depended_on_through_its_child() -> None:
    assert needs_of([parallel("p", given("x")), given("b", dependencies=["x"])], "b") == ["p"]


def test_siblings_inside_a_parallel_may_refer_to_each_other_if_they_declare_it() -> None:
    steps = [parallel("p", given("x"), uses("y", "x.result.n", dependencies=["x"]))]
    assert needs_of(steps, "y") == ["x"]


def test_it_is_enough_that_the_container_declares_the_dependency_or_that_it_waits_for_the_container() -> None:
    inside = choice("c", "true", [uses("t", "x.result.n")], dependencies=["x"])
    assert needs_of([parallel("p", given("x"), inside)], "c") == ["x"]
    other = parallel("q", given("x"))
    assert needs_of([parallel("p", other, uses("y", "x.result.n", dependencies=["q"]))], "y") == ["q"]
    nested = choice("c", "true", [uses("t", "x.result.n", dependencies=["x"])])
    assert needs_of([parallel("p", given("x"), nested)], "c") == ["x"]


def test_a_step_of_a_block_may_refer_to_an_earlier_one() -> None:
    state, _ = run_steps([choice("c", "true", [given("t1"), uses("t2", "t1.result.n")])])
    assert result_of(state, "c") == {"v": 1}


def test_finally_may_refer_to_any_step_of_the_top_level_and_waits_for_none() -> None:
    steps = [given("a"), parallel("p", given("x"))]
    plan = planned(steps, finally_=[uses("f", "a.result.n"), uses("g", "x.status"), uses("i", "f.result.v")])
    assert [plan.steps[plan.number[n]].needs for n in "fgi"] == [(), (), ()]


def test_outputs_may_refer_to_the_top_level_and_into_parallels() -> None:
    state, _ = run_steps([parallel("p", given("x"))], outputs={"v": "${x.result.n}", "p": "${p.status}"})
    assert state.outputs == {"v": 1, "p": "completed"}


def test_a_fallback_may_read_the_error_of_the_step_it_stands_in_for() -> None:
    note = given("note", {"said": "${a.error.message}", "was": "${a.status}", "tries": "${a.attempts}"})
    state, _ = run_steps([shell("a", "fail", fallback_actions=fallback("run-step", step=note))])
    assert result_of(state, "a") == {"said": "scripted failure", "was": "running", "tries": 1}


def test_a_fallback_may_refer_to_outer_steps_and_its_owner_waits_for_them() -> None:
    steps = [
        given("z"),
        shell("a", "fail", fallback_actions=fallback("run-step", step=uses("b", "z.result.n"))),
    ]
    assert needs_of(steps, "a") == ["z"]
    assert result_of(run_steps(steps)[0], "a") == {"v": 1}


def test_the_value_of_a_fallback_may_refer_to_other_steps() -> None:
    steps = [
        given("z"),
        shell("a", "fail", fallback_actions=fallback("use-value", value={"v": "${z.result.n}"})),
    ]
    assert needs_of(steps, "a") == ["z"]
    assert result_of(run_steps(steps)[0], "a") == {"v": 1}


def test_a_hyphen_belongs_to_the_longest_step_id_that_matches() -> None:
    steps = [
        given("a", {"n": 5}),
        given("a-b", {"n": 2}),
        uses("c", "a-b.result.n"),
        uses("d", "a.result.n - 1"),
    ]
    assert needs_of(steps, "c") == ["a-b"]
    assert needs_of(steps, "d") == ["a"]
    assert result_of(run_steps(steps)[0], "d") == {"v": 4}


def test_the_other_brackets_name_the_same_things() -> None:
    assert needs_of([given("a"), given("b", {"v": "$<a.result.n>"})], "b") == ["a"]


def test_escaped_brackets_refer_to_nothing() -> None:
    state, _ = run_steps([given("a", {"v": "$${nobody.result}"})])
    assert result_of(state, "a") == {"v": "${nobody.result}"}


# ---- what is refused ---------------------------------------------------------------------------

PATH = ("workflow", "steps", 1, "values", "v")


def test_an_unknown_step_is_refused_with_the_nearest_name() -> None:
    [problem] = problems_of([given("fetch-data"), uses("b", "fetch-dta.result.n")])
    assert (problem.code, problem.path) == ("ref-unknown-step", PATH)
    assert problem.message == "there is no step `fetch-dta`"
    assert problem.hint == "did you mean `fetch-data`?"


def test_an_unknown_dependency_is_refused_at_its_place_in_the_list() -> None:
    code, message, path = refusal([given("a"), given("b", dependencies=["a", "nobody"])])
    assert (code, message) == ("dep-unknown", "there is no step `nobody`")
    assert path == ("workflow", "steps", 1, "dependencies", 1)


def test_a_step_cannot_use_or_wait_for_itself() -> None:
    assert refusal([uses("a", "a.result.n")])[:2] == ("ref-self", "`a` refers to its own result")
    assert refusal([given("a", dependencies=["a"])])[:2] == ("dep-self", "`a` depends on itself")


@pytest.mark.parametrize(
    "steps",
    [
        [parallel("p", uses("x", "p.result"))],
        [choice("c", "true", [uses("x", "c.result")])],
        [choice("c", "x.status == 'completed'", [given("x")])],
        [parallel("p", given("x"), dependencies=["x"])],
        [parallel("p", given("x", dependencies=["p"]))],
    ],
)
def test_a_step_and_its_container_cannot_wait_for_each_other(steps: list[dict[str, Any]]) -> None:
    assert refusal(steps)[0] == "ref-container"


def test_a_fallback_cannot_use_the_result_that_there_is_not() -> None:
    step = shell("a", "fail", fallback_actions=fallback("run-step", step=uses("b", "a.result.output")))
    assert refusal([step])[0] == "ref-container"


@pytest.mark.parametrize(
    "outside", [uses("b", "t.result.n"), given("b", dependencies=["t"]), shell("b", when="t.status == 'x'")]
)
def test_a_step_inside_a_branch_is_out_of_reach_and_the_container_is_named(outside: dict[str, Any]) -> None:
    [problem] = problems_of([choice("c", "true", [parallel("p", given("t"))]), outside])
    assert problem.code == "ref-inside-branch"
    assert problem.message == "`t` may not have run: it stands in `then` of `c`"
    assert problem.hint == "refer to `c.result`, the result of the branch that ran"


def test_the_other_branch_is_out_of_reach() -> None:
    steps = [choice("c", "true", [given("t")], [uses("e", "t.result.n")])]
    assert refusal(steps)[0] == "ref-later"


def test_a_fallback_of_another_step_is_out_of_reach() -> None:
    steps = [
        shell("a", "fail", fallback_actions=fallback("run-step", step=given("b"))),
        uses("c", "b.result.n"),
    ]
    assert refusal(steps)[:2] == ("ref-inside-branch", "`b` may not have run: it stands in `fallback` of `a`")


def test_outputs_and_finally_cannot_look_into_branches() -> None:
    steps = [choice("c", "true", [given("t")])]
    assert refusal(steps, outputs={"v": "${t.result.n}"}) == (
        "ref-inside-branch",
        "`t` may not have run: it stands in `then` of `c`",
        ("workflow", "outputs", "v"),
    )
    code, _, path = refusal(steps, finally_=[uses("f", "t.result.n")])
    assert (code, path) == ("ref-inside-branch", ("workflow", "finally", 0, "values", "v"))


def test_siblings_inside_a_parallel_run_at_the_same_time_unless_they_declare_otherwise() -> None:
    [problem] = problems_of([parallel("p", given("x"), uses("y", "x.result.n"))])
    assert (problem.code, problem.message) == ("ref-sibling", "`y` and `x` run at the same time")
    assert problem.hint == "declare `dependencies: [x]` if `y` is to wait for it"
    assert problem.path == ("workflow", "steps", 0, "steps", 1, "values", "v")


def test_that_holds_for_what_stands_inside_the_siblings_too() -> None:
    inside = choice("c", "true", [uses("t", "x.result.n")])
    assert refusal([parallel("p", given("x"), inside)])[:2] == (
        "ref-sibling",
        "`c` and `x` run at the same time",
    )
    other = parallel("q", given("x"))
    assert refusal([parallel("p", other, uses("y", "x.result.n"))])[0] == "ref-sibling"


def test_a_later_step_of_a_block_is_out_of_reach() -> None:
    code, message, path = refusal([choice("c", "true", [uses("t1", "t2.result.n"), given("t2")])])
    assert (code, message) == ("ref-later", "`t2` does not run before `t1`")
    assert path == ("workflow", "steps", 0, "then", 0, "values", "v")
    assert refusal([given("a")], finally_=[uses("f", "g.result.n"), given("g")])[0] == "ref-later"


def test_nothing_before_finally_may_refer_to_it() -> None:
    final = [given("f")]
    assert refusal([uses("a", "f.result.n")], finally_=final)[:2] == (
        "ref-later",
        "`f` runs in `finally`, after everything else",
    )
    assert refusal([given("a", dependencies=["f"])], finally_=final)[0] == "ref-later"
    assert refusal([given("a")], finally_=final, outputs={"v": "${f.result.n}"})[0] == "ref-later"


def test_unknown_inputs_fields_and_names_are_refused_with_what_there_is() -> None:
    [problem] = problems_of([uses("a", "inputs.tga")], inputs={"tag": {"type": "string"}})
    assert (problem.code, problem.message, problem.hint) == (
        "ref-unknown-name",
        "there is no input `tga`",
        "did you mean `tag`?",
    )
    [problem] = problems_of([uses("a", "run.colour")])
    assert (problem.message, problem.hint) == (
        "there is no field of `run` `colour`",
        "known: `id`, `status`, `cwd`",
    )
    assert refusal([uses("a", "workflow.nme")])[0] == "ref-unknown-name"
    assert refusal([uses("a", "item")])[:2] == (
        "ref-no-loop",
        "`item` stands for nothing outside a `foreach`",
    )


def test_only_declared_environment_may_be_read() -> None:
    assert refusal([uses("a", "env.HOME")])[:2] == (
        "ref-env-undeclared",
        "`HOME` is not declared under the workflow's `env`",
    )
    assert problems_of([uses("a", "env.HOME")], env={"HOME": None}) == []


def test_secrets_may_only_be_handed_over_in_env() -> None:
    secrets = ["TOKEN"]
    assert refusal([uses("a", "secrets.TOKEN")], secrets=secrets)[:2] == (
        "ref-secret-place",
        "a secret may only be handed over in `env`, and in `headers` of an http step",
    )
    assert refusal([shell("a", when="secrets.TOKEN == 'x'")], secrets=secrets)[0] == "ref-secret-place"
    assert refusal([given("a")], secrets=secrets, outputs={"t": "${secrets.TOKEN}"})[0] == "ref-secret-place"
    assert problems_of([shell("a", env={"T": "${secrets.TOKEN}"})], secrets=secrets) == []
    assert problems_of([shell("a")], secrets=secrets, env={"T": "${secrets.TOKEN}"}) == []
    assert refusal([shell("a", env={"T": "${secrets.TKEN}"})], secrets=secrets)[0] == "ref-unknown-name"


def test_an_env_name_that_holds_a_secret_may_not_be_read_either() -> None:
    problems = problems_of([uses("a", "env.T")], secrets=["TOKEN"], env={"T": "${secrets.TOKEN}"})
    assert [p.code for p in problems] == ["ref-secret-place"]


def test_shared_fallbacks_and_the_workflows_env_cannot_refer_to_steps() -> None:
    handling = {"fallback-actions": fallback("use-value", value="${a.result.n}")}
    code, _, path = refusal([given("a")], error_handling=handling)
    assert (code, path) == ("ref-place", ("workflow", "error-handling", "fallback-actions", 0, "value"))
    assert refusal([given("a")], env={"X": "${a.result.n}"})[0] == "ref-place"


# ---- what a reference finds at run time ---------------------------------------------------------


def test_a_missing_path_names_what_is_there() -> None:
    state, _ = run_steps([given("a", {"total": 1}), uses("b", "a.result.totl")])
    assert statuses(state)["b"] == "failed"
    assert state.errors[1].type == "UnresolvedReferenceError"
    assert state.errors[1].message == "`result` has no `totl`; did you mean `total`?"
    assert not state.errors[1].retryable


def test_the_result_of_a_skipped_step_says_why_it_was_skipped() -> None:
    state, _ = run_steps([given("a", when="1 > 2"), uses("b", "a.result.n", join="all-ended")])
    assert state.errors[1].message == "`a` has no result: it is skipped (its condition was false: 1 > 2)"


def test_a_default_in_the_expression_stands_in_for_the_result_of_a_skipped_step() -> None:
    state, _ = run_steps([given("a", when="false"), uses("b", "a.result.n | default(7)", join="all-ended")])
    assert result_of(state, "b") == {"v": 7}


def test_the_result_of_a_failed_step_says_how_it_failed_and_its_error_can_be_read() -> None:
    steps = [
        shell("a", "fail"),
        uses("b", "a.result.output", join="all-ended"),
        given("c", {"e": "${a.error.message}", "t": "${a.error.type}", "s": "${a.status}"}, join="all-ended"),
    ]
    state, _ = run_steps(steps)
    assert state.errors[1].message == "`a` has no result: it is failed (scripted failure)"
    assert result_of(state, "c") == {"e": "scripted failure", "t": "OSError", "s": "failed"}


def test_a_failed_child_that_was_tolerated_has_a_status_and_an_error_but_no_result() -> None:
    steps = [
        parallel("p", shell("x", "fail"), fail_on="none"),
        uses("b", "x.status"),
        uses("c", "x.result.output"),
    ]
    state, _ = run_steps(steps)
    assert result_of(state, "b") == {"v": "failed"}
    assert (
        state.errors[state.plan.number["c"]].message == "`x` has no result: it is failed (scripted failure)"
    )


def test_a_reference_alone_keeps_its_type_and_inside_text_it_becomes_text() -> None:
    values = {"alone": "${a.result.l}", "text": "l=${a.result.l} n=${a.result.n} b=${a.result.b}"}
    state, _ = run_steps([given("a", {"l": [1, {"x": None}], "n": 1.5, "b": True}), given("b", values)])
    assert result_of(state, "b") == {"alone": [1, {"x": None}], "text": 'l=[1,{"x":null}] n=1.5 b=true'}


def test_null_inside_text_is_an_error() -> None:
    state, _ = run_steps([given("a", {"n": None}), given("b", {"v": "n=${a.result.n}"})])
    assert state.errors[1].message == "null cannot stand inside text"
