"""Many events through every kind of route, some of which fail or hang, while the server is killed again and again."""

from __future__ import annotations

import json
import random  # noqa: TID251 - seeded, and only here: which moments are tried
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.conftest import EXHAUSTIVE
from tests.serving.outside import Outside, until

MOMENTS, EVENTS = (50, 10_000) if EXHAUSTIVE else (3, 600)
#: Events of one request.
BATCH = 20

PROJECT = """\
events:
  routes:
    - {{id: kept, match: {{type: order.*}}, target: {{file: kept.jsonl}}}}
    - {{id: noted, match: {{type: order.*}}, target: {{handler: note, options: {{file: "{folder}/noted"}}}},
       retry-policy: {{max-retries: 2, initial-delay: 20ms}}}}
    - {{id: large, match: {{type: order.*, where: data.size > 3}}, target: {{file: large.jsonl}}}}
    - {{id: flaky, match: {{type: order.sent}}, target: {{webhook: "http://127.0.0.1:{port}/"}}, timeout: 300ms,
       retry-policy: {{max-retries: 100, initial-delay: 50ms, max-delay: 500ms}}}}
    - {{id: told, match: {{type: order.told}}, target: {{command: [sh, -c, 'cat >> told.jsonl']}}}}
    - {{id: taken, match: {{type: order.taken}},
       target: {{workflow: workflows/takes.yaml, inputs: {{number: "${{event.data.number}}"}}}}}}
"""
TAKES = """\
workflow:
  id: takes
  name: Takes
  version: 1.0.0
  inputs: {number: {type: integer}}
  steps: [{id: take, type: set, values: {number: "${inputs.number}"}}]
"""
NOTE = """\
def note(event, options):
    if event.data["number"] % 200 == 7:
        raise ValueError("poison")
    with open(options["file"], "a") as file:
        file.write(event.id + chr(10))
"""


class Flaky(BaseHTTPRequestHandler):
    """Refuses some requests, lets others hang, and everything while it is shut."""

    protocol_version = "HTTP/1.1"
    chance: ClassVar = random.Random(5)
    shut: ClassVar = threading.Event()
    over: ClassVar = threading.Event()
    got: ClassVar[Counter[str]] = Counter()
    refused: ClassVar = 0

    def do_POST(self) -> None:
        """One event."""
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))
        luck = self.chance.random()
        fails = self.shut.is_set() or luck < 0.3
        if luck < 0.1:
            self.over.wait(1)
        if fails:
            Flaky.refused += 1
        else:
            self.got[event["id"]] += 1
        try:
            self.send_response(503 if fails else 204)
            self.send_header("content-length", "0")
            self.end_headers()
        except OSError:
            pass  # nobody waits any more

    def log_message(self, *_: Any) -> None:
        """Nothing is said."""


@pytest.fixture
def flaky() -> Iterator[int]:
    for one in (Flaky.shut, Flaky.over, Flaky.got):
        one.clear()
    Flaky.refused = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Flaky)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    Flaky.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def server(tmp_path: Path, flaky: int) -> Iterator[Outside]:
    made = Outside(tmp_path)
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "takes.yaml").write_text(TAKES)
    (tmp_path / "mplp.yaml").write_text(PROJECT.format(folder=tmp_path, port=flaky))
    info = tmp_path / "site" / "noting-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: noting\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mplp.event_handlers]\nnote = noting:note\n")
    (tmp_path / "site" / "noting.py").write_text(NOTE)
    made.mplp.env["PYTHONPATH"] += f":{tmp_path / 'site'}"
    yield made
    if made.process is not None and made.process.poll() is None:
        made.end(signal.SIGKILL)


def kind(number: int) -> str:
    """Of each 60 events, 15 go to the flaky target, 2 to a program, 2 start a run."""
    if number % 4 == 0:
        return "order.sent"
    return {11: "order.told", 23: "order.taken"}.get(number % 30, "order.placed")


def size(number: int) -> int | str:
    return "huge" if number % 200 == 107 else number % 5


def offered(server: Outside, begin: int) -> bool:
    """Publish a batch; whether it was accepted. Its sender repeats it until then."""
    batch = [
        {
            "specversion": "1.0",
            "id": f"e{n}",
            "source": f"shop/{n % 7}",
            "type": kind(n),
            "data": {"number": n, "size": size(n)},
        }
        for n in range(begin, min(begin + BATCH, EVENTS))
    ]
    try:
        reply = server.ask("POST", "/api/v1/events", batch, content_type="application/cloudevents-batch+json")
    except OSError:
        return False
    assert reply.status in (0, 202, 429), reply
    return reply.status == 202


def expected() -> dict[str, tuple[set[int], set[int]]]:
    """Route -> the events that its target gets, and those that are its dead letters; by number on the board."""
    every = range(EVENTS)
    noted = {n for n in every if n % 200 == 7}
    large = {n for n in every if size(n) == "huge"}
    of = {name: {n for n in every if kind(n) == f"order.{name}"} for name in ("sent", "told", "taken")}
    return {
        "kept": (set(every), set()),
        "noted": (set(every) - noted, noted),
        "large": ({n for n in every if n % 5 == 4} - large, large),
        "flaky": (of["sent"], set()),
        "told": (of["told"], set()),
        "taken": (of["taken"], set()),
    }


def counts(server: Outside) -> dict[str, Counter[str]]:
    """Route -> state -> how many deliveries."""
    told = server.ask("GET", "/api/v1/routes").document["routes"]
    return {one["reader"].removeprefix("route:"): Counter(one["deliveries"]) for one in told}


def done(server: Outside, *routes: str) -> bool:
    have, wanted = counts(server), expected()
    return all(
        have[name]["delivered"] == len(wanted[name][0]) and have[name]["dead"] == len(wanted[name][1])
        for name in routes
    )


def test_whatever_fails_hangs_or_is_killed_each_event_arrives_and_only_poison_is_dead(
    server: Outside,
) -> None:
    chance, number = random.Random(40), 0
    for moment in range(MOMENTS):
        server.begin("--at-once", "4")
        killed = threading.Event()

        def kill(killed: threading.Event = killed) -> None:
            killed.set()
            assert server.process is not None
            server.process.kill()

        # Readers move once a second: some lives are longer.
        life = chance.uniform(0.02, 1.4)
        timer = threading.Timer(life, kill)
        timer.start()
        # Each life has its part of the events, which come as long as it lasts.
        part = EVENTS * (moment + 1) / (MOMENTS + 1)
        pause = life * BATCH / (part - number + BATCH)
        while not killed.wait(pause) and number < part:
            number += BATCH if offered(server, number) else 0
        timer.join()
        server.end(signal.SIGKILL)
    server.begin()
    Flaky.shut.set()
    while number < EVENTS:
        number += BATCH if offered(server, number) else 0
    # One target is away, and the others are done.
    until(lambda: done(server, "kept", "noted", "large", "told", "taken"), 120)
    assert not done(server, "flaky")
    Flaky.shut.clear()
    until(lambda: done(server, "flaky"), 120)
    until(lambda: all(run["status"] == "completed" for run in runs(server)))
    started = Counter(run["inputs"]["number"] for run in runs(server, inputs=True))
    assert server.end() == 0
    assert Flaky.refused
    judge(server.directory, started)


def judge(folder: Path, started: Counter[int]) -> None:
    wanted = expected()
    with closing(sqlite3.connect(folder / "state" / "state.db")) as db:
        query = "SELECT seq, id, source FROM emitted WHERE source LIKE 'shop/%' ORDER BY seq"
        board = {seq: int(name[1:]) for seq, name, _ in db.execute(query)}
        records: dict[str, dict[str, set[int]]] = {}
        for route, seq, state in db.execute("SELECT route, event, state FROM delivery"):
            records.setdefault(route, {}).setdefault(state, set()).add(board[seq])
    # Each is on the board once, those of a source in their order.
    assert sorted(board.values()) == list(range(EVENTS))
    assert in_order(list(board.values()))
    for route, (delivered, dead) in wanted.items():
        told = {"delivered": delivered} | ({"dead": dead} if dead else {})
        assert records[route] == told, route
    # What the targets have themselves.
    assert started == Counter(wanted["taken"][0])
    assert {int(name[1:]) for name in Flaky.got} == wanted["flaky"][0]
    assert {int(name[1:]) for name in (folder / "noted").read_text().split()} == wanted["noted"][0]
    for route in ("kept", "large", "told"):
        assert lines(folder / f"{route}.jsonl") == wanted[route][0], route


def lines(file: Path) -> set[int]:
    """The events of a file. One may stand there twice, as the same; those of a source are in their order."""
    found: dict[int, Any] = {}
    for line in file.read_text().splitlines():
        try:
            event = json.loads(line)
        except ValueError:  # it was killed while it wrote
            continue
        assert event == found.setdefault(event["data"]["number"], event)
        assert event["id"] == f"e{event['data']['number']}"
    if file.name != "told.jsonl":
        assert in_order(list(found))
    return set(found)


def in_order(numbers: list[int]) -> bool:
    return all((of := [n for n in numbers if n % 7 == source]) == sorted(of) for source in range(7))


def runs(server: Outside, *, inputs: bool = False) -> list[Any]:
    found = server.ask("GET", "/api/v1/runs?workflow=takes&limit=1000").document["runs"]
    if inputs:
        for run in found:
            facts = server.ask("GET", f"/api/v1/runs/{run['runId']}/history?limit=1").document["facts"]
            run["inputs"] = facts[0]["inputs"]
    return list(found)
