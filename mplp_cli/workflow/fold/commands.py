"""Commands: what the fold asks its driver to do next. Imperative, never stored, derivable from state."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from mplp_cli.workflow.fold.history import StopCause


class Start(Struct, frozen=True, gc=False):
    """Begin attempt `attempt` of a step (a container: open it)."""

    number: int
    attempt: int


class Judge(Struct, frozen=True, gc=False):
    """Evaluate `when` of a step before it queues for a slot."""

    number: int


#: The "number" of the run itself.
WHOLE_RUN = -1


class Arm(Struct, frozen=True, gc=False):
    """Wake this step at `due` (ms since the epoch): its retry, its wait, its approval's or container's deadline."""

    number: int
    due: int


class Stop(Struct, frozen=True, gc=False):
    """Stop the running attempt of a step."""

    number: int


class Tell(Struct, frozen=True, gc=False):
    """The fold has ended this step as a consequence; record the fact beside its cause."""

    number: int


class Conclude(Struct, frozen=True, gc=False):
    """All children of this container have ended: make its result."""

    number: int


class Withdraw(Struct, frozen=True, gc=False):
    """Nobody is asked any more: give the question's Confirm object its end, beside the fact that says so."""

    number: int
    confirm: str
    reason: str


class Ask(Struct, frozen=True, gc=False):
    """Nobody knows whether the last attempt of a step had its effect: ask a person."""

    number: int


class Halt(Struct, frozen=True, gc=False):
    """Stop the run early: `fail-fast`, or an `abort` fallback."""

    cause: StopCause
    message: str


Command: TypeAlias = Start | Judge | Arm | Stop | Tell | Conclude | Ask | Withdraw | Halt
