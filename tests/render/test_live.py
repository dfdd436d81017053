from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from mplp_cli.errors import Failure
from mplp_cli.render.console import make_console
from mplp_cli.render.frame import frame
from mplp_cli.render.live import LiveView
from mplp_cli.render.steptext import detail
from mplp_cli.render.tails import Tails
from mplp_cli.render.theme import PLAIN, Theme
from mplp_cli.render.tracker import Tracker
from mplp_cli.render.view import ENDED, approve_command, form_lines, is_leaf
from mplp_cli.workflow.fold.history import Approval, Awaited, StepCompleted, StepStarted
from mplp_cli.workflow.plan import Plan, PlanStep
from tests.render.fakes import NOON, FakeState, make_plan, release, step

STATUSES = "pending queued running retrying waiting completed failed skipped omitted cancelled".split()


def draw(state: FakeState, width: int, height: int, tails: Tails | None = None, theme: Theme = PLAIN) -> str:
    now = NOON + 12_300
    return frame(Tracker(state.plan, state), tails or Tails(), now, width, height, theme).plain


def some_tails() -> Tails:
    tails = Tails()
    tails.add("build", "stdout", "compiling parser\ncompiling engine\nlinking 12 of 40\n")
    tails.add("types", "stderr", "checking state.py")
    return tails


@pytest.mark.parametrize("width", [40, 80, 140])
def test_the_live_view_of_a_release(width: int, snapshot: SnapshotAssertion) -> None:
    assert draw(release(), width, 30, some_tails()) == snapshot


def test_the_live_view_in_ascii(snapshot: SnapshotAssertion) -> None:
    screen = draw(release(), 80, 30, some_tails(), Theme(unicode=False))
    assert screen.isascii()
    assert screen == snapshot


def test_a_run_of_ten_thousand_steps_is_folded(snapshot: SnapshotAssertion) -> None:
    steps: list[PlanStep] = []
    for group in range(100):
        parent = len(steps)
        steps.append(step(f"batch-{group}", "parallel"))
        steps += [step(f"item-{group}-{n}", parent=parent) for n in range(99)]
    state = FakeState(make_plan(*steps, workflow_id="import"))
    tracker = Tracker(state.plan, state)
    for i in range(5_000):
        state.step_status[i] = "completed"
    state.put("batch-50", "running", 9.0)
    state.put("item-50-3", "running", 11.0)
    state.put("item-50-7", "failed", 10.0, 11.0, error=Failure(type="ShellExitError", message="exit code 1"))
    tracker.look(10_000)
    tails = Tails()
    tails.add("item-50-3", "stdout", "row 12\nrow 13\nrow 14\n")
    assert frame(tracker, tails, NOON + 12_300, 80, 24, PLAIN).plain == snapshot


@st.composite
def states(draw: st.DrawFn) -> FakeState:
    """Any plan up to 30 steps in any state, with hostile names and texts."""
    text = st.text(st.characters() | st.sampled_from("\x1b[/red]\n日\u202e\t"), max_size=50)
    steps: list[Any] = []
    containers: list[int] = []
    for n in range(draw(st.integers(1, 30))):
        parent = draw(st.sampled_from([-1, *containers]))
        kind = draw(st.sampled_from(["shell", "set", "parallel", "conditional"]))
        if kind in {"parallel", "conditional"}:
            containers.append(n)
        branch = draw(st.sampled_from(["", "then", "fallback", "finally"])) if parent >= 0 else ""
        needs = tuple(draw(st.sets(st.integers(0, n - 1), max_size=3))) if n else ()
        name = draw(text)
        steps.append(step(f"{name}{n}", kind, name=name, parent=parent, branch=branch, needs=needs, tries=2))
    state = FakeState(make_plan(*steps))
    for planned in state.plan.steps:
        status = draw(st.sampled_from(STATUSES))
        more: dict[str, Any] = {"reason": draw(text), "due": draw(st.integers(0, 100))}
        if status in {"failed", "retrying"}:
            more["error"] = Failure(type="E", message=draw(text))
        if status == "waiting" and draw(st.booleans()):
            more["approval"] = Approval(id="c", message=draw(text), deadline=NOON)
        state.put(planned.id, status, draw(st.integers(0, 20)), 30, **more)
    state.status = draw(
        st.sampled_from(["pending", "running", "waiting", "failed", "completed", "cancelled"])
    )
    return state


@settings(max_examples=150, deadline=None)
@given(states(), st.integers(20, 140), st.integers(1, 40), st.booleans())
def test_a_frame_never_exceeds_the_terminal(state: FakeState, width: int, height: int, unicode: bool) -> None:
    tails = Tails()
    for planned in state.plan.steps:
        tails.add(planned.id, "stdout", "out\x1b[2J 日本" * 9 + "\nmore")
    tracker = Tracker(state.plan, state)
    screen = frame(tracker, tails, NOON + 31_000, width, height, Theme(unicode=unicode))
    assert len(screen) <= height
    assert all(line.width <= width for line in screen)
    assert "\x1b" not in screen.plain


@settings(max_examples=60, deadline=None)
@given(states(), states())
def test_counts_kept_from_facts_equal_counts_made_anew(state: FakeState, other: FakeState) -> None:
    if len(other.plan.steps) < len(state.plan.steps):
        state, other = other, state
    tracker = Tracker(state.plan, state)
    n = len(state.plan.steps)
    state.step_status[:] = other.step_status[:n]
    state.attempts[:] = [max(a, b) for a, b in zip(state.attempts, other.attempts, strict=False)]
    tracker.look(n)
    # The step of a fallback is counted once it has begun; that may let what is inside it count too.
    tracker.look(n)
    fresh = Tracker(state.plan, state)
    assert {k: v for k, v in tracker.leaves.items() if v} == {k: v for k, v in fresh.leaves.items() if v}
    assert tracker.ended == fresh.ended
    assert set(tracker.active) == set(fresh.active)


def test_facts_move_the_counts_of_the_step_and_of_its_containers() -> None:
    state = release()
    tracker = Tracker(state.plan, state)
    before = tracker.ended
    state.put("types", "completed", 1.4, 12.0)
    tracker([StepCompleted(at=NOON + 12_000, step="types", attempt=1, result=None)])
    assert tracker.ended == before + 1
    assert tracker.children[state.plan.number["checks"]]["completed"] == 2


def test_the_total_counts_leaf_steps_only() -> None:
    state = release()
    tracker = Tracker(state.plan, state)
    assert tracker.total == sum(is_leaf(s) for s in state.plan.steps)
    assert tracker.ended == sum(state.step_status[s.number] in ENDED for s in state.plan.steps if is_leaf(s))


def test_the_step_of_a_fallback_is_shown_only_once_it_runs() -> None:
    plan: Plan = make_plan(step("call"), step("instead", parent=0, branch="fallback"))
    state = FakeState(plan)
    state.put("call", "running", 1)
    assert "instead" not in draw(state, 80, 20)
    state.put("instead", "running", 2)
    assert "instead" in draw(state, 80, 20)


def test_tails_keep_the_last_lines_and_the_line_being_written() -> None:
    tails = Tails(kept=3)
    tails.add("a", "stdout", "1\n2\n3\n4\nha")
    tails.add("a", "stdout", "lf")
    assert tails.last("a", 3) == ["3", "4", "half"]
    tails.add("a", "stdout", "10%\r20%\r")
    assert tails.last("a", 2) == ["half10%", "20%"]


def test_a_further_attempt_begins_with_nothing_written() -> None:
    tails = Tails()
    tails.add("a", "stdout", "first try\n")
    tails([StepStarted(at=NOON, step="a", attempt=2)])
    tails.add("a", "stdout", "second try\n")
    assert tails.last("a", 8) == ["second try"]


def test_tails_are_bounded_whatever_comes() -> None:
    tails = Tails(kept=2, steps=3)
    for n in range(50):
        tails.add(f"s{n}", "stdout", "x" * 1_000_000)
    assert [n for n in range(50) if tails.writing(f"s{n}")] == [47, 48, 49]
    assert len(tails.last("s49", 5)[0]) <= 65_536


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_view_draws_when_told_and_leaves_nothing_behind() -> None:
    pyte = pytest.importorskip("pyte")
    state, out = release(), Terminal()
    console = make_console(stream=out, width=80, environ={"TERM": "xterm", "COLUMNS": "80", "LINES": "24"})
    with LiveView(state.plan, state, console) as view:
        view.output("build", "stdout", "linking\n")
        view.tick(NOON + 1_000)
        drawn = out.getvalue()
        assert "linking" in drawn
        view.tick(NOON + 1_050)
        assert out.getvalue() == drawn, "a frame before its time"
        view.tick(NOON + 1_200)
        assert len(out.getvalue()) > len(drawn)
    screen = pyte.Screen(80, 24)
    pyte.Stream(screen).feed(out.getvalue().replace("\n", "\r\n"))
    assert not "".join(screen.display).strip()


def test_what_a_step_waits_for_is_said_beside_it() -> None:
    plan = make_plan(step("a", "wait"), step("b", "wait"), step("c", "approval"))
    asked = Approval("c1", "Go on?", deadline=NOON + 60_000, own=True, form={"n": {}, "m": {"default": 1}})
    state = FakeState(
        plan,
        step_status=["waiting"] * 3,
        awaited={0: Awaited("git.*", 0), 1: Awaited("x", 0)},
        due={1: NOON + 5_000, 2: NOON + 60_000},
        approvals={2: asked},
    )
    said = [detail(plan, state, i, NOON, {}) for i in range(3)]
    assert said == ["for an event git.*", "for an event x (within 5s)", "approval: Go on? (within 1m00s)"]
    assert approve_command("0198f3a1", "c", asked) == "mplp approve 0198f3a1 c --input n=..."
    assert form_lines(asked.form) == ["n: any value, required", "m: any value, default 1"]
