"""Points at which a process dies or a disk fails: its k-th call that changes a file of the state directory."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

#: A call that writes can be cut in the middle; the others either happened or not.
CUT = {"write", "pwrite"}


@dataclass(frozen=True)
class Call:
    """A call that changes a file."""

    name: str
    file: str


@dataclass(frozen=True)
class Point:
    """A call of the process of a life (counted from 0, the process that begins the run), and what happens there.

    `how`: before, half, after (SIGKILL), full (ENOSPC from there on), broken (EIO from there on).
    """

    life: int
    number: int
    how: str


@dataclass(frozen=True)
class Points:
    """The environment that makes something happen at one call."""

    library: Path

    def at(self, state: Path, point: Point) -> dict[str, str]:
        """It happens there, in whichever life the process is."""
        preload = {"LD_PRELOAD": str(self.library), "CRASH_DIR": str(state)}
        return {**preload, "CRASH_AT": str(point.number), "CRASH_HOW": point.how}

    def listing(self, state: Path, log: Path) -> dict[str, str]:
        """Nothing happens; the calls are listed."""
        return {"LD_PRELOAD": str(self.library), "CRASH_DIR": str(state), "CRASH_LOG": str(log)}


def begin() -> None:
    """Do what the library does when a process starts: read the environment, and remove from it what it read."""
    ctypes.CDLL(os.environ["LD_PRELOAD"]).begin()
    for name in [name for name in os.environ if name.startswith("CRASH_") or name == "LD_PRELOAD"]:
        del os.environ[name]


def calls_in(log: Path) -> list[Call]:
    """The calls that were listed."""
    return [Call(*line.split(" ", 1)) for line in log.read_text("utf-8").splitlines()]


def ways(lives: list[list[Call]]) -> list[Point]:
    """Every point there is to die at."""
    return [
        Point(life, number, how)
        for life, calls in enumerate(lives)
        for number, call in enumerate(calls, 1)
        for how in ("before", "half", "after")
        if how != "half" or call.name in CUT
    ]


T = TypeVar("T")


def spread(all_of_them: Sequence[T], count: int) -> list[T]:
    """So many of them, evenly, the first and the last included."""
    last = len(all_of_them) - 1
    return [all_of_them[round(i * last / (count - 1))] for i in range(count)]
