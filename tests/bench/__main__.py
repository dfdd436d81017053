"""`python -m tests.bench [--quick] [--only NAME ...]`: the benchmarks, medians and ratios in one table.

References run in the same call, by turns with what is measured. A figure without its ratio says more about the
machine than about the program; a table made on a busy machine says little, so the load is printed with it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import (
    agents,
    control,
    delivering,
    engine,
    hub,
    makespan,
    peers,
    processes,
    reports,
    startup,
    traces,
)
from tests.bench.measure import QUICK, Lab, Row, Sizes
from tests.bench.table import lines

GROUPS = {
    "startup": startup.rows,
    "engine": engine.rows,
    "processes": processes.rows,
    "control": control.rows,
    "hub": hub.rows,
    "events": delivering.rows,
    "agents": agents.rows,
    "traces": traces.rows,
    "reports": reports.rows,
    "makespan": makespan.rows,
    "peers": peers.rows,
}


def main() -> int:
    """Measure, print, and tell by the exit code whether every limit is kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.split("\n\n", 1)[1])
    parser.add_argument("--quick", action="store_true", help="small sizes: a minute instead of ten")
    parser.add_argument("--only", action="append", choices=sorted(GROUPS), help="one group (repeatable)")
    parser.add_argument("--dir", type=Path, default=None, help="a directory on the disk to measure")
    parser.add_argument("--json", type=Path, default=None, help="also write the rows to this file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mplp-bench-", dir=given.dir) as folder:
        lab = Lab(Path(folder), QUICK if given.quick else Sizes())
        say(machine(lab.directory))
        rows = measured(lab, given.only or list(GROUPS))
    say("", *lines(rows), "", f"load at the end: {load()}")
    if given.json:
        given.json.write_text("".join(json.dumps(dataclasses.asdict(row)) + "\n" for row in rows), "utf-8")
    return int(any(row.ok is False for row in rows))


def measured(lab: Lab, groups: list[str]) -> list[Row]:
    """The rows of these groups; each is told when it is there."""
    rows = []
    for group in groups:
        for row in GROUPS[group](lab):
            say(f"  {lines([row])[1]}", stream=sys.stderr)
            rows.append(row)
    return rows


def machine(directory: Path) -> str:
    """What the figures depend on."""
    return (
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"a sync of {directory.parent} takes {sync_time(directory) * 1e6:.0f} us; load {load()}"
    )


def load() -> str:
    """Processes that wanted to run, over 1, 5 and 15 minutes."""
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


def sync_time(directory: Path) -> float:
    """Seconds that one page takes to the disk, median of fifty."""
    taken = []
    fd = os.open(directory / "sync", os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        for number in range(50):
            os.pwrite(fd, b"x" * 4096, number * 4096)
            began = time.perf_counter()
            os.fsync(fd)
            taken.append(time.perf_counter() - began)
    finally:
        os.close(fd)
    return statistics.median(taken)


def say(*text: str, stream: object = None) -> None:
    """Lines on stdout."""
    out = sys.stdout if stream is None else sys.stderr
    out.write("".join(f"{line}\n" for line in text))
    out.flush()


if __name__ == "__main__":
    sys.exit(main())
