"""Control from another process: from the commit of a request to that of the fact which says that it was heard."""

from __future__ import annotations

import sqlite3
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.bench.measure import Lab, Row

#: A step that works for as long as it is let, so that a pause never comes to its rest.
ENDLESS = """\
workflow:
  id: endless
  name: Endless
  version: 1.0.0
  steps:
    - {id: up, type: shell, run: 'echo up; exec tail -f /dev/null'}
"""
#: Requests that are stored, and the facts that say that one was heard.
REQUESTS = "SELECT count(*) FROM control"
HEARD = (
    "SELECT count(*) FROM event WHERE CAST(body AS TEXT) LIKE '%\"run.pausing\"%'"
    " OR CAST(body AS TEXT) LIKE '%\"run.continued\"%'"
)
#: Seconds between looks at the store, and after which something is wrong.
LOOK, PATIENCE = 0.001, 60.0


class Watcher:
    """Looks at the store all the time and notes when a count has grown."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._over = threading.Event()
        #: Moments at which the first, second ... request was stored, and was heard.
        self.stored: list[float] = []
        self.heard: list[float] = []

    def __call__(self) -> None:
        """Watch until it is over."""
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as db:
            while not self._over.wait(LOOK):
                for query, moments in ((HEARD, self.heard), (REQUESTS, self.stored)):
                    (count,) = db.execute(query).fetchone()
                    moments.extend([time.perf_counter()] * (count - len(moments)))

    def until_heard(self, count: int) -> None:
        """Wait until so many requests were heard."""
        end = time.perf_counter() + PATIENCE
        while len(self.heard) < count:
            if time.perf_counter() > end:
                raise RuntimeError(f"request {count} was not heard")
            self._over.wait(LOOK)

    def stop(self) -> None:
        """Look no more."""
        self._over.set()


def rows(lab: Lab) -> Iterator[Row]:
    """`mplp pause` and `mplp resume` by turns, of a run that goes on in another process."""
    count = lab.sizes.requests
    with lab.fresh() as folder, going_on(lab, folder) as watcher:
        for number in range(count):
            verb = ("resume", "endless") if number % 2 else ("pause", "endless", "--no-wait")
            lab.mplp(*verb, state=folder / "state", cwd=folder)
            watcher.until_heard(number + 1)
    taken = [(heard - stored) * 1000 for stored, heard in zip(watcher.stored, watcher.heard, strict=False)]
    yield Row(
        name=f"from a request to its fact, {count} requests",
        value=statistics.median(taken),
        unit="ms",
        limit=300.0,
        note=f"longest {max(taken):.0f} ms",
    )


@contextmanager
def going_on(lab: Lab, folder: Path) -> Iterator[Watcher]:
    """A run that goes on, and somebody who watches its store."""
    file, state = folder / "endless.yaml", folder / "state"
    file.write_text(ENDLESS, "utf-8")
    environ = lab.environ | {"MPLP_STATE_DIR": str(state)}
    nowhere = subprocess.DEVNULL
    run = subprocess.Popen(
        lab.command("run", str(file)), cwd=folder, env=environ, stdout=nowhere, stderr=nowhere
    )
    watcher = Watcher(state / "state.db")
    thread = threading.Thread(target=watcher)
    try:
        end = time.perf_counter() + PATIENCE
        while not any(log.stat().st_size for log in state.glob("runs/*/logs/*")):
            if run.poll() is not None or time.perf_counter() > end:
                raise RuntimeError("the run did not begin")
            threading.Event().wait(0.02)
        thread.start()
        yield watcher
    finally:
        watcher.stop()
        if thread.ident is not None:
            thread.join()
        run.terminate()
        run.wait()
