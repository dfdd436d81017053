"""When each step of a run did what, where the time axis is drawn short, and how graphs are folded and laid out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mplp_cli.errors import Failure
from mplp_cli.loading import load_workflow
from mplp_cli.observe.axis import axis
from mplp_cli.observe.graph import Arrow, Graph, Node, graph_of, reduced
from mplp_cli.observe.layout import arrange
from mplp_cli.observe.levels import levels, thinned
from mplp_cli.observe.picture import Picture, picture
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.plan import Plan
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.resources import Usage
from mplp_cli.workflow.revision.telling import replay

BAD = Failure(type="ShellExitError", message="exit code 3")


def plan_of(steps: str) -> Plan:
    loaded = load_workflow(
        f"workflow: {{id: w, name: W, version: 1.0.0, max-parallel: 1, steps: {steps}}}".encode(), "w.yaml"
    )
    assert loaded.plan is not None, loaded.problems
    return loaded.plan


def drawn(plan: Plan, *facts: h.Event, now: int) -> Picture:
    every = [h.RunStarted(1_000, "r1", "w", {}, {}, "/", 1), *facts]
    return picture(plan, replay(RunState(plan), every), every, now)


def told(one: Picture, step: str) -> list[tuple[str, int, int, str]]:
    return [(mark.what, mark.begun, mark.ended, mark.outcome) for mark in one.marks[step]]


FLAKY = "[{id: a, type: shell, run: x, retry-policy: {max-retries: 1}}, {id: b, type: shell, run: x}]"


def test_attempts_retries_and_the_wait_for_a_slot_are_told_apart() -> None:
    one = drawn(
        plan_of(FLAKY),
        h.StepStarted(1_000, "a", 1),
        h.StepRetrying(2_000, "a", 1, BAD, 500, 2_500),
        h.StepStarted(2_000, "b", 1),
        h.StepRetryDue(2_500, "a"),
        h.StepCompleted(3_000, "b", 1, {}),
        h.StepStarted(3_000, "a", 2),
        now=4_000,
    )
    assert told(one, "a") == [
        ("attempt", 1_000, 2_000, "failed"),
        ("again", 2_000, 2_500, ""),
        ("slot", 2_500, 3_000, ""),
        ("attempt", 3_000, 4_000, "running"),
    ]
    assert told(one, "b") == [("slot", 1_000, 2_000, ""), ("attempt", 2_000, 3_000, "completed")]
    assert one.spent() == {"attempt": 3_000, "again": 500, "slot": 1_500}


def test_what_a_step_declares_is_what_it_waited_for_where_slots_were_free() -> None:
    plan = plan_of("[{id: a, type: shell, run: x}, {id: b, type: shell, run: x, resources: {cpu: 1}}]")
    every: list[h.Event] = [
        h.RunStarted(1_000, "r1", "w", {}, {}, "/", 4),
        h.StepStarted(1_000, "a", 1),
        h.StepCompleted(2_000, "a", 1, {}, usage=Usage(cpu_ms=500)),
        h.StepStarted(2_000, "b", 1),
    ]
    state = replay(RunState(plan), every)
    one = picture(plan, state, every, 3_000)
    assert told(one, "b")[0] == ("resources", 1_000, 2_000, "")
    found = {level.name: level for level in levels(one, plan, 4)}
    assert (found["slots"].peak, found["slots"].mean, found["slots"].capacity) == (1, 1.0, 4)
    assert found["cpu"].steps == ((1_000, 0), (2_000, 1_000), (3_000, 0))
    assert found["cpu used"].peak == 500
    assert thinned(found["cpu"], [1_000, 1_500, 2_000, 2_500, 3_001]) == [0, 0, 1_000, 1_000]


def test_a_question_a_lost_process_and_an_event_leave_their_marks() -> None:
    plan = plan_of(
        "[{id: ask, type: approval, message: Go?}, {id: work, type: shell, run: x},"
        " {id: tell, type: emit, event: {type: it.is.done}, dependencies: [ask]}]"
    )
    one = drawn(
        plan,
        h.StepWaiting(1_100, "ask", 1, approval=h.Approval(id="q", message="Go?", own=True)),
        h.StepStarted(1_200, "work", 1),
        h.RunResumed(9_000, "mplp"),
        h.StepDecided(9_100, "ask", "approved", by="ann", given_at=9_050),
        h.StepCompleted(9_100, "ask", 1, {"by": "ann"}),
        h.StepEmitted(9_200, "tell", 1, Published(id="e", type="it.is.done", source="x", at=9_200)),
        h.StepCompleted(9_200, "tell", 1, {}),
        now=9_500,
    )
    assert told(one, "ask")[0] == ("person", 1_100, 9_100, "")
    assert told(one, "work")[0] == ("queue", 1_000, 1_200, "")
    assert ("attempt", 1_200, 1_200, "lost") in told(one, "work")
    assert one.pauses == [("nobody", 1_200, 9_000)]
    [asked] = one.answers
    assert (asked.decision, asked.by, asked.decided) == ("approved", "ann", 9_050)
    assert [event.event.type for event in one.told] == ["it.is.done"]
    assert len(told(one, "tell")) == 1


# ---- the axis


def test_a_long_wait_is_drawn_short_and_stays_in_its_order() -> None:
    made = axis(0, 100_000, [(0, 1_000), (99_000, 100_000)])
    [gap] = made.gaps
    assert (gap.begun, gap.ended) == (1_000, 99_000)
    assert gap.right - gap.left < 0.1
    assert abs(made.place(1_000) - gap.left) < 1e-9
    assert made.place(100_000) == 1.0
    assert all(not 1_000 < at < 99_000 for at, _ in made.ticks())


@given(
    st.lists(st.tuples(st.integers(0, 10**8), st.integers(0, 10**8)).map(sorted).map(tuple), max_size=8),
    st.integers(0, 10**9),
)
def test_the_axis_never_runs_backwards(work: list[tuple[int, int]], length: int) -> None:
    made = axis(0, length, work)
    moments = sorted({0, length, *(at for span in work for at in span if at <= length)})
    places = [made.place(at) for at in moments]
    assert places == sorted(places)
    assert all(0 <= place <= 1 for place in places)
    assert (
        all(abs(made.place(made.moment(place)) - place) < 0.01 for place in (0.0, 0.3, 1.0)) or length < 1_000
    )
    assert len(made.ticks()) <= 14


# ---- the graph


def test_what_is_repeated_is_drawn_once_and_branches_are_boxes() -> None:
    plan = plan_of(
        "[{id: each, type: foreach, items: [1], steps: [{id: inner, type: set, values: {}}]},"
        " {id: choose, type: conditional, condition: 'true', then: [{id: left, type: set, values: {}}],"
        " else: [{id: right, type: set, values: {}}], dependencies: [each]},"
        " {id: late, type: shell, run: x, dependencies: [choose], fallback-actions:"
        " [{condition: any, action: run-step, step: {id: instead, type: set, values: {}}}]}]"
    )
    made = graph_of(plan)
    names = {node.id: node for node in made.nodes}
    assert list(names) == ["each", "choose", "late", "instead"]
    assert names["choose"].inside is not None
    assert [box.id for box in names["choose"].inside.nodes] == ["if so", "if not"]
    assert {(arrow.source, arrow.target, arrow.kind) for arrow in made.arrows} == {
        (names["each"].key, names["choose"].key, "needs"),
        (names["choose"].key, names["late"].key, "needs"),
        (names["late"].key, names["instead"].key, "fallback"),
    }


def test_many_steps_are_folded_and_none_is_lost() -> None:
    wide = ", ".join(f"{{id: s{n}, type: set, values: {{}}, dependencies: [first]}}" for n in range(300))
    made = graph_of(plan_of(f"[{{id: first, type: set, values: {{}}}}, {wide}]"))
    assert [node.size for node in made.nodes] == [1, 300]
    assert made.folded == 300
    chain = ", ".join(
        f"{{id: s{n}, type: set, values: {{}}, dependencies: [{f's{n - 1}' if n else ''}]}}"
        for n in range(500)
    )
    made = graph_of(plan_of(f"[{chain}]"))
    assert sum(node.size for node in made.nodes) == 500
    assert len(made.nodes) <= 40
    assert len(made.arrows) == len(made.nodes) - 1


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[int, tuple[int, int]], list[tuple[int, int]]]:
    count = draw(st.integers(1, 12))
    sizes = {n: (draw(st.integers(5, 20)), draw(st.integers(3, 9))) for n in range(count)}
    pairs = [(a, b) for b in range(count) for a in range(b)]
    return sizes, draw(st.lists(st.sampled_from(pairs), unique=True, max_size=20)) if pairs else []


@given(graphs())
def test_no_box_lies_on_another_and_arrows_lead_down_from_box_to_box(
    made: tuple[dict[int, tuple[int, int]], list[tuple[int, int]]],
) -> None:
    sizes, arrows = made
    laid = arrange(sizes, arrows)
    boxes = [(*laid.places[key], *sizes[key]) for key in sizes]
    for n, (x, y, wide, high) in enumerate(boxes):
        assert x >= 0
        assert y >= 0
        assert x + wide <= laid.width
        assert y + high <= laid.height
        for left, top, across, down in boxes[:n]:
            assert x >= left + across or left >= x + wide or y >= top + down or top >= y + high
    assert {(route.source, route.target) for route in laid.routes} == set(arrows)
    for route in laid.routes:
        first, last = route.hops[0], route.hops[-1]
        (x, y), (wide, high) = laid.places[route.source], sizes[route.source]
        assert x < first.x1 < x + wide
        assert first.y1 == y + high
        (x, y), (wide, _) = laid.places[route.target], sizes[route.target]
        assert x < last.x2 < x + wide
        assert last.y2 == y
        assert all(hop.y1 <= hop.track <= hop.y2 and hop.y1 < hop.y2 for hop in route.hops)


@given(graphs())
def test_arrows_that_are_left_out_follow_from_those_that_stay(
    made: tuple[dict[int, tuple[int, int]], list[tuple[int, int]]],
) -> None:
    sizes, arrows = made
    whole = Graph(
        nodes=tuple(Node(key=key, id=str(key), kind="set") for key in sizes),
        arrows=tuple(Arrow(*pair) for pair in arrows),
    )
    kept = {(arrow.source, arrow.target) for arrow in reduced(whole).arrows}
    assert kept <= set(arrows)
    assert _closure(kept) == _closure(set(arrows))


def _closure(pairs: set[tuple[int, int]]) -> set[tuple[int, int]]:
    reached = set(pairs)
    while more := {(a, d) for a, b in reached for c, d in pairs if b == c} - reached:
        reached |= more
    return reached
