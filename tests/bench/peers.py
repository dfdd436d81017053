"""Other tools, where they are installed: a step that does nothing, the time of one step apart."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench.documents import needs
from tests.bench.measure import Lab, Row, Sample, median_of

DASK = """
import sys
from dask import get
from tests.bench.documents import needs
nothing = lambda *given: 1
steps = enumerate(needs("layered", int(sys.argv[1])))
graph = {f"t{i}": (nothing, *[f"t{j}" for j in needed]) for i, needed in steps}
get(graph, list(graph))
"""
DOIT = """
from tests.bench.documents import needs
def nothing():
    return True
def task_t():
    for i, needed in enumerate(needs("layered", {steps})):
        yield {{"name": str(i), "actions": [nothing], "task_dep": [f"t:{{j}}" for j in needed]}}
"""

Prepare = Callable[[Lab, Path, int], Callable[[], Sample]]


def rows(lab: Lab) -> Iterator[Row]:
    """A layered graph, each step nothing (a function) or `true` (a process)."""
    for name, is_there, what, prepare in PEERS:
        steps = lab.sizes.peer_steps
        label = f"{name}, layered {steps:,}, {what}"
        if not is_there():
            yield Row(name=label, value=None, unit="us/step", note="not installed")
            continue
        with lab.fresh() as folder, lab.fresh() as other:
            one, many = prepare(lab, folder, 1), prepare(lab, other, steps)
            start = median_of(lambda run=one: run().wall, 3)  # type: ignore[misc]
            whole = median_of(lambda run=many: run().wall, 3)  # type: ignore[misc]
        yield Row(
            name=label, value=(whole - start) / (steps - 1) * 1e6, unit="us/step", note=f"start {start:.2f} s"
        )


def module(name: str) -> Callable[[], bool]:
    """Whether a Python package is installed."""
    return lambda: importlib.util.find_spec(name) is not None


def program(name: str) -> Callable[[], bool]:
    """Whether a program is installed."""
    return lambda: shutil.which(name) is not None


def _make(lab: Lab, folder: Path, steps: int) -> Callable[[], Sample]:
    rules = "".join(
        f"t{i}: {' '.join(f't{j}' for j in n)}\n\t@true;\n" for i, n in enumerate(needs("layered", steps))
    )
    names = " ".join(f"t{i}" for i in range(steps))
    (folder / "Makefile").write_text(f".PHONY: all {names}\nall: {names}\n{rules}", "utf-8")
    return lambda: lab.run(["make", "-s", "-j2", "-f", str(folder / "Makefile")])


def _ninja(lab: Lab, folder: Path, steps: int) -> Callable[[], Sample]:
    rules = "".join(
        f"build t{i}: r {' '.join(f't{j}' for j in n)}\n" for i, n in enumerate(needs("layered", steps))
    )
    (folder / "build.ninja").write_text(f"rule r\n  command = true;\n{rules}", "utf-8")
    return lambda: lab.run(["ninja", "--quiet", "-j2", "-C", str(folder)])


def _doit(lab: Lab, folder: Path, steps: int) -> Callable[[], Sample]:
    (folder / "dodo.py").write_text(DOIT.format(steps=steps), "utf-8")
    return lambda: lab.python("-m", "doit", "-f", str(folder / "dodo.py"), "-v", "0")


def _dask(lab: Lab, folder: Path, steps: int) -> Callable[[], Sample]:
    return lambda: lab.python("-c", DASK, str(steps))


PEERS: list[tuple[str, Callable[[], bool], str, Prepare]] = [
    ("make -j2", program("make"), "process", _make),
    ("ninja -j2", program("ninja"), "process", _ninja),
    ("doit", module("doit"), "function", _doit),
    ("dask, one thread", module("dask"), "function, in memory", _dask),
]
