"""What must hold for every workflow: replay equals live, never stuck, and a crash changes nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mplp_cli.workflow import history as h
from mplp_cli.workflow.commands import Start
from mplp_cli.workflow.plan import Plan
from mplp_cli.workflow.planning import make_plan
from mplp_cli.workflow.state import RunState
from mplp_cli.workflow.statuses import ENDED, RUNNING
from tests.bench_of_runs import Bench, Died, statuses, workflow
from tests.virtual import facts_of

SCRIPTS = st.sampled_from(["ok", "ok", "ok", "fail", "fail 1", "fail 2", "sleep 0.5"])


class _Names:
    def __init__(self) -> None:
        self.count = 0

    def next(self) -> str:
        self.count += 1
        return f"s{self.count}"


@st.composite
def leaf(draw: st.DrawFn, names: _Names, before: list[str]) -> dict[str, Any]:
    """A set, shell or wait step."""
    step: dict[str, Any] = {"id": names.next()}
    kind = draw(st.sampled_from(["set", "shell", "shell", "wait"]))
    step["type"] = kind
    if kind == "set":
        step["values"] = {"n": 1}
        if before and draw(st.booleans()):
            step["values"]["was"] = f"${{{draw(st.sampled_from(before))}.status}}"
    elif kind == "wait":
        step["for"] = draw(st.sampled_from(["0ms", "10ms", "2s"]))
        step["for"] = "1ms" if step["for"] == "0ms" else step["for"]
    else:
        step["run"] = draw(SCRIPTS)
        if draw(st.booleans()):
            step["retry-policy"] = {"max-retries": draw(st.integers(0, 2)), "initial-delay": "10ms"}
        if draw(st.integers(0, 3)) == 0:
            step["timeout"] = "100ms"
        action = draw(st.sampled_from([None, None, "skip", "use-value", "run-step"]))
        if action is not None:
            step["fallback-actions"] = [{"condition": "any", "action": action}]
            if action == "use-value":
                step["fallback-actions"][0]["value"] = {"output": "instead"}
            if action == "run-step":
                inner = {"id": names.next(), "type": "shell", "run": draw(SCRIPTS)}
                step["fallback-actions"][0]["step"] = inner
    return step


@st.composite
def graph(draw: st.DrawFn, names: _Names, depth: int, *, ordered: bool, most: int = 5) -> list[dict[str, Any]]:
    """Steps of one container; dependencies only on earlier siblings."""
    steps: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(1, most))):
        before = [] if ordered else [s["id"] for s in steps]
        kind = draw(st.sampled_from(["leaf", "leaf", "leaf", "parallel", "conditional"])) if depth else "leaf"
        if kind == "leaf":
            step = draw(leaf(names, before))
        elif kind == "parallel":
            step = {"id": names.next(), "type": "parallel", "fail-on": draw(st.sampled_from(["any", "all", "none"]))}
            step["steps"] = draw(graph(names, depth - 1, ordered=False, most=3))
            if draw(st.booleans()):
                step["max-parallel"] = draw(st.integers(1, 2))
        else:
            step = {"id": names.next(), "type": "conditional", "condition": draw(st.sampled_from(["true", "false"]))}
            step["then"] = draw(graph(names, depth - 1, ordered=True, most=2))
            if draw(st.booleans()):
                step["else"] = draw(graph(names, depth - 1, ordered=True, most=2))
        if before:
            needs = draw(st.lists(st.sampled_from(before), unique=True, max_size=3))
            step["dependencies"] = sorted({*needs, *_mentioned(step)})
            if step["dependencies"]:
                step["join"] = draw(st.sampled_from(
                    ["all-completed", "all-completed", "all-ended", "none-failed", "any-completed", {"count": 1}]))
        if draw(st.integers(0, 4)) == 0:
            step["when"] = draw(st.sampled_from(["false", "true", "1 < 2"]))
        steps.append(step)
    return steps


def _mentioned(step: dict[str, Any]) -> list[str]:
    text = step.get("values", {}).get("was", "")
    return [text[2:].partition(".")[0]] if text else []


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A whole workflow."""
    names = _Names()
    document: dict[str, Any] = {"steps": draw(graph(names, 2, ordered=False))}
    if draw(st.booleans()):
        document["finally"] = draw(graph(names, 0, ordered=True, most=2))
    document["execution"] = draw(st.sampled_from(["graph", "graph", "sequential"]))
    document["max-parallel"] = draw(st.integers(1, 3))
    return document


def plan_of(document: dict[str, Any]) -> Plan:
    plan, problems = make_plan(workflow(**document))
    assert plan is not None, problems
    return plan


def check_whole(state: RunState, bench: Bench) -> None:
    """What must hold for any run that has ended."""
    assert state.status in ENDED
    assert all(status in ENDED for status in state.step_status)
    assert not bench.work.breaches
    assert bench.work.most <= bench.slots
    assert (state.slots, state.moving, state.asking, state.left) == (bench.slots, 0, 0, 0)
    assert state.lanes == {s.number: s.lanes for s in bench.plan.steps if s.lanes}


@given(documents())
def test_every_run_ends_and_its_history_gives_the_same_state(document: dict[str, Any]) -> None:
    bench = Bench(plan_of(document))
    state = bench.start()
    check_whole(state, bench)
    assert facts_of(bench.replayed()) == facts_of(state)
    assert [f for f in bench.told] == bench.history()


@given(documents())
def test_the_fold_of_every_prefix_is_sound(document: dict[str, Any]) -> None:
    """At no fact do more attempts run than there are slots, and no started step starts again while it runs."""
    bench = Bench(plan_of(document))
    bench.start()
    state = RunState(bench.plan)
    for fact in bench.history():
        commands = state.handle(fact)
        running = [i for i, s in enumerate(state.step_status) if s is RUNNING and bench.plan.steps[i].effect
                   and i not in state.open]
        assert len(running) <= bench.slots
        assert 0 <= state.slots <= bench.slots
        assert all(free >= 0 for free in state.lanes.values())
        starts = [c.number for c in commands if isinstance(c, Start)]
        assert not [i for i in starts if state.step_status[i] in ENDED]


@given(documents(), st.data())
def test_a_run_that_dies_at_any_commits_ends_like_one_that_does_not(document: dict[str, Any], data: st.DataObject) -> None:
    plan = plan_of(document)
    undisturbed = Bench(plan)
    wanted = undisturbed.start()
    bench = Bench(plan, batch=data.draw(st.sampled_from([1, 3, 256])))
    deaths = 0
    state = None
    while state is None:
        dies = (data.draw(st.integers(1, 6)), data.draw(st.booleans())) if deaths < 12 else None
        try:
            state = bench.resume(dies) if deaths else bench.start(dies=dies)
        except Died:
            deaths += 1
            left = bench.replayed()
            state = left if left.status in ENDED else None  # it died right after its last commit
    check_whole(state, bench)
    assert facts_of(bench.replayed()) == facts_of(state)
    assert statuses(state) == statuses(wanted)
    assert state.status == wanted.status
    assert bench.work.running == set()
    completed = [f.step for f in bench.history() if isinstance(f, h.StepCompleted)]
    assert len(completed) == len(set(completed)), "a completed step was recorded twice"
    assert state.results == wanted.results
