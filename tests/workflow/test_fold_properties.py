"""What must hold for every workflow: replay equals live, never stuck, nothing leaks, a crash changes nothing.

`documents()` gives workflows whose end does not depend on time, so that a run which dies anywhere must
end like one that does not. `wild_documents()` has everything (timeouts, attempts that are hard to stop,
questions to people, aborts); there, what must hold is that the run stays whole, whatever is done to it.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mplp_cli.engine.drive import Drive
from mplp_cli.engine.requests import go_on, hear, pause
from mplp_cli.errors import RunStateError
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.commands import Start
from mplp_cli.workflow.fold.room import Room
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.fold.statuses import ENDED, RUNNING
from mplp_cli.workflow.plan import CONTAINERS, Plan
from mplp_cli.workflow.planning.make import make_plan
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.resources import Kind, Pool, Unit
from tests.bench_of_runs import Bench, Died, statuses, workflow
from tests.virtual import facts_of

CALM = ["ok", "ok", "ok", "fail", "fail 1", "fail 2", "sleep 0.5"]
WILD = [*CALM, "sleep 3", "linger 2 1", "deaf 1", "sour 2"]
JOINS: list[Any] = [
    "all-completed",
    "all-completed",
    "all-ended",
    "none-failed",
    "any-completed",
    "count",
    "count",
]
#: What attempts hold of it.
POOL = Pool(
    {
        "cpu": Kind(name="cpu", units=(Unit("cpu", 2_000),)),
        "gpu": Kind(name="gpu", units=(Unit("a", 1_000), Unit("b", 1_000))),
    }
)
RESOURCES: list[Any] = [
    {"cpu": 0.5},
    {"cpu": 2},
    {"custom": {"gpu": 1}},
    {"cpu": 1, "custom": {"gpu": 2}, "strategy": "balanced"},
    {"cpu": 1.5, "custom": {"gpu": 1}, "strategy": "priority"},
]
#: Steps that are always the same.
FIXED: dict[str, dict[str, Any]] = {
    "emit": {"event": {"type": "news", "data": {"of": "${run.id}"}}},
    "event": {"event": {"type": "n*", "where": "event.data.of is string"}, "timeout": "1s"},
    "operation": {
        "type": "module-operation",
        "module": "context",
        "operation": "create-context",
        "parameters": {"name": "A"},
    },
}
KINDS = ["leaf", "leaf", "leaf", "parallel", "conditional", "foreach", "loop"]
# Actions of fallbacks; a question needs a person, and an abort depends on time.
ACTIONS = [None, None, "skip", "use-value", "run-step"]


class _Names:
    def __init__(self, *, wild: bool) -> None:
        self.wild = wild
        self.count = 0

    def next(self) -> str:
        self.count += 1
        return f"s{self.count}"


@st.composite
def leaf(draw: st.DrawFn, names: _Names, before: list[str]) -> dict[str, Any]:
    """A set, shell or wait step."""
    step: dict[str, Any] = {"id": names.next()}
    if draw(st.integers(0, 4)) == 0:
        step["default"] = {"instead": True}
    kinds = ["set", "shell", "shell", "wait", "emit"]
    kind = draw(st.sampled_from([*kinds, "approval", "event", "operation"] if names.wild else kinds))
    step["type"] = "wait" if kind == "event" else kind
    if kind == "set":
        step["values"] = {"n": 1}
        if draw(st.booleans()) and before:
            fields = ["status", "status", "attempts", "result"] if names.wild else ["status"]
            field = draw(st.sampled_from(fields))
            step["values"]["was"] = f"${{{draw(st.sampled_from(before))}.{field}}}"
    elif kind == "wait":
        step["for"] = draw(st.sampled_from(["1ms", "10ms", "2s"]))
    elif kind in FIXED:
        step |= FIXED[kind]
    elif kind == "approval":
        step["message"] = "Go on?"
        if draw(st.booleans()):
            step |= {"timeout": draw(st.sampled_from(["10ms", "1s"])), "retry-policy": {"max-retries": 1}}
    else:
        step["run"] = draw(st.sampled_from(WILD if names.wild else CALM))
        step |= draw(st.sampled_from([{}, {}, {}, *({"resources": stated} for stated in RESOURCES)]))
        if names.wild and draw(st.integers(0, 3)) == 0:
            step["once"] = True
        if draw(st.booleans()):
            step["retry-policy"] = {"max-retries": draw(st.integers(0, 2)), "initial-delay": "10ms"}
        if draw(st.integers(0, 3)) == 0:
            step["timeout"] = "100ms"
    action = draw(st.sampled_from([*ACTIONS, "abort", "escalate-to-human"] if names.wild else ACTIONS))
    if action is not None and (kind == "shell" or names.wild):
        step["fallback-actions"] = [draw(_fallback(names, action))]
        if names.wild and draw(st.integers(0, 3)) == 0:
            more = draw(_fallback(names, draw(st.sampled_from(["skip", "run-step"]))))
            step["fallback-actions"].insert(
                0, more | {"condition": draw(st.sampled_from(["timeout", "error"]))}
            )
    return step


@st.composite
def _fallback(draw: st.DrawFn, names: _Names, action: str) -> dict[str, Any]:
    made: dict[str, Any] = {"condition": "any", "action": action}
    if action == "use-value":
        made["value"] = {"output": "instead"}
    if action == "escalate-to-human" and draw(st.booleans()):
        made["timeout"] = draw(st.sampled_from(["10ms", "1s"]))
    if action == "run-step":
        made["step"] = {
            "id": names.next(),
            "type": "shell",
            "run": draw(st.sampled_from(WILD if names.wild else CALM)),
        }
        if names.wild and draw(st.integers(0, 3)) == 0:
            made["step"] = {"id": names.next(), "type": "parallel", "steps": [made["step"]]}
    return made


@st.composite
def graph(
    draw: st.DrawFn, names: _Names, depth: int, *, ordered: bool, most: int = 5
) -> list[dict[str, Any]]:
    """Steps of one container; dependencies only on earlier siblings."""
    steps: list[dict[str, Any]] = []
    for _ in range(draw(st.integers(1, most))):
        before = [] if ordered else [s["id"] for s in steps]
        kind = draw(st.sampled_from(KINDS)) if depth else "leaf"
        if kind == "leaf":
            step = draw(leaf(names, before))
        elif kind == "parallel":
            step = {
                "id": names.next(),
                "type": "parallel",
                "fail-on": draw(st.sampled_from(["any", "all", "none"])),
            }
            step["steps"] = draw(graph(names, depth - 1, ordered=False, most=3))
            if draw(st.booleans()):
                step["max-parallel"] = draw(st.integers(1, 2))
            if names.wild:
                step["race"] = draw(st.booleans())
        elif kind in ("foreach", "loop"):
            step = draw(repeated(names, depth, kind))
        else:
            step = {
                "id": names.next(),
                "type": "conditional",
                "condition": draw(st.sampled_from(["true", "false"])),
            }
            step["then"] = draw(graph(names, depth - 1, ordered=True, most=2))
            if draw(st.booleans()):
                step["else"] = draw(graph(names, depth - 1, ordered=True, most=2))
        if names.wild and kind != "leaf" and draw(st.integers(0, 2)) == 0:
            step["timeout"] = draw(st.sampled_from(["10ms", "20ms", "500ms", "1s"]))
        if before:
            needs = draw(st.lists(st.sampled_from(before), unique=True, max_size=3))
            step["dependencies"] = sorted({*needs, *_mentioned(step)})
            if step["dependencies"]:
                join = draw(st.sampled_from(JOINS))
                most_of_them = len(step["dependencies"])
                step["join"] = {"count": draw(st.integers(1, most_of_them))} if join == "count" else join
                if join in ("any-completed", "count") and not names.wild and _mentioned(step):
                    del step["values"]["was"]  # how far the others have come by then depends on time
        if draw(st.integers(0, 4)) == 0:
            step["when"] = draw(st.sampled_from(["false", "true", "1 < 2"]))
        step["priority"] = draw(st.integers(-1, 1))
        steps.append(step)
    return steps


@st.composite
def repeated(draw: st.DrawFn, names: _Names, depth: int, kind: str) -> dict[str, Any]:
    """A foreach over a few items, or a loop of a few iterations."""
    step: dict[str, Any] = {"id": names.next(), "type": kind}
    step["steps"] = draw(graph(names, depth - 1, ordered=True, most=2))
    if kind == "foreach":
        step["items"] = draw(st.sampled_from([[], [1], [1, 2, 3]]))
        step["fail-on"] = draw(st.sampled_from(["any", "all", "none"]))
        step["tolerated-failures"] = draw(st.sampled_from([0, 1, "50%"]))
        if draw(st.booleans()):
            step["max-parallel"] = draw(st.integers(1, 2))
    else:
        step["max-iterations"] = draw(st.integers(1, 3))
        step |= draw(st.sampled_from([{}, {"until": "index >= 1"}, {"while": "true"}, {"while": "false"}]))
        step["delay"] = draw(st.sampled_from(["0ms", "10ms"]))
    return step


def _mentioned(step: dict[str, Any]) -> list[str]:
    text = step.get("values", {}).get("was", "")
    return [text[2:].partition(".")[0]] if text else []


@st.composite
def documents(draw: st.DrawFn, *, wild: bool = False) -> dict[str, Any]:
    """A whole workflow."""
    names = _Names(wild=wild)
    document: dict[str, Any] = {"steps": draw(graph(names, 2, ordered=False))}
    if draw(st.booleans()):
        document["finally"] = draw(graph(names, 1 if wild else 0, ordered=True, most=2))
    document["execution"] = draw(st.sampled_from(["graph", "graph", "sequential"]))
    document["max-parallel"] = draw(st.integers(1, 3))
    if wild:
        document["fail-fast"] = draw(st.integers(0, 3)) == 0
        if draw(st.integers(0, 3)) == 0:
            document["timeout"] = draw(st.sampled_from(["10ms", "100ms", "1s"]))
        if draw(st.booleans()):
            document["outputs"] = {"x": f"${{{document['steps'][0]['id']}.result}}", "y": "${run.status}"}
    return document


def wild_documents() -> st.SearchStrategy[dict[str, Any]]:
    """Workflows with everything."""
    return documents(wild=True)


def plan_of(document: dict[str, Any]) -> Plan:
    plan, problems = make_plan(workflow(**document))
    assert plan is not None, problems
    return plan


def live(state: RunState) -> list[int]:
    """The steps that are none of a foreach's or a loop's blueprints."""
    return [s.number for s in state.plan.steps if s.loop < 0]


def results(state: RunState) -> dict[str, Any]:
    """What each step gave."""
    return {state.plan.steps[i].id: state.results[i] for i in live(state)}


# ---- what must hold ----------------------------------------------------------------------------


def check_whole(state: RunState, bench: Bench) -> None:
    """What must hold for any run that has ended."""
    assert state.status in ENDED
    assert all(state.step_status[i] in ENDED for i in live(state))
    assert not bench.work.breaches
    assert bench.work.most <= bench.slots
    assert bench.work.running == set()
    assert (state.slots, state.moving, state.asking, state.left) == (bench.slots, 0, 0, 0)
    lanes = {s.number: s.lanes for s in state.plan.steps if s.lanes}
    assert {i: free for i, free in state.lanes.items() if i in lanes} == lanes
    assert not state.holding
    assert not state.in_lane
    if state.room is not None:
        assert not state.room.waits
        assert not any(state.room.stock.held())
    assert not bench.store.shares.all()
    assert not state.due
    assert not state.approvals
    assert all(confirm.body["status"] != "pending" for confirm in bench.store.objects("confirm"))
    assert [event.id for _, event in bench.store.board.newest(9_999) if event.source != "test"] == list(
        state.emitted
    )
    check_explained(state)
    check_order(bench)


def check_explained(state: RunState) -> None:
    """Every end state says why: a reason, the step that decided it, or an error."""
    for i in live(state):
        status = state.step_status[i]
        if status in ("skipped", "omitted", "cancelled"):
            assert state.reasons[i], state.plan.steps[i].id
        if status == "omitted":
            assert state.because[i] in state.plan.number
        if status == "failed":
            assert state.errors[i].message
            assert state.ended_at[i]
    if state.status == "failed":
        assert state.error is not None


def check_order(bench: Bench) -> None:
    """Nothing after the end; nothing starts in a run that stops or pauses; what is completed never starts again."""
    plan = bench.replayed().plan
    over = stopping = finalizing = pausing = called_off = False
    completed: set[str] = set()
    for fact in bench.history():
        assert not over or isinstance(fact, h.RunResumed)
        over = isinstance(fact, h.RUN_ENDS)
        pausing = _goes_on_pausing(pausing, fact, called_off=called_off)
        called_off = not over and (called_off or _calls_off(fact))
        if isinstance(fact, h.RunStopping):
            stopping = True
        elif isinstance(fact, h.RunFinalizing):
            assert not finalizing, "finally ran twice for one ending"
            assert not pausing, "finally began in a run that pauses"
            finalizing = True
        elif isinstance(fact, h.RunFailed):
            stopping = finalizing = False
            completed = {name for name in completed if not plan.steps[plan.number[name]].final}
        elif isinstance(fact, h.StepCompleted):
            assert fact.step not in completed, "a completed step was recorded twice"
            completed.add(fact.step)
        elif isinstance(fact, h.StepStarted):
            assert fact.step not in completed, "a completed step started again"
            assert plan.steps[plan.number[fact.step]].final == finalizing
            assert not stopping or finalizing, "a step started in a run that stops"
            container = plan.steps[plan.number[fact.step]].kind in CONTAINERS
            assert not pausing or container, "a step started in a run that pauses"


def _calls_off(fact: h.Event) -> bool:
    return isinstance(fact, h.RunStopping) and fact.cause in ("cancel", "kill")


def _goes_on_pausing(pausing: bool, fact: h.Event, *, called_off: bool) -> bool:
    """Whether a run pauses after the fact."""
    if isinstance(fact, h.RunContinued | h.RunResumed) or _calls_off(fact):
        return False
    return pausing or (isinstance(fact, h.RunPausing) and not called_off)


def check_prefixes(bench: Bench) -> None:
    """At no fact do more attempts run than there are slots, and nothing that has ended is started."""
    state = RunState(bench.plan)
    state.room = Room(POOL, lambda: 0)
    for fact in bench.history():
        commands = state.handle(fact)
        running = [
            i
            for i, s in enumerate(state.step_status)
            if s is RUNNING and state.plan.steps[i].effect and i not in state.open
        ]
        assert len(running) <= bench.slots
        assert 0 <= state.slots <= bench.slots
        held = state.room.stock.held()
        assert all(0 <= amount <= there for amount, there in zip(held, (2_000, 1_000, 1_000), strict=True))
        assert all(0 <= free <= state.plan.steps[i].lanes for i, free in state.lanes.items())
        assert state.left >= 0
        assert state.moving >= 0
        assert all(left >= 0 for left in state.open.values())
        if isinstance(fact, h.RunPaused):
            assert not running
            assert not state.holding
            assert state.slots == bench.slots
        starts = [c.number for c in commands if isinstance(c, Start)]
        assert len(starts) == len(set(starts))
        assert not [i for i in starts if state.step_status[i] in ENDED]


# ---- undisturbed -------------------------------------------------------------------------------


@given(documents() | wild_documents())
def test_every_run_ends_or_asks_and_its_history_gives_the_same_state(document: dict[str, Any]) -> None:
    bench = Bench(plan_of(document), pool=POOL)
    state = bench.start()
    if state.status == "waiting":
        assert state.approvals
    else:
        check_whole(state, bench)
    assert facts_of(bench.replayed()) == facts_of(state)
    assert bench.told == bench.history()


@given(documents() | wild_documents())
def test_the_fold_of_every_prefix_is_sound(document: dict[str, Any]) -> None:
    bench = Bench(plan_of(document), pool=POOL)
    bench.start()
    check_prefixes(bench)


# ---- deaths ------------------------------------------------------------------------------------


@given(documents(), st.data())
def test_a_run_that_dies_at_any_commits_ends_like_one_that_does_not(
    document: dict[str, Any], data: st.DataObject
) -> None:
    plan = plan_of(document)
    undisturbed = Bench(plan, pool=POOL)
    wanted = undisturbed.start()
    bench = Bench(plan, pool=POOL, batch=data.draw(st.sampled_from([1, 3, 256])))
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
    assert results(state) == results(wanted)


# ---- pauses ------------------------------------------------------------------------------------


@given(documents(), st.data())
def test_a_run_that_is_paused_again_and_again_ends_like_one_that_is_not(
    document: dict[str, Any], data: st.DataObject
) -> None:
    plan = plan_of(document)
    undisturbed = Bench(plan, pool=POOL)
    wanted = undisturbed.start()
    bench = Bench(plan, pool=POOL, batch=data.draw(st.sampled_from([1, 3, 256])))
    state = None
    for life in range(9):
        acts = data.draw(st.dictionaries(st.integers(1, 9), st.sampled_from(["pause", "go on"]), max_size=3))
        bench.acts = {len(bench.told) + after: ACTS[act] for after, act in acts.items() if life < 8}
        state = bench.start() if state is None else bench.resume()
        assert facts_of(bench.replayed()) == facts_of(state)
        if state.status in ENDED:
            break
        assert state.status == "paused"
    assert state is not None
    check_whole(state, bench)
    check_prefixes(bench)
    assert statuses(state) == statuses(wanted)
    assert state.status == wanted.status
    assert _timeless(results(state)) == _timeless(results(wanted))


def _timeless(found: dict[str, Any]) -> str:
    """Results without what a pause makes longer."""
    return re.sub(r"'waited': \d+", "", repr(sorted(found.items())))


# ---- everything --------------------------------------------------------------------------------


def _answer(verb: Any) -> Any:
    def act(drive: Drive) -> None:
        for i in sorted(drive.state.approvals):
            try:
                drive.decide(drive.state.plan.steps[i].id, verb, "ann", "")
            except RunStateError:  # it has its answer already
                continue

    return act


def _die(drive: Drive) -> None:
    raise Died


def _tell(drive: Drive) -> None:
    """Somebody publishes an event, and the run hears it."""
    event = Published(id=drive.world.ids.uuid(), type="news", source="test", at=0, data={"of": "somebody"})
    drive.world.board.publish(event)
    hear(drive, drive._facts)


ACTS = {
    "tell": _tell,
    "cancel": lambda drive: drive.cancel("ann"),
    "kill": lambda drive: drive.kill("ann"),
    "pause": lambda drive: pause(drive, "ann"),
    "go on": lambda drive: go_on(drive, "ann"),
    "approve": _answer("approve"),
    "reject": _answer("reject"),
    "die": _die,
}


@given(wild_documents(), st.data())
def test_whatever_is_done_to_a_run_it_stays_whole(document: dict[str, Any], data: st.DataObject) -> None:
    """Cancels, kills, pauses, answers and deaths at any fact and any commit; failed runs are resumed."""
    bench = Bench(plan_of(document), pool=POOL, batch=data.draw(st.sampled_from([1, 2, 256])))
    state = None
    for life in range(10):
        acts = (
            data.draw(st.dictionaries(st.integers(1, 12), st.sampled_from(sorted(ACTS)), max_size=3))
            if life < 6
            else {}
        )
        bench.acts = {len(bench.told) + after: ACTS[act] for after, act in acts.items()}
        dies = data.draw(st.none() | st.tuples(st.integers(1, 6), st.booleans())) if life < 6 else None
        before = data.draw(st.sampled_from(["approve", "approve", "reject", "cancel", "kill"]))
        failed = state is not None and state.status == "failed"
        act = _answer("approve") if failed else ACTS[before]  # nobody stops what has ended
        try:
            state = bench.resume(dies, before=act) if state is not None else bench.start(dies=dies)
        except Died:
            state = bench.replayed()
        else:
            assert facts_of(bench.replayed()) == facts_of(state)
            assert state.status not in ENDED or bench.unstored() == []
        if state.status in ENDED:
            check_whole(state, bench)
        if state.status == "paused":
            assert (state.slots, state.holding) == (bench.slots, set())
        if state.status in ("completed", "cancelled"):
            break
    check_order(bench)
    check_prefixes(bench)
    assert state is not None
    if state.status == "waiting":  # a step that fails, is approved and fails again
        assert state.approvals


@pytest.mark.parametrize("steps", [0, 1])
def test_a_run_of_next_to_nothing_is_whole_too(steps: int) -> None:
    bench = Bench(
        plan_of({"steps": [{"id": "a", "type": "set", "values": {}}] * 1, "max-parallel": 1 + steps})
    )
    check_whole(bench.start(), bench)
