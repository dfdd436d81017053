"""A call of an agent for each event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mplp_cli.errors import DeliveryError, Failure, StepError
from mplp_cli.workflow.events.judging import EventError, event_template, event_value
from mplp_cli.workflow.events.judging import filled as filled_in
from mplp_cli.workflow.events.routes import AgentTarget
from mplp_cli.workflow.published import Published, cloud_event
from mplp_cli.workflow.values import Json, derived_uuid


class Ask(Protocol):
    """Asks agents of the project."""

    async def __call__(self, agent: str, given: Json, *, key: str, seconds: float) -> None:
        """Ask, and drop the answer. `key` is the same however often it is asked. StepError if there is no answer that
        can be used."""
        ...


class AgentSender:
    """Asks one agent; `timeout` is in milliseconds. DeclarationError if its input is not a template."""

    at_most = 1

    def __init__(self, route: str, target: AgentTarget, ask: Ask, timeout: int) -> None:
        self._route = route
        self._agent = target.agent
        #: None: the whole event.
        self._input = None if target.input is None else event_template(target.input)
        self._ask = ask
        self._seconds = timeout / 1000

    async def send(self, events: Sequence[tuple[int, Published]]) -> Sequence[Failure | None]:
        """Delivered is what it has answered to."""
        return [await self._one(event) for _, event in events]

    async def _one(self, event: Published) -> Failure | None:
        key = derived_uuid("route", self._route, event.source, event.id)
        try:
            given: Json = cloud_event(event)
            if self._input is not None:
                given = filled_in(self._input, {"event": event_value(event)}, "input")
            await self._ask(self._agent, given, key=key, seconds=self._seconds)
        except EventError as error:
            return DeliveryError(str(error), again=False).failure()
        except StepError as error:
            return error.failure()
        return None
