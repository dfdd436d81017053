"""What runs have held and when, from their histories; and what their steps should declare."""

from __future__ import annotations

from typing import Any

import pytest

from mplp_cli.loading import load_workflow
from mplp_cli.loading.agents import Beside
from mplp_cli.protocols.scaling import NOTHING_ADJUSTED
from mplp_cli.resources.attempts import attempts_of, past_run
from mplp_cli.resources.declaring import cpu_for, memory_for, misdeclared
from mplp_cli.resources.foresight import plan_capacity
from mplp_cli.resources.stock import stocks_of
from mplp_cli.resources.usage import HOUR, PastRun, busy_of, together, usage_of
from mplp_cli.workflow.estimates import Estimate
from mplp_cli.workflow.fold.history import (
    AgentAsked,
    Event,
    RunResumed,
    RunStarted,
    RunWaiting,
    StepCompleted,
    StepDecided,
    StepRetrying,
    StepStarted,
    StepWaiting,
    Used,
)
from mplp_cli.workflow.plan import Plan
from mplp_cli.workflow.resources import Kind, Pool, Unit, Usage

MIB = 1 << 20
TEXT = b"""
workflow:
  id: w
  name: W
  version: 1.0.0
  steps:
    - {id: a, type: shell, run: 'true', resources: {cpu: 2, memory: 2GiB, custom: {calls: 3}}}
    - {id: ask, type: approval, dependencies: [a], message: Go on?}
    - {id: b, type: shell, run: 'true', dependencies: [ask]}
    - id: each
      type: foreach
      items: [1, 2]
      steps: [{id: c, type: agent, agent: judge, input: {}, resources: {cpu: 0.5}}]
"""


def planned() -> Plan:
    made = load_workflow(TEXT, "w.yaml", beside=lambda: Beside(stored=True)).plan
    assert made is not None
    return made


def began(step: str, at: int, attempt: int = 1) -> StepStarted:
    return StepStarted(at, step, attempt)


def ended(step: str, at: int, usage: Usage | None = None) -> StepCompleted:
    return StepCompleted(at, step, 1, None, usage=usage)


def asked(step: str, at: int) -> AgentAsked:
    return AgentAsked(at, step, 1, "judge", Used(calls=1))


def run(*facts: Event, until: int | None = None, **rates: int) -> PastRun:
    first = RunStarted(0, "r", "w", {}, {}, "/", 4)
    plan = planned()
    return past_run("w", 0, attempts_of([first, *facts], plan, until), plan, rates)


def test_a_run_holds_what_its_attempts_hold_and_nothing_while_it_waits_for_a_person() -> None:
    made = run(
        began("a", 0),
        StepRetrying(HOUR, "a", 1, error(), HOUR, 2 * HOUR),
        began("a", 2 * HOUR, 2),
        ended("a", 3 * HOUR, Usage(cpu_ms=HOUR // 2, peak_memory=300 * MIB)),
        began("ask", 3 * HOUR),
        StepWaiting(3 * HOUR, "ask", 1),
        RunWaiting(3 * HOUR),
        StepDecided(20 * HOUR, "ask", "approved"),
        began("b", 20 * HOUR),
        ended("b", 21 * HOUR, Usage(cpu_ms=HOUR // 4, peak_memory=100 * MIB)),
        calls=30_000,
    )
    assert made.spans is not None
    assert made.spans["runs"] == [(0, HOUR, 1), (2 * HOUR, 3 * HOUR, 1), (20 * HOUR, 21 * HOUR, 1)]
    # `a` holds two cores however few it uses; `b` declares none, and counts with what it used.
    assert made.spans["cpu"] == [(0, HOUR, 2000), (2 * HOUR, 3 * HOUR, 2000), (20 * HOUR, 21 * HOUR, 250)]
    assert made.basis["cpu"] == ("held", "used")
    assert made.used["cpu"] == [(2 * HOUR, 3 * HOUR, 500), (20 * HOUR, 21 * HOUR, 250)]
    # A rate comes back by itself.
    assert made.spans["calls"] == [(0, 30_000, 3000), (2 * HOUR, 2 * HOUR + 30_000, 3000)]
    usage = usage_of([made], 24 * HOUR)
    assert usage is not None
    assert usage.series["runs"] == tuple(float(hour in (0, 2, 20)) for hour in range(24))
    assert usage.patterns[0].busy == 3 * HOUR
    assert (usage.used["memory"], usage.largest["cpu"]) == (300 * MIB, 2000)
    busy = busy_of([made], ["cpu", "memory", "disk"], 2 * HOUR, 22 * HOUR)
    assert (busy["cpu"].held, busy["cpu"].peak, busy["cpu"].used) == (2250 / 20, 2000, 750 / 20)
    assert (busy["disk"].held, busy["disk"].peak, busy["disk"].used) == (0, 0, None)


def error() -> Any:
    from mplp_cli.errors import Failure

    return Failure(type="StepFailedError", message="no")


def test_an_attempt_that_was_lost_ends_with_the_last_that_was_heard_of_it() -> None:
    lost = run(began("a", 10), began("each[0].c", 50), RunResumed(900, ""), began("a", 900), until=1_000)
    assert lost.spans is not None
    assert sorted(lost.spans["slots"]) == [(10, 50, 1), (50, 50, 1), (900, 1_000, 1)]
    gone = run(began("a", 10), began("b", 70))
    assert gone.spans is not None
    assert gone.spans["slots"] == [(10, 70, 1), (70, 70, 1)]


def test_what_a_sub_workflow_holds_is_held_by_its_parent() -> None:
    parent, child = run(began("a", 0), ended("a", 50)), run(began("b", 40), ended("b", 90))
    both = together([parent, child])
    assert both.spans is not None
    assert both.spans["runs"] == [(0, 90, 1)]
    assert both.spans["slots"] == [(0, 50, 1), (40, 90, 1)]


POOL = Pool({"cpu": Kind(name="cpu", units=(Unit("cpu", 8_000),))})


def week_of_questions(at_once: int) -> list[PastRun]:
    """On each of four days so many questions to `judge` at once."""
    found = []
    for day in range(4):
        at = (24 * day + 10) * HOUR
        steps = [f"each[{n}].c" for n in range(at_once)]
        facts: list[Event] = [
            *(began(step, at) for step in steps),
            *(asked(step, at + HOUR // 2) for step in steps),
            *(ended(step, at + HOUR // 2) for step in steps),
        ]
        found.append(run(*facts))
    return found


def test_an_agent_of_whom_more_was_asked_at_once_than_it_takes_is_scaled_up() -> None:
    from mplp_cli.workflow.agents import Limits, MockAgent

    judge = MockAgent(id="judge", limits=Limits(max_concurrency=2))
    stocks = stocks_of(POOL, NOTHING_ADJUSTED, {"cpu": 8_000}.get, [judge, MockAgent(id="free")])
    assert stocks["agent:free"].fixed
    made = plan_capacity(week_of_questions(5), 96 * HOUR, 24, stocks, 8)
    assert {one.resource: (one.start, one.to) for one in made.actions} == {
        "cpu": (8, 2.5),
        "agent:judge": (2, 5),
    }
    # Less than it could take is no reason to take places away from it.
    quiet = plan_capacity(week_of_questions(1), 96 * HOUR, 24, stocks, 8)
    assert {one.resource: one.to for one in quiet.actions} == {"cpu": 1}


def test_no_kind_is_made_smaller_than_the_largest_step_needs() -> None:
    seldom = [run(began("a", 0), ended("a", HOUR)), *week_of_questions(1)]
    stocks = stocks_of(POOL, NOTHING_ADJUSTED, {"cpu": 8_000}.get)
    made = plan_capacity(seldom, 96 * HOUR, 24, stocks, 8)
    assert {one.resource: one.to for one in made.actions} == {"cpu": 2}


# ---- what steps declare ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("used", "wanted"),
    [(1, 16), (13, 24), (16, 24), (300, 384), (308, 512), (1024, 1536)],
)
def test_recommended_memory_leaves_a_quarter_and_is_an_amount_that_people_write(
    used: int, wanted: int
) -> None:
    assert memory_for(used * MIB) == wanted * MIB


def test_recommended_cores_are_parts_of_one_and_then_whole_ones() -> None:
    assert [cpu_for(used) for used in (0, 100, 150, 300, 700, 1000, 1700, 3000)] == [
        125, 125, 250, 500, 1000, 1500, 3000, 4000,
    ]  # fmt: skip


def advised(**known: Estimate) -> list[tuple[str, str, str, int, int]]:
    told = misdeclared(planned(), "w.yaml", known)
    return [(one.step, one.kind, one.finding, one.declared, one.wanted) for one in told]


def seen(duration: int = 1_000, runs: int = 7, **used: int) -> Estimate:
    return Estimate(duration=duration, spread=0, runs=runs, **used)


def test_a_step_that_declares_far_from_what_it_used_is_named_with_what_would_do() -> None:
    gib = 1024 * MIB
    assert advised(a=seen(cpu=1_500, memory=300 * MIB)) == [("a", "memory", "too-much", 2 * gib, 384 * MIB)]
    assert advised(a=seen(cpu=500, memory=1500 * MIB)) == [("a", "cpu", "too-much", 2000, 1000)]
    assert advised(a=seen(cpu=3_000, memory=1950 * MIB)) == [
        ("a", "memory", "too-little", 2 * gib, 3 * gib),
        ("a", "cpu", "too-little", 2000, 4000),
    ]
    # A step that declares no cores where others do, and takes one.
    assert advised(b=seen(cpu=900)) == [("b", "cpu", "too-little", 0, 1500)]


def test_little_is_said_where_little_is_known() -> None:
    assert advised(a=seen(runs=2, cpu=1, memory=MIB)) == []
    assert advised(a=seen(duration=100, cpu=1), b=seen(cpu=400)) == []
    assert advised(a=seen(), gone=seen(cpu=9_000)) == []
