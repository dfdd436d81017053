"""What becomes of each step, for every way its dependencies and what is around it can end: against an oracle."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mplp_cli.errors import Failure
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.commands import Start
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.planning.make import make_plan
from tests.bench_of_runs import Bench, choice, fallback, parallel, planned, shell, statuses, workflow
from tests.conftest import EXHAUSTIVE
from tests.workflow.oracle import BAD, Oracle, inside, start

JOINS: list[Any] = ["all-completed", "all-ended", "any-completed", "none-failed", {"count": 1}, {"count": 2}]
#: `omitted` after a skip, `tainted` after a failure; both are omitted.
ENDS = ["completed", "failed", "skipped", "omitted", "tainted", "cancelled"]

# ---- two dependencies: the fold, fact by fact ----------------------------------------------------

ERROR = Failure(type="OSError", message="it broke")


def facts_of_end(step: str, end: str) -> list[h.Event]:
    """How a step ends so. What is omitted is omitted by the end of the step before it."""
    begun = h.StepStarted(1, step, 1)
    ways: dict[str, list[h.Event]] = {
        "completed": [begun, h.StepCompleted(2, step, 1, None)],
        "failed": [begun, h.StepFailed(2, step, 1, ERROR)],
        "cancelled": [begun, h.StepCancelled(2, step, 1, "it was not wanted any more")],
        "skipped": [h.StepSkipped(2, step, "it was not wanted")],
        "omitted": [h.StepSkipped(2, f"before-{step}", "it was not wanted")],
        "tainted": [h.StepStarted(1, f"before-{step}", 1), h.StepFailed(2, f"before-{step}", 1, ERROR)],
    }
    return ways[end]


def end_of_the_dependent(join: Any, first: str, second: str) -> str:
    """`runs` or `omitted`, when the dependencies end so, one after the other."""
    ends = {"a": first, "b": second}
    before = [shell(f"before-{d}") for d, end in ends.items() if end in ("omitted", "tainted")]
    steps = [
        shell(d, dependencies=[f"before-{d}"] if f"before-{d}" in {s["id"] for s in before} else [])
        for d in ends
    ]
    state = RunState(planned([*before, *steps, shell("j", dependencies=["a", "b"], join=join)]))
    facts = [h.RunStarted(0, "r", "w", {}, {}, "/", 4), *facts_of_end("a", first), *facts_of_end("b", second)]
    j = state.plan.number["j"]
    commands = [command for fact in facts for command in state.handle(fact)]
    assert statuses(state)["a"] == ("omitted" if first == "tainted" else first)
    started = [c for c in commands if isinstance(c, Start) and c.number == j]
    assert len(started) <= 1
    assert bool(started) != (state.step_status[j] == "omitted"), "it is decided once both have ended"
    return "runs" if started else "omitted"


@pytest.mark.parametrize("join", JOINS, ids=str)
def test_the_truth_table_of_a_join_over_two_dependencies(join: Any) -> None:
    for first, second in product(ENDS, ENDS):
        wanted = start(join, (first, second))
        found = end_of_the_dependent(join, first, second)
        assert found == ("runs" if wanted == "runs" else "omitted"), (first, second)


def test_the_oracle_itself_says_what_the_format_says() -> None:
    """Line by line, as the format has it, so that it is not the engine's twin."""
    rows = {end: [start(join, (end, "completed")) == "runs" for join in JOINS] for end in ENDS}
    #                  all-completed all-ended any-completed none-failed count 1  count 2
    assert rows == {
        "completed": [True, True, True, True, True, True],
        "failed": [False, True, True, False, True, False],
        "skipped": [False, True, True, True, True, False],
        "omitted": [False, True, True, True, True, False],
        "tainted": [False, True, True, False, True, False],
        "cancelled": [False, True, True, False, True, False],
    }


# ---- nested branches: whole runs -----------------------------------------------------------------

LEAVES: dict[str, dict[str, Any]] = {
    "completed": {"run": "ok"},
    "failed": {"run": "fail"},
    "skipped": {"run": "ok", "when": "false"},
    "mended": {"run": "fail", "fallback-actions": fallback("use-value", value=1)},
}


def boxes(name: str, steps: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Containers around some steps, by what they are."""
    other = [shell(f"{name}-other")]
    made = {f"parallel {f}": parallel(name, *steps, fail_on=f) for f in ("any", "all", "none")}
    made["then"] = choice(name, "true", steps, other)
    made["else"] = choice(name, "false", other, steps)
    made["not taken"] = choice(name, "false", steps)
    many = {"id": name, "type": "foreach", "items": [1, 2, 3], "steps": steps}
    made |= {"foreach": many, "foreach none": many | {"fail-on": "none", "max-parallel": 2}}
    made["loop"] = {"id": name, "type": "loop", "max-iterations": 2, "steps": steps}
    made["skipped"] = parallel(name, *steps, fail_on="any", when="false")
    return made


def check(document: dict[str, Any]) -> Counter[str]:
    """Run the workflow; it must end as the oracle says. How often each end was checked."""
    oracle = Oracle(document)
    plan, problems = make_plan(workflow(**document))
    assert plan is not None, problems
    state = Bench(plan, slots=8).start()
    found = statuses(state)
    # How many items a container has is open where it is open whether it runs.
    open_ = tuple(f"{step}[" for step, end in oracle.ends.items() if end == "?")
    assert {s for s in found if not s.startswith(open_)} == {
        s for s in oracle.ends if not s.startswith(open_)
    }
    omitted = {"tainted", "either"}
    sure = {
        s: "omitted" if end in omitted else end for s, end in oracle.ends.items() if s in found and end != "?"
    }
    assert {step: found[step] for step in sure} == sure
    assert oracle.run in ("?", state.status)
    return Counter(oracle.ends.values())


@pytest.mark.parametrize("outer", list(boxes("o", [])))
def test_nested_branches_and_what_comes_after_them(outer: str) -> None:
    for inner, first, second in product(boxes("i", []), LEAVES, LEAVES):
        leaves = [shell("x") | LEAVES[first], shell("y") | LEAVES[second]]
        box = boxes("o", [boxes("i", leaves)[inner], shell("z")])[outer]
        after = [shell(f"j{n}", dependencies=["o"], join=join) for n, join in enumerate(JOINS[:-1])]
        check({"steps": [box, *after]})


# ---- graphs of fifty steps -----------------------------------------------------------------------

STEPS = 50
SCRIPTS = ["ok", "ok", "ok", "ok", "sleep 0.5", "fail", "fail 1", "fail 2"]


CONTAINERS = ["parallel", "conditional", "foreach", "loop"]


class _Draft:
    """A document as it grows to its number of steps."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.count = 0

    def name(self) -> str:
        self.count += 1
        return f"s{self.count}"

    def steps(self, most: int, depth: int, *, graph: bool) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        while len(made) < most and self.count < STEPS:
            made.append(self.step(depth, [step["id"] for step in made] if graph else []))
        return made

    def step(self, depth: int, before: list[str]) -> dict[str, Any]:
        kinds = ["shell"] * 7 + ["set"] + (CONTAINERS if depth and self.count < STEPS - 4 else [])
        kind = self.draw(st.sampled_from(kinds))
        step: dict[str, Any] = {"id": self.name(), "type": kind}
        if kind == "parallel":
            step["fail-on"] = self.draw(st.sampled_from(["any", "all", "none"]))
            step["steps"] = self.steps(self.draw(st.integers(1, 6)), depth - 1, graph=True)
        elif kind == "conditional":
            step["condition"] = self.draw(st.sampled_from(["true", "false"]))
            step["then"] = self.steps(self.draw(st.integers(1, 3)), depth - 1, graph=False)
            if self.count < STEPS and self.draw(st.booleans()):
                step["else"] = self.steps(self.draw(st.integers(1, 3)), depth - 1, graph=False)
        elif kind == "foreach":
            step["items"] = list(range(self.draw(st.integers(0, 3))))
            step |= self.draw(
                st.sampled_from([{}, {"fail-on": "none"}, {"fail-on": "all"}, {"tolerated-failures": 1}])
            )
            step["steps"] = self.steps(self.draw(st.integers(1, 4)), depth - 1, graph=False)
        elif kind == "loop":
            step["max-iterations"] = self.draw(st.integers(1, 3))
            step["steps"] = self.steps(self.draw(st.integers(1, 3)), depth - 1, graph=False)
        elif kind == "set":
            step["values"] = {}
        else:
            self.work(step)
        if self.draw(st.integers(0, 7)) == 0:
            step["when"] = "false"
        needs = self.draw(st.lists(st.sampled_from(before[-8:]), unique=True, max_size=4)) if before else []
        if needs:
            joins = [*JOINS[:4], "all-completed", {"count": self.draw(st.integers(1, len(needs)))}]
            step |= {"dependencies": needs, "join": self.draw(st.sampled_from(joins))}
        return step

    def work(self, step: dict[str, Any]) -> None:
        step["run"] = self.draw(st.sampled_from(SCRIPTS))
        if "fail" not in step["run"]:
            return
        step["retry-policy"] = {"max-retries": self.draw(st.integers(0, 2)), "initial-delay": "10ms"}
        action = self.draw(st.sampled_from([None, None, "skip", "use-value", "run-step"]))
        more: dict[str, Any] = {"value": 1} if action == "use-value" else {}
        if action == "run-step" and self.count < STEPS:
            more["step"] = {
                "id": self.name(),
                "type": "shell",
                "run": self.draw(st.sampled_from(["ok", "fail"])),
            }
        if action is not None and (more or action == "skip"):
            step["fallback-actions"] = fallback(action, **more)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A workflow of fifty steps whose end does not depend on time, as far as the oracle can tell."""
    draft = _Draft(draw)
    last = draft.steps(draw(st.integers(0, 3)), 1, graph=False)
    made: dict[str, Any] = {"steps": draft.steps(STEPS, 2, graph=True)}
    if last:
        made["finally"] = last
    if draw(st.integers(0, 5)) == 0:
        made["execution"] = "sequential"
    return made


def count(steps: list[dict[str, Any]]) -> int:
    each = ("foreach", "loop")
    return sum(1 + count(s["steps"] if s["type"] in each else list(inside(s))) for s in steps)


seen: Counter[str] = Counter()


# Without shrinking: it would take minutes, and what the statuses are compared with says where to look.
@settings(max_examples=2_000 if EXHAUSTIVE else 60, derandomize=True, database=None, phases=[Phase.generate])
@given(documents())
def test_graphs_of_fifty_steps_end_as_the_oracle_says(document: dict[str, Any]) -> None:
    assert count([*document["steps"], *document.get("finally", [])]) == STEPS
    seen.update(check(document))


def test_hardly_any_end_in_those_graphs_depends_on_time_and_every_kind_of_end_comes_up() -> None:
    if not seen:
        test_graphs_of_fifty_steps_end_as_the_oracle_says()
    assert set(seen) >= {"completed", "skipped", "omitted", *BAD - {"cancelled"}}
    assert seen["?"] < sum(seen.values()) // 20
    assert min(seen[end] for end in ("completed", "failed", "skipped", "tainted")) > sum(seen.values()) // 40
