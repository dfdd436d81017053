"""What steps that run a process have in common: their mark, their files, what their process is told."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from msgspec.structs import replace

from mplp_cli.engine.guardian import Guardian
from mplp_cli.engine.processes import Child
from mplp_cli.engine.watching import MemoryWatch
from mplp_cli.errors import InsufficientResourcesError, StepError
from mplp_cli.protocols import Attempt
from mplp_cli.workflow.amounts import amount_text
from mplp_cli.workflow.resources import Demand, Parts


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """Where the processes of one run work, and who looks after them."""

    #: Where what they print is kept.
    log_dir: Path
    #: Seconds between SIGTERM and SIGKILL.
    grace: float
    #: Those that run now, for whoever must end everything at once.
    children: set[Child] = field(default_factory=set)
    #: A word for the process that drives the run.
    owner: str = ""
    guardian: Guardian | None = None
    watch: MemoryWatch = field(default_factory=MemoryWatch)

    @cached_property
    def place(self) -> str:
        """The path of `log_dir`, made with the first process that needs it. StepError if it cannot be."""
        try:
            self.log_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            said = f"no place for the output of the step: {error.strerror}: {self.log_dir}"
            raise StepError(said) from error
        return str(self.log_dir)


def attempt_mark(run: str, owner: str | None = None, step: str = "", number: int | str = "") -> str:
    """What the processes of one attempt carry in MPLP_ATTEMPT; without a step, what all of an owner's carry;
    without an owner, what all of a run's carry."""
    if owner is None:
        return f"{run}/"
    return f"{run}/{owner}/{step}/{number};" if step else f"{run}/{owner}/"


def identity(attempt: Attempt) -> dict[str, str]:
    """The variables that tell a process which attempt it belongs to."""
    return {
        "MPLP_RUN_ID": attempt.run,
        "MPLP_STEP_ID": attempt.step,
        "MPLP_ATTEMPT_NUMBER": str(attempt.number),
        "MPLP_IDEMPOTENCY_KEY": attempt.idempotency_key,
        **(_allowance(attempt.demand, attempt.parts) if attempt.demand is not None else {}),
    }


def _allowance(demand: Demand, parts: Parts) -> dict[str, str]:
    """The variables that tell what an attempt may use."""
    told = {}
    if cpu := demand.amount("cpu"):
        told["MPLP_CPU"] = amount_text("cpu", cpu)
    if memory := demand.amount("memory"):
        told["MPLP_MEMORY"] = str(memory)
    for kind, unit, _ in parts:
        name = "MPLP_UNITS_" + "".join(c if c.isalnum() else "_" for c in kind.upper())
        told[name] = f"{told[name]},{unit}" if name in told else unit
    return told


def file_name(folder: Path | str, attempt: Attempt) -> str:
    """What the paths of an attempt's files begin with; a log makes the folder with its first line."""
    return f"{folder}/{attempt.step}.{attempt.number}"


def remove(path: str) -> None:
    """Remove a file, if it is there."""
    with contextlib.suppress(OSError):
        os.unlink(path)  # noqa: PTH108 (twice a step)


def within_limit(argv: list[str], demand: Demand | None) -> list[str]:
    """What to start instead, if the system is to refuse a process more memory than was declared."""
    if demand is None or demand.enforce != "rlimit" or not (memory := demand.amount("memory")):
        return argv
    # The limit is there before the program is: what is set from outside comes a moment later.
    return ["/bin/sh", "-c", 'ulimit -v "$0" && exec "$@"', str(max(memory >> 10, 1)), *argv]


async def attend(child: Child, attempt: Attempt, workplace: Workplace) -> int:
    """The exit code of `child`; the attempt is told what it has used.

    InsufficientResourcesError if it was stopped because it held more memory than the attempt declares.
    """
    workplace.children.add(child)
    peak, demand = 0, attempt.demand
    allowed = demand.amount("memory") if demand is not None and demand.enforce == "watch" else 0
    try:
        if not allowed:
            return await child.wait(workplace.grace)
        too_much = 0

        def stop(held: int) -> None:
            nonlocal too_much
            too_much = held
            enough.reschedule(0)

        enough = asyncio.timeout(None)
        with workplace.watch.over(child.pid, child.mark, allowed, stop) as watched:
            try:
                async with enough:
                    return await child.wait(workplace.grace)
            except TimeoutError:
                if not too_much:
                    raise
                raise _greedy(too_much, allowed) from None
            finally:
                peak = watched.peak
    finally:
        workplace.children.discard(child)
        used = child.usage
        attempt.measured(replace(used, peak_memory=max(peak, used.peak_memory)) if peak else used)


def _greedy(held: int, allowed: int) -> InsufficientResourcesError:
    used, declared = amount_text("memory", held), amount_text("memory", allowed)
    return InsufficientResourcesError(
        f"the step used {used} of memory and declares {declared}: it was stopped",
        requirements={"memory": used},
        availability={"memory": declared},
        hint="declare what it needs (`resources: {memory: ...}`)",
    )
