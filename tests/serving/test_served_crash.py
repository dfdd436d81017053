"""A server that is killed, stopped or begun twice: what it has accepted is done, and done once."""

from __future__ import annotations

import json
import random  # noqa: TID251 - seeded, and only here: which moments are tried
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mplp_cli.clock import SystemClock
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.fold.history import RunPausing
from tests.conftest import EXHAUSTIVE
from tests.serving.outside import Outside, until

MOMENTS = 50 if EXHAUSTIVE else 3

#: Started by each `order.placed`; a route writes those events to a file, too.
ORDERS = """\
workflow:
  id: orders
  name: Orders
  version: 1.0.0
  inputs: {number: {type: integer}}
  triggers:
    - {id: placed, on: event, where: {type: order.placed}, inputs: {number: "${event.data.number}"}}
  steps:
    - {id: take, type: set, values: {number: "${inputs.number}"}}
    - {id: note, type: shell, run: "echo ${take.result.number}", dependencies: [take]}
"""
PROJECT = """\
events:
  routes:
    - {id: kept, match: {type: order.placed}, target: {file: kept.jsonl}}
"""
LONG = """\
workflow:
  id: long
  name: Long
  version: 1.0.0
  steps:
    - {id: work, type: shell, run: "echo begun; until [ -e go ]; do sleep 0.05; done; echo done"}
    - {id: after, type: set, dependencies: [work], values: {x: 1}}
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Outside]:
    made = Outside(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.end(signal.SIGKILL)


def offered(server: Outside, number: int, killed: threading.Event) -> bool:
    """Publish an event, or start a run; whether it was accepted. Its sender repeats it until then."""
    try:
        if number % 2:
            event = {"specversion": "1.0", "id": f"e{number}", "source": "shop", "type": "order.placed"}
            reply = server.ask("POST", "/api/v1/events", {**event, "data": {"number": number}})
        else:
            body = {"workflow": "orders", "inputs": {"number": number}}
            reply = server.ask("POST", "/api/v1/runs", body, idempotency_key=f"k{number}")
    except OSError:
        assert killed.is_set()
        return False
    assert reply.status == 202 or (reply.status == 0 and killed.is_set()), reply
    return reply.status == 202


def test_killed_at_any_moment_it_loses_nothing_and_does_nothing_twice(server: Outside) -> None:
    (server.directory / "orders.yaml").write_text(ORDERS)
    (server.directory / "mplp.yaml").write_text(PROJECT)
    chance, number = random.Random(11), 0
    for _ in range(MOMENTS):
        server.begin("--at-once", "4")
        killed = threading.Event()

        def kill(killed: threading.Event = killed) -> None:
            killed.set()
            assert server.process is not None
            server.process.kill()

        timer = threading.Timer(chance.uniform(0.05, 0.8), kill)
        timer.start()
        while not killed.is_set():
            number += offered(server, number, killed)
        timer.join()
        server.end(signal.SIGKILL)
    server.begin()
    until(lambda: settled(server, number))
    runs = every_run(server)
    assert server.end() == 0
    numbers = Counter(run["inputs"]["number"] for run in runs)
    # One that was sent when the server died may have been accepted, too.
    assert set(range(number)) <= set(numbers) <= set(range(number + 1))
    assert set(numbers.values()) == {1}
    assert number >= MOMENTS
    lines = [json.loads(line)["id"] for line in (server.directory / "kept.jsonl").read_text().splitlines()]
    assert {f"e{n}" for n in range(1, number, 2)} <= set(lines)
    with sqlite3.connect(server.directory / "state" / "state.db") as db:
        [(events, different)] = db.execute(
            "SELECT count(*), count(DISTINCT id) FROM emitted WHERE source = 'shop'"
        )
    db.close()
    assert events == different == len(set(lines))


def every_run(server: Outside) -> list[Any]:
    """The runs, with the inputs that they began with."""
    found: list[Any] = []
    cursor = ""
    while True:
        page = server.ask("GET", f"/api/v1/runs?workflow=orders&limit=1000{cursor}").document
        for run in page["runs"]:
            facts = server.ask("GET", f"/api/v1/runs/{run['runId']}/history?limit=1").document["facts"]
            found.append({**run, "inputs": facts[0]["inputs"]})
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


def settled(server: Outside, accepted: int) -> bool:
    page = server.ask("GET", "/api/v1/runs?workflow=orders&limit=1000").document
    behind = server.ask("GET", "/api/v1/health").document["events"]["behind"]
    return (
        behind == 0
        and (len(page["runs"]) >= accepted or page["next"] is not None)
        and all(run["status"] == "completed" for run in page["runs"])
    )


def test_a_stop_lets_what_is_at_work_finish_and_the_next_server_goes_on(server: Outside) -> None:
    (server.directory / "long.yaml").write_text(LONG)
    server.begin()
    run = server.ask("POST", "/api/v1/runs", {"workflow": "long"}).document["runId"]
    until(lambda: "running" in server.ask("GET", f"/api/v1/runs/{run}").document["steps"]["work"]["status"])
    stopped: list[int] = []
    stopping = threading.Thread(target=lambda: stopped.append(server.end()))
    stopping.start()
    until(lambda: pauses(server, run))
    assert refuses(server)
    (server.directory / "go").touch()
    stopping.join(60)
    assert stopped == [0]
    told = server.mplp("status", run, "--output", "json").document
    assert (told["status"], told["steps"]["work"]["status"]) == ("paused", "completed")
    server.begin()
    until(lambda: server.ask("GET", f"/api/v1/runs/{run}").document["status"] == "completed")
    told = server.ask("GET", f"/api/v1/runs/{run}").document
    assert told["steps"]["work"]["attempts"] == 1
    assert server.end() == 0


def pauses(server: Outside, run: str) -> bool:
    with closing(SqliteStore(server.directory / "state", SystemClock())) as store:
        return any(isinstance(fact, RunPausing) for _, fact in store.history(run))


def refuses(server: Outside) -> bool:
    try:
        return server.ask("GET", "/health").status == 0
    except OSError:
        return True


def test_a_second_signal_ends_it_at_once(server: Outside) -> None:
    (server.directory / "long.yaml").write_text(LONG)
    server.begin()
    run = server.ask("POST", "/api/v1/runs", {"workflow": "long"}).document["runId"]
    until(lambda: "running" in server.ask("GET", f"/api/v1/runs/{run}").document["steps"]["work"]["status"])
    assert server.process is not None
    server.process.send_signal(signal.SIGTERM)
    until(lambda: refuses(server))
    assert server.end(signal.SIGTERM) == 143
    (server.directory / "go").touch()
    server.begin()
    until(lambda: server.ask("GET", f"/api/v1/runs/{run}").document["status"] == "completed")
    assert server.end() == 0
