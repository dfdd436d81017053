"""Agents: one found among many, and what a step that asks one costs beside what the agent does.

A `mock` agent answers at once and in the same process, so its step is all engine, boundary and journal. A `python`
agent is called in a process of its own, as a `python` step is: what asking adds to it stands beside that step. One
with `isolation: thread` is called inside: what its step costs beyond the bare call of the function is overhead.

`python -m tests.bench.agents discovery|mock|inside|async|bare|agent|python COUNT DIR` measures one in a fresh process
and prints JSON.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mplp_cli.agents.registry import Criteria, Entry
from mplp_cli.clock import SystemClock
from mplp_cli.ids import RandomIds
from mplp_cli.roster import Roster, make_registry
from mplp_cli.runtime import Runtime, Screen
from mplp_cli.sources import Source
from mplp_cli.workflow.agents import MockAgent
from mplp_cli.workflow.fold.history import RUN_ENDS, Event
from tests.bench.measure import Lab, Row, median_of

#: Limits in microseconds.
DISCOVERY, STEP = 1_000.0, 300.0
AMONG = 1_000
FUNCTION = "def answer(**given):\n    return 1\n\n\nasync def answer_soon(**given):\n    return 1\n"


#: Whom the steps ask, what to call it, and what is in the figure.
ASKED = (
    ("mock", "a mock", "engine, boundary, journal"),
    ("async", "an async function", "in the event loop, without the call itself"),
    ("inside", "a function inside", "in a thread, without the call itself"),
)


def rows(lab: Lab) -> Iterator[Row]:
    """Discovery, a step that asks a mock agent, one that asks a function inside this process beside the bare call (an
    async one in the event loop, any other in a thread), and one that asks a function in a process beside a step that
    calls it."""
    yield Row(
        name=f"agents, discovery among {AMONG:,}",
        value=median_of(lambda: measured(lab, "discovery", 200), 3),
        unit="us",
        limit=DISCOVERY,
        note="by a glob and a tag",
    )
    count = lab.sizes.steps // 10
    (bare,) = median_of_each(lab, "bare", count)[:1]
    for what, asked, note in ASKED:
        cpu, wall = median_of_each(lab, what, count)
        yield Row(
            name=f"agents, {count:,} steps that ask {asked}",
            value=cpu - bare,
            unit="us CPU",
            limit=STEP,
            note=f"{note}; {wall - bare:.0f} us of time",
        )
    few = lab.sizes.processes
    agent, python = (measured(lab, what, few) for what in ("agent", "python"))
    yield Row(
        name=f"agents, {few:,} steps that ask a function",
        value=agent,
        unit="us",
        reference=python,
        ratio=agent / python,
        note="reference: python steps; both start processes",
    )


def measured(lab: Lab, what: str, count: int, figure: str = "seconds") -> float:
    """Mean microseconds of one."""
    with lab.fresh() as folder:
        told = lab.python("-m", "tests.bench.agents", what, str(count), str(folder)).json
    return float(told[figure]) / count * 1e6


def median_of_each(lab: Lab, what: str, count: int) -> tuple[float, float]:
    """Mean microseconds of one, of all processors and of time: the medians of three runs."""
    both = []
    for _ in range(3):
        with lab.fresh() as folder:
            both.append(lab.python("-m", "tests.bench.agents", what, str(count), str(folder)).json)
    cpu, wall = (statistics.median(float(told[name]) for told in both) for name in ("cpu", "seconds"))
    return cpu / count * 1e6, wall / count * 1e6


#: Seconds, and those of all processors.
Taken = tuple[float, float]


def now() -> Taken:
    """The clocks of this process."""
    return time.perf_counter(), time.process_time()


def since(began: Taken) -> Taken:
    """What has passed since then."""
    return time.perf_counter() - began[0], time.process_time() - began[1]


def discovery(count: int, _folder: str) -> Taken:
    """Seconds for so many searches."""
    entries = [
        Entry(agent=MockAgent(id=f"a{n}", capabilities=[f"plan.c{n % 50}"], tags=["x"]), directory="/")
        for n in range(AMONG)
    ]
    registry = make_registry(Roster(entries=entries), lambda make: None, SystemClock(), RandomIds())
    wanted = Criteria(all_of=["plan.c1*"], tags=["x"])
    assert len(registry.discover(wanted)) == AMONG * 11 // 50
    began = now()
    for _ in range(count):
        registry.discover(wanted)
    return since(began)


def bare(count: int, _folder: str) -> Taken:
    """Seconds for so many calls of the function."""
    names: dict[str, Any] = {}
    exec(FUNCTION, names)  # the very text that the agents call
    answer = names["answer"]
    began = now()
    for _ in range(count):
        answer(n=1)
    return since(began)


def steps(what: str, count: int, folder: str) -> Taken:
    """Seconds from `run.started` to the end of a run of so many steps, one at a time."""
    moments: list[Taken] = []

    def watch(facts: Sequence[Event]) -> None:
        if not moments or isinstance(facts[-1], RUN_ENDS):
            moments.append(now())

    (Path(folder) / "given.py").write_text(FUNCTION, "utf-8")
    body: dict[str, Any] = {"type": "agent", "agent": what, "input": {"n": 1}}
    if what == "python":
        body = {"type": "python", "call": "given:answer", "arguments": {"n": 1}}
    document = {
        "workflow": {
            "id": "asks",
            "name": "Asks",
            "version": "1.0.0",
            "max-parallel": 1,
            "steps": [{"id": f"s{n}", **body} for n in range(count)],
        },
        "agents": [
            {"id": "mock", "kind": "mock", "default": 1},
            {"id": "agent", "kind": "python", "entrypoint": "given:answer"},
            {"id": "inside", "kind": "python", "entrypoint": "given:answer", "isolation": "thread"},
            {"id": "async", "kind": "python", "entrypoint": "given:answer_soon", "isolation": "thread"},
        ],
    }
    with Runtime(state_dir=folder) as runtime:
        source = Source("asks.json", json.dumps(document).encode(), Path(folder))
        loaded = runtime.load(source)
        assert loaded.plan is not None, loaded.problems
        run = runtime.start(source, loaded.plan, {}, {}, Screen(subscribers=[watch]))
        state = asyncio.run(run.go())
    assert not state.errors, state.errors
    return moments[-1][0] - moments[0][0], moments[-1][1] - moments[0][1]


if __name__ == "__main__":
    what, many, place = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    alone = {"discovery": discovery, "bare": bare}
    seconds, cpu = alone[what](many, place) if what in alone else steps(what, many, place)
    sys.stdout.write(json.dumps({"seconds": seconds, "cpu": cpu}))
