"""A durable loop with nothing around it: `python -m tests.bench.reference SHAPE STEPS DIRECTORY`.

An asyncio graph over sqlite3 (write-ahead log, synchronous=FULL): two event rows and one row of state a step,
one commit for everything that ended in a turn of the loop, dependants released after that commit. It knows no
workflow file, no references, no conditions, no retries, no timeouts, no resume. Prints JSON: seconds, cpu.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import time
from pathlib import Path

from tests.bench.documents import needs

TABLES = """
CREATE TABLE event(run TEXT, seq INTEGER, step INTEGER, kind TEXT, body TEXT, PRIMARY KEY(run, seq)) WITHOUT ROWID;
CREATE TABLE state(run TEXT, step INTEGER, status TEXT, result TEXT, PRIMARY KEY(run, step)) WITHOUT ROWID;
"""
ADD_EVENT = "INSERT INTO event VALUES('run', ?, ?, ?, ?)"
SET_STATE = (
    "INSERT INTO state VALUES('run', ?, 'ok', ?)"
    " ON CONFLICT(run, step) DO UPDATE SET status = excluded.status, result = excluded.result"
)


class Loop:
    """One run of the graph."""

    def __init__(self, db: sqlite3.Connection, graph: list[list[int]]) -> None:
        self.db = db
        self.dependants: list[list[int]] = [[] for _ in graph]
        self.unmet = [len(needed) for needed in graph]
        for step, needed in enumerate(graph):
            for other in needed:
                self.dependants[other].append(step)
        self.left = len(graph)
        self.seq = 0
        self.ended: list[tuple[int, dict[str, int]]] = []

    async def run(self) -> None:
        """From the first step to the last commit."""
        self.loop = asyncio.get_running_loop()
        self.done = self.loop.create_future()
        async with asyncio.TaskGroup() as self.tasks:
            for step, unmet in enumerate(self.unmet):
                if not unmet:
                    self.tasks.create_task(self.go(step))
            await self.done

    async def go(self, step: int) -> None:
        """One step."""
        result = await nothing(step)
        if not self.ended:
            self.loop.call_soon(self.commit)
        self.ended.append((step, result))

    def commit(self) -> None:
        """Store what has ended, then release what it held up."""
        ended, self.ended = self.ended, []
        events, states = [], []
        for step, result in ended:
            body = json.dumps(result)
            events += [(self.seq, step, "started", ""), (self.seq + 1, step, "ok", body)]
            states.append((step, body))
            self.seq += 2
        self.db.execute("BEGIN")
        self.db.executemany(ADD_EVENT, events)
        self.db.executemany(SET_STATE, states)
        self.db.execute("COMMIT")
        self.left -= len(ended)
        for step, _ in ended:
            for other in self.dependants[step]:
                self.unmet[other] -= 1
                if not self.unmet[other]:
                    self.tasks.create_task(self.go(other))
        if not self.left:
            self.done.set_result(None)


async def nothing(step: int) -> dict[str, int]:
    """The work of a step."""
    return {"x": 1, "n": step}


async def timed(loop: Loop) -> tuple[float, float]:
    """Seconds by the clock and of this process's own."""
    wall, cpu = time.perf_counter(), time.process_time()
    await loop.run()
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Run the loop once."""
    shape, steps, directory = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    db = sqlite3.connect(directory / "reference.db", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.executescript(TABLES)
    seconds, cpu = asyncio.run(timed(Loop(db, needs(shape, steps))))
    ((rows,),) = db.execute("SELECT count(*) FROM event").fetchall()
    assert rows == 2 * steps
    db.close()
    sys.stdout.write(json.dumps({"seconds": seconds, "cpu": cpu}))


if __name__ == "__main__":
    main()
