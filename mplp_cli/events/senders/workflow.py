"""A run of a workflow for each event."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from mplp_cli.errors import (
    DeliveryError,
    Failure,
    MplpError,
    RunExistsError,
    UsageError,
    WorkflowValidationError,
)
from mplp_cli.events.causes import LIMIT
from mplp_cli.workflow.events.judging import EventError, event_template, event_value
from mplp_cli.workflow.events.judging import filled as filled_in
from mplp_cli.workflow.events.routes import WorkflowTarget
from mplp_cli.workflow.published import Cause, Published
from mplp_cli.workflow.values import Json, RunId, derived_uuid


class Start(Protocol):
    """Starts runs."""

    async def __call__(self, file: str, inputs: Mapping[str, Json], run_id: RunId, cause: Cause) -> None:
        """The run is stored when it returns, and somebody drives it. If it is there already, nothing happens.

        UsageError or WorkflowValidationError if it cannot be started as it stands; other MplpErrors if later it may.
        """
        ...


class WorkflowSender:
    """Starts runs of one workflow. The id of a run follows from the route and the event: it is started once, however
    often the event is delivered. DeclarationError if a template of its inputs is not one."""

    at_most = 1

    def __init__(
        self, route: str, target: WorkflowTarget, start: Start, depth: Callable[[Published], int]
    ) -> None:
        """`depth`: how many runs have led to an event; one that goes round in a circle starts no more."""
        self._route = route
        self._file = target.file
        self._inputs = event_template(target.inputs)
        self._start = start
        self._depth = depth

    async def send(self, events: Sequence[tuple[int, Published]]) -> Sequence[Failure | None]:
        """Delivered is that the run is stored."""
        return [await self._one(event) for _, event in events]

    async def _one(self, event: Published) -> Failure | None:
        cause = Cause(by=f"route:{self._route}", event=event.id)
        if (depth := self._depth(event)) >= LIMIT:
            circle = f"{depth} runs have led to this event, each started by one; it goes round in a circle"
            return DeliveryError(circle, again=False).failure()
        try:
            inputs = filled_in(self._inputs, {"event": event_value(event)}, "inputs")
            await self._start(self._file, inputs, run_of(self._route, event), cause)
        except RunExistsError:
            return None
        except EventError as error:
            return DeliveryError(str(error), again=False).failure()
        except (UsageError, WorkflowValidationError) as error:
            return _failure(error, again=False)
        except MplpError as error:
            return _failure(error, again=True)
        return None


def run_of(route: str, event: Published) -> RunId:
    """The id of the run that a route starts for an event."""
    return derived_uuid("route", route, event.source, event.id)


def _failure(error: MplpError, *, again: bool) -> Failure:
    return Failure(
        type=error.type_name, message=error.message, details=error.details or None, retryable=again
    )
