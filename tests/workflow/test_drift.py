"""A definition that has changed: thirty and more edits, and the verdict on each."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from msgspec import structs

from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.history import DefinitionChange
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.fold.statuses import ENDED, PENDING
from mplp_cli.workflow.plan import Plan, plan_from_stored
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.revision.drift import claimed, judged
from mplp_cli.workflow.revision.outline import contrasts, outline
from mplp_cli.workflow.revision.telling import as_told
from tests.bench_of_runs import (
    RUN,
    Bench,
    Died,
    ask,
    choice,
    collapse,
    given,
    parallel,
    pause,
    planned,
    reason_of,
    retries,
    shell,
    statuses,
    step,
)
from tests.virtual import facts_of
from tests.workflow.test_fold_properties import plan_of as fold_plan
from tests.workflow.test_fold_properties import wild_documents

Document = dict[str, Any]

#: A failed run: `test` and `y` failed, `deploy` was omitted, `never` was skipped, the rest completed.
FAILED: Document = {
    "steps": [
        given("config", {"n": 1}),
        shell("build", "ok", dependencies=["config"], timeout="30s"),
        shell("test", "fail", dependencies=["build"]),
        shell("deploy", "ok", dependencies=["test"]),
        parallel("box", shell("x", "ok"), shell("y", "fail")),
        choice("pick", "true", [shell("t", "ok")], [shell("e", "ok")]),
        parallel("whole", shell("w1", "ok"), shell("w2", "ok")),
        step("foreach", "each", items=[1, 2], steps=[shell("inner", "ok")]),
        step("loop", "again", max_iterations=2, steps=[shell("round", "fail")]),
        shell("never", "ok", when="false"),
    ],
    "finally": [shell("bye", "ok")],
    "inputs": {"tag": {"type": "string", "default": "v1"}},
}


def find(document: Document, name: str) -> dict[str, Any]:
    """A step of the document, at any depth."""
    waiting = [*document["steps"], *document.get("finally", [])]
    while waiting:
        one = waiting.pop()
        if one["id"] == name:
            found: dict[str, Any] = one
            return found
        for key in ("steps", "then", "else"):
            waiting += one.get(key, [])
    raise KeyError(name)


def change(name: str, /, **keys: Any) -> Callable[[Document], None]:
    return lambda document: find(document, name).update(
        {key.rstrip("_").replace("_", "-"): value for key, value in keys.items()}
    )


def workflow(**keys: Any) -> Callable[[Document], None]:
    return lambda document: document.update({key.replace("_", "-"): value for key, value in keys.items()})


def add(*steps: dict[str, Any], to: str = "", key: str = "steps", at: int = 99) -> Callable[[Document], None]:
    def edit(document: Document) -> None:
        held = find(document, to) if to else document
        held[key][at:at] = copy.deepcopy(list(steps))

    return edit


def remove(name: str) -> Callable[[Document], None]:
    def edit(document: Document) -> None:
        waiting: list[dict[str, Any]] = [document]
        while waiting:
            one = waiting.pop()
            for key in ("steps", "then", "else", "finally"):
                held = one.get(key, [])
                one.update({key: [s for s in held if s["id"] != name]} if held else {})
                waiting += held

    return edit


def rename(name: str, to: str) -> Callable[[Document], None]:
    return change(name, id=to)


def both(*edits: Callable[[Document], None]) -> Callable[[Document], None]:
    def edit(document: Document) -> None:
        for one in edits:
            one(document)

    return edit


def plan_of(document: Document) -> Plan:
    more = {key.replace("-", "_"): value for key, value in document.items() if key != "steps"}
    return planned(document["steps"], **{"finally_" if k == "finally" else k: v for k, v in more.items()})


def ran(document: Document, seconds: float = 0.0) -> Bench:
    """A run of the document, to its end or until its process dies."""
    bench = Bench(plan_of(document))
    if not seconds:
        bench.start()
        return bench
    with pytest.raises(Died):
        bench.start(during=[(seconds, collapse)])
    return bench


def verdict(bench: Bench, document: Document, edit: Callable[[Document], None]) -> list[DefinitionChange]:
    """What the edit changes for the run, each change with the reason against it."""
    changed = copy.deepcopy(document)
    edit(changed)
    before, after = bench.plan, plan_of(changed)
    one, two = outline(bench.replayed().plan, before.workflow), outline(after, after.workflow)
    return judged(contrasts(one, two)[0], bench.replayed(), two, claimed(bench.history()))


def told(changes: list[DefinitionChange]) -> dict[str, tuple[str, ...]]:
    return {c.step: c.keys for c in changes}


# ---- a failed run ------------------------------------------------------------------------------

#: What means the same, although it is written differently.
SAME = {
    "nothing": lambda document: None,
    "the unit of a duration": change("build", timeout=30_000),
    "a default written out": change("build", join="all-completed", priority=0),
    "the order of steps that do not wait for each other": lambda d: d["steps"].reverse(),
    "the default of all steps, where each has its own": both(
        workflow(defaults={"timeout": "10m"}), change("build", timeout="30s")
    ),
    "a policy moved to where all inherit it": both(
        workflow(defaults={"retry-policy": {"max-retries": 0}}), change("test", retry_policy=retries(0))
    ),
}
#: Changes that a run can go on with: the steps and keys that are told.
FINE = {
    "a failed step does something else": (change("test", run="ok"), {"test": ("run",)}),
    "a failed step is tried more often": (
        change("test", retry_policy=retries(3)),
        {"test": ("retry-policy",)},
    ),
    "a failed step becomes another kind": (
        both(remove("test"), add(given("test", {}), at=2), change("test", dependencies=["build"])),
        {"test": ("type", "timeout", "run", "values")},
    ),
    "a failed step needs less": (change("test", dependencies=[]), {"test": ("dependencies",)}),
    "an omitted step does something else": (change("deploy", run="sleep 1"), {"deploy": ("run",)}),
    "an omitted step is removed": (remove("deploy"), {"deploy": ()}),
    "a step is added at the end": (add(shell("later", "ok", dependencies=["deploy"])), {"later": ()}),
    "a step is added in between": (
        both(add(shell("lint", "ok")), change("test", dependencies=["build", "lint"])),
        {"lint": (), "test": ("dependencies",)},
    ),
    "a completed step has another name": (change("build", name="Build it"), {"build": ("name",)}),
    "a completed step has another timeout": (change("build", timeout="1h"), {"build": ("timeout",)}),
    "a completed step would ask when it fails": (
        change("build", fallback_actions=ask()),
        {"build": ("fallback-actions",)},
    ),
    "a completed step needs one more that has completed": (
        change("pick", dependencies=["build"]),
        {"pick": ("dependencies",)},
    ),
    "a failed child of an open container": (change("y", run="ok"), {"y": ("run",)}),
    "another child for an open container": (
        add(shell("v", "ok"), to="box"),
        {"box": ("steps",), "v": ()},
    ),
    "a failed round of a loop, and more of them": (
        both(change("round", run="ok"), change("again", max_iterations=9)),
        {"again": ("max-iterations",), "round": ("run",)},
    ),
    "a skipped step does something else": (change("never", run="sleep 1"), {"never": ("run",)}),
    "a skipped step is removed": (remove("never"), {"never": ()}),
    "what comes at the end": (change("bye", run="sleep 1"), {"bye": ("run",)}),
    "one more at the end": (add(shell("last", "ok"), key="finally"), {"last": ()}),
    "the outputs": (workflow(outputs={"n": "${config.result.n}"}), {"": ("outputs",)}),
    "the timeout and the name of the workflow": (workflow(timeout="1h", name="V"), {"": ("name", "timeout")}),
    "an input that was not there": (
        workflow(inputs={"tag": {"type": "string", "default": "v1"}, "n": {"type": "integer", "default": 3}}),
        {"": ("inputs",)},
    ),
}
#: Changes that come too late: the step that is told, and why.
REFUSED = {
    "a completed step does something else": (change("build", run="sleep 1"), "build", "it completed: `run`"),
    "a completed step has other values": (
        change("config", values={"n": 2}),
        "config",
        "it completed: `values`",
    ),
    "a completed step gets a condition": (change("build", when="true"), "build", "it completed: `when`"),
    "a completed step is removed": (
        both(remove("build"), change("test", dependencies=["config"])),
        "build",
        "it completed",
    ),
    "a completed step is renamed": (
        both(rename("build", "make"), change("test", dependencies=["make"])),
        "build",
        "it completed",
    ),
    "a completed step would have waited for a new one": (
        both(add(shell("lint", "ok")), change("build", dependencies=["config", "lint"])),
        "build",
        "it completed, without waiting for `lint`",
    ),
    "a completed step would have waited for one that failed": (
        change("pick", dependencies=["test"]),
        "pick",
        "it completed, without waiting for `test`",
    ),
    "a completed step moves into a container": (
        both(remove("config"), change("build", dependencies=[]), add(given("config", {"n": 1}), to="box")),
        "config",
        "it completed: `in`",
    ),
    "a completed child of an open container": (change("x", run="sleep 1"), "x", "it completed: `run`"),
    "a completed child of an open container is removed": (remove("x"), "x", "it completed"),
    "a completed container gets a child": (
        add(shell("w3", "ok"), to="whole"),
        "whole",
        "it completed: `steps`",
    ),
    "a completed container judges differently": (
        change("whole", fail_on="none"),
        "whole",
        "it completed: `fail-on`",
    ),
    "the condition of a completed conditional": (
        change("pick", condition="false"),
        "pick",
        "it completed: `condition`",
    ),
    "the items of a completed foreach": (change("each", items=[1, 2, 3]), "each", "it completed: `items`"),
    "what a completed foreach does": (
        change("inner", run="sleep 1"),
        "inner",
        "`each[0].inner`: it completed: `run`",
    ),
    "the condition of a skipped step": (
        change("never", when="true"),
        "never",
        "it was skipped and stays so: `when`",
    ),
    "an open container becomes another kind": (
        change("box", type="foreach", items=[1]),
        "box",
        "it is open: `type`, `items`",
    ),
}


@pytest.fixture(scope="module")
def failed() -> Bench:
    bench = ran(FAILED)
    assert bench.replayed().status == "failed"
    return bench


def test_there_are_edits_enough() -> None:
    assert len(SAME) + len(FINE) + len(REFUSED) >= 30


@pytest.mark.parametrize("name", SAME)
def test_what_means_the_same_is_no_change(failed: Bench, name: str) -> None:
    assert verdict(failed, FAILED, SAME[name]) == []


@pytest.mark.parametrize("name", FINE)
def test_what_has_not_begun_may_change(failed: Bench, name: str) -> None:
    edit, wanted = FINE[name]
    found = verdict(failed, FAILED, edit)
    assert [c for c in found if c.conflict] == []
    assert told(found) == wanted


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_done_may_not_change(failed: Bench, name: str) -> None:
    edit, step_id, why = REFUSED[name]
    late = {c.step: c.conflict for c in verdict(failed, FAILED, edit) if c.conflict}
    assert late.pop(step_id) == why
    assert late.keys() <= {"box", "each", "x"}  # what holds it, and what it holds


# ---- a run that was interrupted, or waits --------------------------------------------------------

GOING: Document = {
    "steps": [
        shell("works", "sleep 60", priority=2),
        shell("holds", "sleep 60"),
        pause("waits", "1h"),
        shell("asks", "fail", priority=1, fallback_actions=ask()),
        shell("retries", "fail", priority=1, **{"retry-policy": retries(3, initial_delay="50s")}),
        shell("queues", "ok", priority=-1),
        shell("pends", "ok", dependencies=["works"]),
    ],
    "max-parallel": 2,
}
WHILE_GOING = {
    "what is at work": (change("works", run="ok"), "it was at work when the process was lost: `run`"),
    "what is at work is removed": (
        both(remove("works"), change("pends", dependencies=[])),
        "it was at work when the process was lost",
    ),
    "the timeout of what is at work": (change("works", timeout="2h"), ""),
    "how long a wait waits": (change("waits", for_="2h"), "it waits: `for`"),
    "what a person is asked about": (change("asks", run="ok"), "it waits for an answer: `run`"),
    "what is tried again anyway": (change("retries", run="ok"), ""),
    "what has not begun": (change("pends", run="sleep 1"), ""),
    "what was next, and may have begun": (change("queues", run="sleep 1"), "queues"),
}


@pytest.mark.parametrize("name", WHILE_GOING)
def test_what_is_at_work_or_waits_may_not_change(name: str) -> None:
    edit, why = WHILE_GOING[name]
    bench = ran(GOING, 5)
    found = statuses(bench.replayed())
    assert {found[n] for n in ("waits", "asks")} == {"waiting"}
    [only] = [c for c in verdict(bench, GOING, edit) if c.step != "pends" or "removed" not in name]
    if why == "queues":
        next_up = "queues" in claimed(bench.history())
        why = "it was at work when the process was lost: `run`" if next_up else ""
    assert only.conflict == why


def test_a_step_that_is_added_when_the_run_is_at_its_end_comes_too_late() -> None:
    document = {"steps": [shell("a", "ok")], "finally": [shell("f", "sleep 9"), shell("g", "ok")]}
    bench = ran(document, 3)
    assert [c.conflict for c in verdict(bench, document, add(shell("b", "ok")))] == [
        "the run is at its end already"
    ]
    assert [c.conflict for c in verdict(bench, document, add(shell("h", "ok"), key="finally"))] == [""]


# ---- going on ------------------------------------------------------------------------------------


def redefined(bench: Bench, plan: Plan, changes: list[DefinitionChange]) -> None:
    """The run goes on with another plan."""
    journal = bench.store.own_run(RUN, by="test")
    gone = [c.step for c in changes if c.change == "removed"]
    fact = h.RunRedefined(bench.clock.now(), "ann", changes, {}, bench.slots, gone)
    stored = bench.store.definition(RUN)
    journal.redefine(fact, structs.replace(stored, plan=plan.stored()))
    journal.close()
    bench.plan = plan


def gone_on(bench: Bench, document: Document, edit: Callable[[Document], None]) -> RunState:
    changes = verdict(bench, document, edit)
    changed = copy.deepcopy(document)
    edit(changed)
    redefined(bench, plan_of(changed), changes)
    bench.work.executed.clear()
    state = bench.resume()
    assert facts_of(bench.replayed()) == facts_of(state)
    return state


def test_a_failed_run_goes_on_with_what_has_changed() -> None:
    document = {"steps": [shell("a"), shell("b", "fail", dependencies=["a"]), shell("c", dependencies=["b"])]}
    bench = ran(document)
    edit = both(change("b", run="ok"), add(shell("new", "ok", dependencies=["c"])), change("a", name="A"))
    state = gone_on(bench, document, edit)
    assert state.status == "completed"
    assert bench.work.executed == ["b", "c", "new"]
    assert state.attempts[:3] == [1, 2, 1]
    assert state.redefined is not None
    assert bench.store.definition(RUN).plan == bench.plan.stored()


def test_a_step_that_is_removed_asks_nothing_any_more() -> None:
    document = {"steps": [shell("a"), shell("b", "fail", fallback_actions=ask())]}
    bench = ran(document)
    assert len(bench.store.approvals()) == 1
    state = gone_on(bench, document, remove("b"))
    assert state.status == "completed"
    assert bench.store.approvals() == []
    assert [a.state for a in bench.store.approvals(state=None)] == ["withdrawn"]


def test_a_step_added_where_all_is_over_is_skipped_with_the_reason() -> None:
    document = {"steps": [parallel("p", shell("x", "ok")), shell("z", "fail")]}
    bench = ran(document)
    edit = both(add(shell("late", "ok"), to="p"), change("z", run="ok"))
    state = gone_on(bench, document, edit)
    assert state.status == "completed"
    assert bench.work.executed == ["z"]
    assert reason_of(state, "late") == "`p` had ended when it was added"


def test_a_run_whose_process_dies_right_after_the_change_goes_on_with_it() -> None:
    document = {"steps": [shell("a", "ok"), shell("b", "sleep 9", dependencies=["a"])]}
    bench = ran(document, 3)
    changed = planned([shell("a", "ok"), shell("b", "ok", dependencies=["a"])])
    redefined(bench, changed, [DefinitionChange("b", "changed", ("run",), "at work")])
    with pytest.raises(Died):
        bench.resume(during=[(0.0, collapse)])
    state = bench.resume()
    assert state.status == "completed"
    assert bench.work.executed[0] == "a"
    assert bench.work.executed.count("a") == 1


def test_a_run_that_was_stopping_stops_with_another_definition_too() -> None:
    """Its process died between the fact that stops it and its end; what has changed does not begin any more."""
    limited = {"id": "s1", "type": "parallel", "timeout": "10ms", "steps": [shell("s2", "sleep 1")]}
    bench = Bench(fold_plan({"steps": [limited, shell("s3")], "fail-fast": True}))
    with suppress(Died):
        bench.start(dies=(2, True))
    assert isinstance(bench.history()[-1], h.RunStopping)
    changed = {"id": "s1", "type": "set", "values": {}}
    plan = fold_plan({"steps": [changed, shell("s3")], "fail-fast": True})
    one, two = outline(bench.plan, bench.plan.workflow), outline(plan, plan.workflow)
    redefined(bench, plan, contrasts(one, two)[0])
    state = bench.resume()
    assert state.status == "failed"
    assert statuses(state)["s1"] == "cancelled"


def test_a_step_that_had_begun_and_becomes_the_body_of_a_loop_leaves_nothing_behind() -> None:
    waits = {"id": "s3", "type": "wait", "event": {"type": "n*"}, "timeout": "1s"}
    inner = {"id": "s2", "type": "parallel", "steps": [waits]}
    emits = {"id": "s6", "type": "emit", "event": {"type": "news", "data": {}}}
    bench = Bench(fold_plan({"steps": [inner, emits], "max-parallel": 1}))
    with suppress(Died):
        bench.start(dies=(1, True))
    assert statuses(bench.replayed())["s3"] == "waiting"
    body = {"id": "s3", "type": "set", "values": {}}
    loop = {"id": "s2", "type": "foreach", "items": [], "steps": [body], "when": "false"}
    plan = fold_plan({"steps": [loop, {"id": "s6", "type": "set", "values": {}}], "max-parallel": 1})
    one, two = outline(bench.plan, bench.plan.workflow), outline(plan, plan.workflow)
    redefined(bench, plan, contrasts(one, two)[0])
    state = bench.resume()
    assert (state.status, statuses(state)) == ("completed", {"s2": "skipped", "s6": "completed"})
    assert (state.moving, state.asking, state.left) == (0, 0, 0)


def test_a_container_that_has_ended_and_moves_begins_anew_with_what_is_in_it() -> None:
    moves = {"id": "s6", "type": "parallel", "steps": [{"id": "s7", "type": "set", "values": {}}]}
    bench = Bench(fold_plan({"steps": [moves], "finally": [shell("s10")]}))
    with suppress(Died):
        bench.start(dies=(1, True))
    assert statuses(bench.replayed())["s6"] == "completed"
    plan = fold_plan({"steps": [], "finally": [moves]})
    one, two = outline(bench.plan, bench.plan.workflow), outline(plan, plan.workflow)
    redefined(bench, plan, contrasts(one, two)[0])
    assert bench.resume().status == "completed"
    assert [type(fact) for fact in bench.history()].count(h.StepCompleted) == 4


def waited(before: Document, after: Document) -> tuple[RunState, int]:
    """A run whose process is lost ten seconds after it has begun to wait, and that goes on an hour later with another
    wait; how long it has gone on then (ms)."""
    bench = ran({"steps": [step("wait", "w", **before)]}, 10)
    bench.clock.elapsed += 3_600
    resumed = bench.clock.now()
    plan = plan_of({"steps": [step("wait", "w", **after)]})
    one, two = outline(bench.plan, bench.plan.workflow), outline(plan, plan.workflow)
    redefined(bench, plan, contrasts(one, two)[0])
    state = bench.resume()
    assert facts_of(bench.replayed()) == facts_of(state)
    return state, state.ended - resumed


NEWS = {"event": {"type": "news"}}


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ({"for_": "2h"}, {"for_": "1m"}, ("completed", 60_000)),
        ({"for_": "2h"}, {**NEWS, "timeout": "1m"}, ("failed", 60_000)),
        ({**NEWS, "timeout": "2h"}, {"for_": "1m"}, ("completed", 60_000)),
        ({**NEWS, "timeout": "2h"}, {**NEWS, "timeout": "1m"}, ("failed", 60_000)),
        ({"for_": "3h", "timeout": "2h"}, {"for_": "3h", "timeout": "4h"}, ("completed", 10_800_000)),
        ({"for_": "3h", "timeout": "4h"}, {"for_": "3h", "timeout": "1m"}, ("failed", 60_000)),
        ({"for_": "2h"}, {"for_": "2h", "priority": 1}, ("completed", 3_590_000)),
    ],
)
def test_a_wait_that_has_become_another_one_begins_anew(
    before: Document, after: Document, wanted: tuple[str, int]
) -> None:
    state, lasted = waited(before, after)
    assert (state.status, lasted) == wanted


def test_an_event_that_came_while_nobody_looked_ends_a_wait_that_has_another_limit_now() -> None:
    bench = ran({"steps": [step("wait", "w", **NEWS, timeout="2h")]}, 10)
    bench.store.board.publish(Published(id="1", type="news", source="test", at=bench.clock.now()))
    plan = plan_of({"steps": [step("wait", "w", **NEWS, timeout="1h")]})
    redefined(bench, plan, [DefinitionChange("w", "changed", ("timeout",))])
    assert bench.resume().status == "completed"


@drawn(wild_documents(), wild_documents(), st.data())
def test_a_run_goes_on_with_any_other_definition_if_told_to(
    first: Document, second: Document, data: st.DataObject
) -> None:
    """Ids are the same by chance only: everything moves, changes its kind, comes or goes."""
    bench = Bench(fold_plan(first))
    with suppress(Died):
        bench.start(dies=(data.draw(st.integers(1, 9)), True))
    if bench.replayed().status in ("completed", "cancelled"):
        return
    plan = fold_plan(second)
    one, two = outline(bench.plan, bench.plan.workflow), outline(plan, plan.workflow)
    redefined(bench, plan, contrasts(one, two)[0])
    bench.slots = 9
    state = bench.resume()
    assert facts_of(bench.replayed()) == facts_of(state)
    if state.status != "waiting":
        assert all(state.step_status[s.number] in ENDED for s in state.plan.steps if s.loop < 0)
        assert (state.moving, state.asking, state.left) == (0, 0, 0)


# ---- planned by another version ------------------------------------------------------------------


def test_a_run_can_be_looked_at_by_the_shape_that_is_stored_with_it(failed: Bench) -> None:
    state = failed.replayed()
    plan = plan_from_stored(failed.plan.stored(), "w", "W")
    shown = as_told(RunState(plan), failed.history())
    assert shown.status == "failed"
    wanted = {name: status for name, status in statuses(state).items() if "[" not in name}
    assert statuses(shown) == wanted
    assert PENDING not in wanted.values()


def test_what_another_version_plans_differently_is_told(failed: Bench) -> None:
    stored = plan_from_stored(failed.plan.stored(), "w", "W")
    edited = copy.deepcopy(FAILED)
    both(change("build", timeout="1m"), change("deploy", dependencies=[]))(edited)
    after = plan_of(edited)
    assert (
        contrasts(outline(stored, failed.plan.workflow), outline(failed.plan, failed.plan.workflow))[0] == []
    )
    found = contrasts(outline(stored, None), outline(after, after.workflow))[0]
    assert told(found) == {"build": ("timeout",), "deploy": ("dependencies",)}
