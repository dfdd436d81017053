"""What the parts of a server know of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from msgspec import Struct

from mplp_cli.sources import Source
from mplp_cli.workflow.events.triggers import Trigger
from mplp_cli.workflow.plan import Plan
from mplp_cli.workflow.published import Cause
from mplp_cli.workflow.values import RunId


class Served(Struct, frozen=True, kw_only=True):
    """A workflow that can be started. `source` is its file as it was when it was last found
    valid."""

    id: str
    file: Path
    source: Source
    plan: Plan
    triggers: tuple[Trigger, ...] = ()
    #: Why the file as it is now is not served, empty if it is.
    broken: str = ""


class Catalogue(Protocol):
    """The workflows that are served, by id."""

    def all(self) -> Sequence[Served]:
        """In the order of their ids."""
        ...

    def find(self, workflow_id: str) -> Served:
        """UnknownWorkflowError names the nearest."""
        ...

    def at(self, file: Path) -> Served:
        """The workflow of a file, also one that is not served by id (a target of a route)."""
        ...


class Driven(Struct, frozen=True, kw_only=True):
    """A run of this server. `queued`: it is stored and waits until fewer are at work; `parked`: it waits for a person
    or an event, or is paused, and is taken up when there is something new for it."""

    run: RunId
    workflow: str
    state: Literal["queued", "driving", "parked"]


class Fleet(Protocol):
    """The runs of a server: those that it drives, and those that wait for their time.

    A run is accepted when it is stored; from then on it is driven to its end by this server or by the next one on this
    state.
    """

    def start(
        self,
        served: Served,
        inputs: Mapping[str, Any],
        cause: Cause,
        *,
        run_id: RunId | None = None,
        priority: int = 0,
    ) -> RunId:
        """Store a run and drive it when it is its turn; its id. With a `run_id` that is there already, nothing
        happens.

        InputError if the inputs do not fit, QueueFullError if too many wait, ConcurrencyLimitError as its workflow
        says.
        """
        ...

    def take_up(self, run_id: RunId) -> None:
        """Go on with a paused, interrupted, waiting or failed run. RunBusyError, RunStateError."""
        ...

    def runs(self) -> Sequence[Driven]:
        """Those of now."""
        ...

    async def work(self) -> None:
        """Drive, until cancelled; takes up first what an earlier server has left. What is at work when it is
        cancelled may finish the steps that are running, as long as the grace lasts, and stays resumable."""
        ...
