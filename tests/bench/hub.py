"""The hub: time a message, and a module operation from the engine to the store. Both are stored durably.

`python -m tests.bench.hub messages|operations COUNT DIR` measures one of them in a fresh process and prints JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mplp_cli.runtime import Runtime, Screen
from mplp_cli.sources import Source
from mplp_cli.workflow.fold.history import RUN_ENDS, Event
from tests.bench.measure import Lab, Row, median_of

#: Limits of the specification are 50 ms for both; ours, in microseconds.
MESSAGE, OPERATION = 1_000.0, 2_000.0
#: Operations on one object.
LIFE = 20


def rows(lab: Lab) -> Iterator[Row]:
    """Messages with subscribers that are told of them, and operations of a run, each after the one before."""
    count = lab.sizes.steps
    for what, name, limit in (
        ("messages", f"hub, {count:,} messages", MESSAGE),
        ("operations", f"hub, a chain of {count // 10:,} operations", OPERATION),
    ):
        many = count if what == "messages" else count // 10
        yield Row(
            name=name,
            value=median_of(lambda what=what, many=many: measured(lab, what, many), 3),  # type: ignore[misc]
            unit="us",
            limit=limit,
            note="each is committed",
        )


def measured(lab: Lab, what: str, count: int) -> float:
    """Mean microseconds of one."""
    with lab.fresh() as folder:
        told = lab.python("-m", "tests.bench.hub", what, str(count), str(folder)).json
    return float(told["seconds"]) / count * 1e6


def messages(count: int, folder: str) -> float:
    """Seconds for so many messages, each stored before the next is sent."""
    with Runtime(state_dir=folder) as runtime:
        hub, store = runtime.hub, runtime.store
        began = time.perf_counter()
        for number in range(count):
            delivery = hub.send("plan", "context", "progress", {"number": number})
            store.record(delivery.writes, hub.said())
        return time.perf_counter() - began


def operations(count: int, folder: str) -> float:
    """Seconds from `run.started` to the end of a run that makes a plan and changes it again and again."""
    moments: list[float] = []

    def watch(facts: Sequence[Event]) -> None:
        if not moments or isinstance(facts[-1], RUN_ENDS):
            moments.append(time.perf_counter())

    document = {"id": "calls", "name": "Calls", "version": "1.0.0", "steps": list(calls(count))}
    with Runtime(state_dir=folder) as runtime:
        source = Source("calls.json", json.dumps({"workflow": document}).encode(), Path(folder))
        loaded = runtime.load(source)
        assert loaded.plan is not None, loaded.problems
        run = runtime.start(source, loaded.plan, {}, {}, Screen(subscribers=[watch]))
        state = asyncio.run(run.go())
    assert not state.errors, state.errors
    return moments[-1] - moments[0]


def calls(count: int) -> Iterator[dict[str, Any]]:
    """Contexts one after the other, each read and changed some times: an object grows with what happens to it."""
    before: list[str] = []
    context = ""
    for number in range(count):
        name = f"call-{number}"
        if number % LIFE == 0:
            operation, parameters, context = "create-context", {"name": "a"}, f"${{{name}.result.contextId}}"
        elif number % 2:
            operation, parameters = "update-context", {"contextId": context, "summary": f"number {number}"}
        else:
            operation, parameters = "get-context", {"contextId": context}
        yield _call(name, operation, parameters) | {"dependencies": before}
        before = [name]


def _call(name: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": name,
        "type": "module-operation",
        "module": "context",
        "operation": operation,
        "parameters": parameters,
    }


if __name__ == "__main__":
    measure = {"messages": messages, "operations": operations}[sys.argv[1]]
    sys.stdout.write(json.dumps({"seconds": measure(int(sys.argv[2]), sys.argv[3])}))
