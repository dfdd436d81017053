"""Processes: many short shell steps, two at a time, against make."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path

from tests.bench.measure import Lab, Row


def rows(lab: Lab) -> Iterator[Row]:
    """`mplp run` with `max-parallel: 2` and `make -j2`, both through `sh -c`, start-up apart."""
    count, name = lab.sizes.processes, f"{lab.sizes.processes} shell steps, two at a time"
    make = shutil.which("make")
    if make is None:
        yield Row(name=name, value=None, unit="ms/step", note="make is not installed")
        return
    many, one = (lab.document("apart", n, "shell", 2) for n in (count, 1))
    makefiles = {n: makefile(lab.directory / f"Makefile-{n}", n) for n in (count, 1)}

    def mplp(file: Path) -> float:
        with lab.fresh() as state:
            return lab.mplp("run", str(file), state=state).wall

    def made(steps: int) -> float:
        return lab.run([make, "-s", "-j2", "-f", str(makefiles[steps])]).wall

    taken = [(mplp(many), made(count), mplp(one), made(1)) for _ in range(lab.sizes.process_pairs)]
    our_start = statistics.median(t[2] for t in taken)
    their_start = statistics.median(t[3] for t in taken)
    pairs = [(ours - our_start, theirs - their_start) for ours, theirs, _, _ in taken]
    per_step = 1000 / (count - 1)
    yield Row(
        name=name,
        value=statistics.median(ours for ours, _ in pairs) * per_step,
        unit="ms/step",
        reference=statistics.median(theirs for _, theirs in pairs) * per_step,
        ratio=statistics.median(ours / theirs for ours, theirs in pairs),
        limit=1.6,
        of_ratio=True,
        note="make -j2",
    )


def makefile(path: Path, steps: int) -> Path:
    """Targets that need nothing. The semicolon makes `make` use the shell, which runs `true` by itself."""
    names = " ".join(f"t{i}" for i in range(steps))
    rules = "".join(f"t{i}:\n\t@true;\n" for i in range(steps))
    path.write_text(f"SHELL = /bin/sh\n.PHONY: all {names}\nall: {names}\n{rules}", "utf-8")
    return path
