"""Points at which a process dies or a disk fails: its k-th call that changes a file of the state directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: A call that writes can be cut in the middle; the others either happened or not.
CUT = {"write", "pwrite"}


@dataclass(frozen=True)
class Points:
    """The environment that makes something happen at one call."""

    library: Path

    def at(self, state: Path, number: int, how: str) -> dict[str, str]:
        """`how`: before, half, after (SIGKILL), full (ENOSPC from there on), broken (EIO from there on)."""
        preload = {"LD_PRELOAD": str(self.library), "CRASH_DIR": str(state)}
        return {**preload, "CRASH_AT": str(number), "CRASH_HOW": how}

    def listing(self, state: Path, log: Path) -> dict[str, str]:
        """Nothing happens; the names of the calls are listed."""
        return {"LD_PRELOAD": str(self.library), "CRASH_DIR": str(state), "CRASH_LOG": str(log)}


def ways(calls: list[str]) -> list[tuple[int, str]]:
    """Every point there is among `calls`: (number from 1, how)."""
    return [
        (number, how)
        for number, name in enumerate(calls, 1)
        for how in ("before", "half", "after")
        if how != "half" or name in CUT
    ]
