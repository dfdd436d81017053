"""One try of a batch of events: what a sender says of it, whatever the sender does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeAlias

from mplp_cli.errors import Failure, StepError
from mplp_cli.events.contract import Outcomes, Sender
from mplp_cli.events.lane import Item
from mplp_cli.workflow.values import duration_text

#: What became of each event of a batch, or what says so when it is awaited.
Told: TypeAlias = Outcomes | Coroutine[Any, Any, Outcomes]


def begun(sender: Sender, items: Sequence[Item]) -> Told:
    """Hand these to a sender."""
    try:
        told = sender.send([(item.number, item.event) for item in items])
        return told if isinstance(told, Coroutine) else _each(told, items)
    except Exception as error:  # noqa: BLE001 - whatever a target does, the others go on
        return [_failure(error)] * len(items)


async def awaited(told: Told, items: Sequence[Item], longest: int) -> Outcomes:
    """What became of each; to wait for it takes `longest` ms at most."""
    if not isinstance(told, Coroutine):
        return told
    window = asyncio.timeout(longest / 1000)
    try:
        async with window:
            return _each(await told, items)
    except Exception as error:  # noqa: BLE001 - the same
        if isinstance(error, TimeoutError) and window.expired():
            late = f"it took longer than {duration_text(longest)}"
            return [Failure(type="StepTimeoutError", message=late)] * len(items)
        return [_failure(error)] * len(items)


def _each(told: Outcomes, items: Sequence[Item]) -> Outcomes:
    if len(told) == len(items):
        return told
    message = f"{len(told)} outcomes for {len(items)} events"
    return [Failure(type="SenderError", message=message)] * len(items)


def _failure(error: Exception) -> Failure:
    if isinstance(error, StepError):
        return error.failure()
    return Failure(type=type(error).__name__, message=str(error))


def close(told: Coroutine[Any, Any, Outcomes], _over: asyncio.Task[None]) -> None:
    """A callback of a task: what it should have waited for, and did not, is given up."""
    told.close()
