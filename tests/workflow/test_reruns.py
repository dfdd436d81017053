"""A new run that repeats another: what runs again, what is kept, and what it cannot do without."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given as drawn

from mplp_cli.errors import RunStateError
from mplp_cli.protocols import NewRun
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.history import Rerun
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.plan import Plan
from mplp_cli.workflow.revision.reruns import kept
from tests.bench_of_runs import (
    RUN,
    Bench,
    Died,
    ask,
    choice,
    collapse,
    facts,
    fallback,
    given,
    parallel,
    planned,
    reason_of,
    result_of,
    run_steps,
    shell,
    statuses,
    step,
)
from tests.virtual import facts_of
from tests.workflow.test_fold_properties import check_whole, documents, plan_of


def prepared(old: Bench, mode: Any, named: str = "", plan: Plan | None = None) -> Bench:
    """A rerun that is stored, and that nobody has taken up so far."""
    plan = plan or old.plan
    new = Bench(plan, slots=old.slots)
    now, rerun = new.clock.now(), Rerun(RUN, mode, named)
    first: list[h.Event] = [
        h.RunStarted(now, RUN, "w", {}, {}, "/", new.slots, rerun=rerun),
        *kept(plan, old.replayed(), rerun, now),
    ]
    run = NewRun(
        id=RUN,
        workflow_id="w",
        name="W",
        source=b"",
        source_name="w.yaml",
        source_dir="/",
        cwd="/",
        plan=plan.stored(),
        created_at=now,
    )
    new.store.create_run(run, first).close()
    return new


def repeated(old: Bench, mode: Any, named: str = "", plan: Plan | None = None) -> tuple[RunState, Bench]:
    """A rerun, driven to its end; its history alone gives the same state."""
    new = prepared(old, mode, named, plan)
    state = new.resume()
    assert facts_of(new.replayed()) == facts_of(state)
    return state, new


def chain(**scripts: str) -> list[dict[str, Any]]:
    """Steps that wait for each other, in order."""
    names = list(scripts)
    return [
        shell(name, script, dependencies=names[n - 1 : n] if n else [])
        for n, (name, script) in enumerate(scripts.items())
    ]


# ---- from


def test_from_a_step_runs_it_and_what_depends_on_it_and_keeps_the_other_results() -> None:
    _, old = run_steps([*chain(a="ok", b="ok", c="ok"), shell("x"), given("y", {"n": "${x.result.output}"})])
    state, new = repeated(old, "from", "b")
    assert state.status == "completed"
    assert new.work.executed == ["b", "c"]
    assert set(statuses(state).values()) == {"completed"}
    assert result_of(state, "y") == {"n": "x"}
    assert {state.plan.steps[i].id for i in state.kept} == {"a", "x", "y"}


def test_from_a_step_also_runs_what_never_completed_elsewhere() -> None:
    _, old = run_steps([*chain(a="ok", b="ok"), *chain(x="fail", y="ok")])
    state, new = repeated(old, "from", "b", planned([*chain(a="ok", b="ok"), *chain(x="ok", y="ok")]))
    assert state.status == "completed"
    assert sorted(new.work.executed) == ["b", "x", "y"]


def test_a_step_in_a_container_means_the_outermost_container_and_what_follows_it() -> None:
    inner = parallel("inner", shell("i"), shell("k"))
    _, old = run_steps([shell("a"), parallel("p", inner, shell("j")), shell("z", dependencies=["p"])])
    state, new = repeated(old, "from", "k")
    assert state.status == "completed"
    assert sorted(new.work.executed) == ["i", "j", "k", "z"]


def test_the_branch_of_a_conditional_is_chosen_again() -> None:
    _, old = run_steps([given("n"), choice("c", "${n.result.n} == 1", [shell("t")], [shell("e")])])
    state, new = repeated(old, "from", "t")
    assert new.work.executed == ["t"]
    assert statuses(state) == {"n": "completed", "c": "completed", "t": "completed", "e": "skipped"}


def test_in_a_sequential_run_all_that_comes_later_runs_again() -> None:
    _, old = run_steps([shell("a"), shell("b"), shell("c")], execution="sequential")
    state, new = repeated(old, "from", "b")
    assert state.status == "completed"
    assert new.work.executed == ["b", "c"]


def test_finally_runs_again_at_the_end_of_a_rerun() -> None:
    _, old = run_steps([shell("a"), shell("b")], finally_=[shell("f"), shell("g")])
    assert repeated(old, "from", "b")[1].work.executed == ["b", "f", "g"]
    state, new = repeated(old, "from", "g")
    assert state.status == "completed"
    assert new.work.executed == ["g"]


def test_the_fallback_of_a_kept_step_stays_what_it_was() -> None:
    steps = [shell("a", "fail", fallback_actions=fallback("run-step", step=shell("b"))), shell("z")]
    _, old = run_steps(steps)
    state, new = repeated(old, "from", "z")
    assert new.work.executed == ["z"]
    assert result_of(state, "a") == {"output": "b", "attempt": 1}
    assert state.warnings == old.replayed().warnings


# ---- failed


def test_failed_runs_what_did_not_complete_and_what_depends_on_it() -> None:
    _, old = run_steps([*chain(a="ok", b="fail", c="ok"), shell("x")])
    state, new = repeated(old, "failed")
    assert new.work.executed == ["b"]
    assert statuses(state) == {"a": "completed", "b": "failed", "c": "omitted", "x": "completed"}
    mended = planned([*chain(a="ok", b="ok", c="ok"), shell("x")])
    state, new = repeated(old, "failed", plan=mended)
    assert state.status == "completed"
    assert new.work.executed == ["b", "c"]


def test_what_completed_inside_a_failed_container_is_kept() -> None:
    steps = [parallel("p", shell("x"), shell("y", "fail"), shell("v", dependencies=["y"])), shell("z")]
    _, old = run_steps([*steps, shell("after", dependencies=["p"])])
    state, new = repeated(old, "failed")
    assert new.work.executed == ["y"]
    [started] = [f for f in facts(new, h.StepKept) if f.step == "p"]
    assert started.status == "running"
    settled = result_of(state, "p")["results"]
    assert [(s["stepId"], s["status"]) for s in settled] == [
        ("x", "fulfilled"),
        ("y", "rejected"),
        ("v", "rejected"),
    ]
    assert settled[0]["value"] == {"output": "x", "attempt": 1}


def test_the_items_of_a_foreach_that_completed_are_kept() -> None:
    body = choice("c", "${item} == 2", [shell("bad", "fail")], [shell("good")])
    each = step("foreach", "each", items=[1, 2, 3], steps=[shell("first"), body])
    _, old = run_steps([each, shell("z", dependencies=["each"])])
    state, new = repeated(old, "failed")
    assert new.work.executed == ["each[1].bad"]
    assert statuses(state)["each[2].good"] == "completed"
    assert result_of(state, "each")[0] == {"output": "each[0].good", "attempt": 1}


def test_a_loop_begins_anew() -> None:
    loop = step("loop", "l", steps=[shell("x"), shell("y", "fail")], max_iterations=2)
    _, old = run_steps([loop])
    assert repeated(old, "failed")[1].work.executed == ["l[0].x", "l[0].y"]


def test_tolerated_failures_are_no_reason_to_run_anything() -> None:
    _, old = run_steps([parallel("p", shell("x", "fail"), fail_on="none")])
    with pytest.raises(RunStateError, match="nothing is left to run"):
        repeated(old, "failed")


def test_a_run_that_failed_in_finally_runs_finally_again() -> None:
    _, old = run_steps([shell("a")], finally_=[shell("f", "fail")])
    assert repeated(old, "failed")[1].work.executed == ["f"]


def test_what_a_cancel_and_a_crash_have_left_runs() -> None:
    old = Bench(planned([shell("a"), shell("b", "sleep 9", dependencies=["a"]), shell("c", "sleep 9")]))
    old.start(during=[(2, lambda drive: drive.cancel("ann"))])
    state, new = repeated(old, "failed")
    assert state.status == "completed"
    assert sorted(new.work.executed) == ["b", "c"]


def test_a_parked_run_can_be_repeated() -> None:
    _, old = run_steps([shell("a"), shell("b", "fail", dependencies=["a"], fallback_actions=ask())])
    state, new = repeated(old, "failed")
    assert state.status == "waiting"
    assert new.work.executed == ["b"]


# ---- only


def test_only_runs_one_step_and_leaves_out_what_has_no_result() -> None:
    steps = [*chain(a="ok", b="ok", c="ok"), shell("x", "fail"), shell("y", dependencies=["x"])]
    _, old = run_steps(steps, finally_=[shell("f")])
    state, new = repeated(old, "only", "b")
    assert state.status == "completed"
    assert new.work.executed == ["b"]
    assert statuses(state) == {
        "a": "completed",
        "b": "completed",
        "c": "completed",
        "x": "skipped",
        "y": "omitted",
        "f": "completed",
    }
    assert reason_of(state, "x") == f"only `b` was to run; it failed in run {RUN[:8]}"


def test_only_a_step_whose_dependency_has_no_result_is_refused() -> None:
    _, old = run_steps(chain(a="fail", b="ok"))
    with pytest.raises(RunStateError, match="`b` needs `a`, which has no result in run 11111111: it failed"):
        repeated(old, "only", "b")
    _, old = run_steps([shell("a", "fail"), shell("b", dependencies=["a"], join="all-ended")])
    assert repeated(old, "only", "b")[1].work.executed == ["b"]


def test_only_a_step_that_never_ran_is_run() -> None:
    _, old = run_steps([shell("a"), shell("b", dependencies=["a"], when="false")])
    new_plan = planned([shell("a"), shell("b", dependencies=["a"])])
    state, new = repeated(old, "only", "b", new_plan)
    assert state.status == "completed"
    assert new.work.executed == ["b"]


def test_an_output_that_cannot_be_made_does_not_fail_a_rerun_of_one_step() -> None:
    _, old = run_steps([shell("a"), shell("x", "fail")], outputs={"x": "${x.result.output}"})
    state, _ = repeated(old, "only", "a")
    assert (state.status, state.outputs) == ("completed", {"x": None})
    assert len(state.warnings) == 1


# ---- another definition, a crash, a rerun of a rerun


def test_a_step_whose_definition_has_changed_is_not_kept() -> None:
    _, old = run_steps([*chain(a="ok", b="ok", c="ok"), shell("x", "fail")])
    plan = planned([*chain(a="ok", b="sleep 1", c="ok"), shell("x")])
    new = Bench(plan)
    found = kept(plan, old.replayed(), Rerun(RUN, "failed"), new.clock.now(), {"b", "x"})
    assert [fact.step for fact in found] == ["a"]


@pytest.mark.parametrize("seconds", [0.0, 0.005, 0.5])
def test_a_rerun_that_is_killed_goes_on_where_it_was(seconds: float) -> None:
    _, old = run_steps([*chain(a="ok", b="ok", c="ok"), shell("x", "sleep 3")])
    new = prepared(old, "from", "x")
    with pytest.raises(Died):
        new.resume(during=[(seconds, collapse)])
    state = new.resume()
    assert state.status == "completed"
    assert set(new.work.executed) == {"x"}


def test_a_failed_rerun_is_resumed_and_keeps_what_it_kept() -> None:
    _, old = run_steps([shell("a"), shell("b")], finally_=[shell("f")])
    plan = planned([shell("a"), shell("b", "fail 1")], finally_=[shell("f")])
    state, new = repeated(old, "only", "b", plan)
    assert state.status == "failed"
    state = new.resume()
    assert state.status == "completed"
    assert new.work.executed == ["b", "b"]


def test_a_result_that_was_kept_twice_says_where_it_came_from_first() -> None:
    _, old = run_steps(chain(a="ok", b="ok"))
    facts_once = kept(old.plan, old.replayed(), Rerun("x", "from", "b"), 0)
    assert [f.origin for f in facts_once] == [RUN]
    _, again = repeated(old, "from", "b")
    state = again.replayed()
    state.kept[0] = "first"
    assert [f.origin for f in kept(old.plan, state, Rerun("x", "from", "b"), 0)] == ["first"]


@drawn(documents())
def test_whatever_failed_can_be_repeated_and_nothing_completed_runs_again(document: dict[str, Any]) -> None:
    old = Bench(plan_of(document))
    before = old.start()
    try:
        state, new = repeated(old, "failed")
    except RunStateError:
        assert before.status == "completed"
        return
    check_whole(state, new)
    mine = {state.plan.steps[i].id for i in state.kept}
    assert not mine & set(new.work.executed)
    assert before.status == "failed"
