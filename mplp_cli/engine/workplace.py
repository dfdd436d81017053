"""What steps that run a process have in common: their mark, their files, what their process is told."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from mplp_cli.engine.guardian import Guardian
from mplp_cli.engine.processes import Child
from mplp_cli.errors import StepError
from mplp_cli.protocols import Attempt


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
    }


def file_name(folder: Path, attempt: Attempt) -> str:
    """What the paths of an attempt's files begin with; a log makes the folder with its first line."""
    return f"{folder}/{attempt.step}.{attempt.number}"


def file_place(folder: Path, attempt: Attempt) -> str:
    """`file_name`, for other files than logs: the folder exists now."""
    place = str(folder)
    if not os.path.isdir(place):  # noqa: PTH112 (once a step)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StepError(f"no place for the output of the step: {error.strerror}: {place}") from error
    return file_name(folder, attempt)


def remove(path: str) -> None:
    """Remove a file, if it is there."""
    with contextlib.suppress(OSError):
        os.unlink(path)  # noqa: PTH108 (twice a step)


async def attend(child: Child, grace: float, children: set[Child] | None) -> int:
    """The exit code of `child`; it is among `children` while it runs."""
    if children is not None:
        children.add(child)
    try:
        return await child.wait(grace)
    finally:
        if children is not None:
            children.discard(child)
