"""A run that waits for its turn, as each view tells it."""

from __future__ import annotations

import io
from datetime import UTC

from mplp_cli.protocols import Holding, Standing
from mplp_cli.render.frame import frame
from mplp_cli.render.github import GithubRun
from mplp_cli.render.lines import Lines
from mplp_cli.render.plans import plan_screen
from mplp_cli.render.queued import ordinal, place_text, queue_text, turn_object
from mplp_cli.render.tails import Tails
from mplp_cli.render.theme import PLAIN
from mplp_cli.render.tracker import Tracker
from mplp_cli.workflow.fold.history import RunAdmitted, RunStarted, Turn
from mplp_cli.workflow.model import Concurrency
from mplp_cli.workflow.plan import plan_summary
from tests.render.fakes import NOON, FakeState, make_plan, step

HOLDER = "3f2a91bc-0000-4000-8000-000000000000"
OTHER = "77777777-0000-4000-8000-000000000000"
KEY = "prod"


def standing(position: int, *holders: Holding) -> Standing:
    return Standing(key=KEY, position=position, holders=list(holders))


def waiting() -> FakeState:
    state = FakeState(make_plan(step("a")), status="pending")
    state.turn = Turn(KEY)
    return state


def test_who_has_the_place_since_when_and_how_many_are_before_it() -> None:
    held = Holding(HOLDER, NOON, "running")
    now = NOON + 220_400
    assert queue_text(standing(1, held), now) == (
        'waits for its turn: run 3f2a91bc has the place under "prod" since 3m40s'
    )
    parked = Holding(OTHER, NOON, "waiting")
    assert queue_text(standing(3, parked, held), now) == (
        'waits for its turn: run 77777777 (waiting) has the place under "prod" since 3m40s,'
        " 1 more beside it; 3rd in the queue"
    )
    assert "another run is before it" in queue_text(standing(2), now)
    assert place_text(standing(0, held)) == 'has "prod"'
    assert place_text(standing(12, held)) == '12th for "prod"'
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 21, 112)] == [
        "1st",
        "2nd",
        "3rd",
        "4th",
        "11th",
        "21st",
        "112th",
    ]


def test_machines_get_the_key_and_until_the_end_the_queue() -> None:
    turn = Turn(KEY, 2, "cancel")
    assert turn_object(turn, None) == {"key": "prod", "max": 2, "onLimit": "cancel"}
    assert turn_object(turn, standing(1, Holding(HOLDER, NOON, "running"))) == {
        "key": "prod",
        "max": 2,
        "onLimit": "cancel",
        "position": 1,
        "holders": [{"runId": HOLDER, "since": "2026-01-31T12:00:00.000Z", "status": "running"}],
    }


def test_lines_tell_the_queue_when_it_changes_and_the_start_when_it_comes() -> None:
    state, out = waiting(), io.StringIO()
    lines = Lines(state.plan, state, out, zone=UTC)
    held = Holding(HOLDER, NOON, "running")
    lines([RunStarted(NOON, state.run_id, "release", {}, {}, "/", 1, Turn(KEY))])
    for position in (2, 2, 1, 0):
        lines.waits(standing(position, held), NOON + 1_000)
    lines([RunAdmitted(NOON + 2_000, 2_000, [HOLDER])])
    told = out.getvalue().splitlines()
    assert len(told) == 3
    assert told[0].endswith(f"2nd in the queue; run {state.run_id}")
    assert told[1].endswith(f"since 1s; run {state.run_id}")
    assert told[2].endswith(f"1.0.0 started, 1 step, run {state.run_id}, after 2.0s in the queue")


def test_a_run_that_finds_a_place_is_told_as_any_other() -> None:
    state, out = waiting(), io.StringIO()
    lines = Lines(state.plan, state, out, zone=UTC)
    lines.waits(standing(0), NOON)
    lines([RunStarted(NOON, state.run_id, "release", {}, {}, "/", 1, Turn(KEY)), RunAdmitted(NOON)])
    assert out.getvalue().splitlines() == [f"12:00:00 ● release 1.0.0 started, 1 step, run {state.run_id}"]


def test_the_live_view_says_what_it_waits_for_under_its_title() -> None:
    state = waiting()
    tracker = Tracker(state.plan, state)
    text = queue_text(standing(2, Holding(HOLDER, NOON, "running")), NOON)
    drawn = [line.plain for line in frame(tracker, Tails(), NOON, 100, 20, PLAIN, text).lines]
    assert "pending" in drawn[0]
    assert drawn[1].strip() == text
    assert len(frame(tracker, Tails(), NOON, 30, 3, PLAIN, text).lines) <= 3


def test_a_job_log_tells_it_once() -> None:
    state, out = waiting(), io.StringIO()
    told = GithubRun(state.plan, state, out)
    for _ in range(3):
        told.waits(Standing(key="::error::x", position=1, holders=[Holding(HOLDER, NOON, "running")]), NOON)
    assert out.getvalue().count("waits for its turn") == 1
    assert not out.getvalue().startswith("::")


def test_a_plan_tells_the_limit() -> None:
    plan = make_plan(step("a"), concurrency=Concurrency(key="${inputs.tag}", max=2, on_limit="cancel"))
    shown = [line.plain for line in plan_screen(plan, theme=PLAIN, width=100).lines]
    assert 'at most 2 runs at once under "${inputs.tag}", one more cancels the oldest' in shown
    assert plan_summary(plan)["concurrency"] == {"key": "${inputs.tag}", "max": 2, "onLimit": "cancel"}
    assert "concurrency" not in plan_summary(make_plan(step("a")))
