"""What another process does in the tests of the store: `python worker.py VERB STATE_DIR ARGUMENT`.

It says what it did on standard output, a line each, and goes on when it is sent a line.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

import apsw

from mplp_cli.errors import MplpError, RunBusyError, StoreError
from mplp_cli.protocols import Control
from mplp_cli.store.sqlite import SqliteStore
from mplp_cli.workflow.resources import Kind, Pool, Share, Unit, in_use
from tests.store.sample import FixedClock, new_run, run_id, started, step

POOL = Pool({"cpu": Kind(name="cpu", units=(Unit("node", 4_000),))})


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def own(state: Path, number: int) -> None:
    """Own a run when told to, say whether it worked, and hold it until standard input ends."""
    store = SqliteStore(state, FixedClock())
    say("ready")
    sys.stdin.readline()
    try:
        journal = store.own_run(run_id(number), "worker")
    except RunBusyError as busy:
        say("busy", busy.details.get("pid"))
        sys.stdin.read()
        return
    say("owned", os.getpid())
    sys.stdin.read()
    journal.close()


def write(state: Path, number: int) -> None:
    """Create a run, write thirty batches to it and leave a request for run 0 after each third one."""
    store = SqliteStore(state, FixedClock())
    say("ready")
    sys.stdin.readline()
    journal = store.create_run(new_run(number), [started(number)])
    for batch in range(30):
        journal.append(step(batch))
        journal.controls()
        if batch % 3 == 0:
            store.request(run_id(0), Control(seq=0, verb="cancel", by=str(number)))
    journal.close()
    store.close()
    say("done")


def fill(state: Path, limit: int) -> None:
    """Write until no file may grow above `limit` bytes; say how many batches were stored, and why no more."""
    store = SqliteStore(state, FixedClock())
    journal = store.create_run(new_run(1), [started()])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    acknowledged = 0
    try:
        while True:
            journal.append(step(acknowledged))
            acknowledged += 1
    except StoreError as error:
        say(acknowledged, error.exit_code, error.details["cause"])
    try:
        journal.append(step(0))
    except MplpError as error:
        say("again:", type(error).__name__)


def hold(state: Path, number: int) -> None:
    """Create a run that takes all of the pool, say so, and keep it until the process dies."""
    store = SqliteStore(state, FixedClock())
    store.create_run(new_run(number), [started(number)])
    taken = store.shares.take(POOL, Share(run=run_id(number), held={"cpu": {"node": 4_000}}))
    say("holds" if taken is None else "refused")
    sys.stdin.read()


def compete(state: Path, number: int) -> None:
    """Take two of four places until it has had them twenty times, and count how many are taken then."""
    store = SqliteStore(state, FixedClock())
    journal = store.create_run(new_run(number), [started(number)])
    most = had = 0
    while had < 20:
        share = Share(run=run_id(number), since=number, held={"cpu": {"node": 2_000}})
        if store.shares.take(POOL, share) is None:
            had += 1
            held = in_use(store.shares.all(), (), 0)
            most = max(most, held["cpu"]["node"])
            journal.append([], share=Share(run=run_id(number)))
    say(most)


def stall(state: Path, _: int) -> None:
    """Begin to write and stop there, as a process does that is halted inside a commit."""
    db = apsw.Connection(str(state / "state.db"))
    db.execute("BEGIN IMMEDIATE")
    say("writing", os.getpid())
    sys.stdin.read()


if __name__ == "__main__":
    verb, directory, argument = sys.argv[1:]
    {"own": own, "write": write, "fill": fill, "stall": stall, "hold": hold, "compete": compete}[verb](
        Path(directory), int(argument)
    )
