"""A function of an installed package for each event: the entry-point group `mplp.event_handlers`."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from mplp_cli.errors import Failure, UsageError
from mplp_cli.events.contract import Outcomes
from mplp_cli.plugins import EntryPoint, Points, installed
from mplp_cli.workflow.events.routes import HandlerTarget
from mplp_cli.workflow.published import Published
from mplp_cli.workflow.suggest import did_you_mean

GROUP: Final = "mplp.event_handlers"
#: The entry points of the group, of every package on the path.
INSTALLED: Final = partial(installed, GROUP)
#: What an entry point leads to: a function of an event and of the options that the route states. It raises if the event
#: is not taken. One that is not async is called in the event loop, and has to be quick.
EventHandler = Callable[[Published, Mapping[str, Any]], Awaitable[None] | None]

#: Characters of what a function says of its own failure.
_SAID: Final = 300


class HandlerSender:
    """Calls one function in this process."""

    def __init__(self, target: HandlerTarget, handle: EventHandler) -> None:
        self._handle = handle
        self._options = MappingProxyType(target.options)
        self.at_most = 1 if inspect.iscoroutinefunction(handle) else 100

    def send(self, events: Sequence[tuple[int, Published]]) -> Outcomes | Coroutine[Any, Any, Outcomes]:
        """Delivered is what it does not raise for."""
        told: list[Failure | None] = []
        if self.at_most == 1:
            return self._go_on(told, None, events)
        for place, (_, event) in enumerate(events, 1):
            try:
                result = self._handle(event, self._options)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a package raises is its own
                told.append(_failure(error))
                continue
            if result is not None and inspect.isawaitable(result):
                return self._go_on(told, result, events[place:])
            told.append(None)
        return told

    async def _go_on(
        self,
        told: list[Failure | None],
        result: Awaitable[None] | None,
        events: Sequence[tuple[int, Published]],
    ) -> Outcomes:
        """Wait for a result, if there is one, then for those of the other events."""
        if result is not None:
            told.append(await _awaited(result))
        for _, event in events:
            try:
                result = self._handle(event, self._options)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - the same
                told.append(_failure(error))
            else:
                told.append(await _awaited(result) if inspect.isawaitable(result) else None)
        return told


async def _awaited(result: Awaitable[None]) -> Failure | None:
    try:
        await result
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the same
        return _failure(error)
    return None


def _failure(error: BaseException) -> Failure:
    said = str(error)[:_SAID]
    return Failure(type=type(error).__name__, message=said or type(error).__name__)


def find_handler(name: str, points: Callable[[], Iterable[EntryPoint]] = INSTALLED) -> EventHandler:
    """The function that an installed package has under a name. UsageError says why there is none."""
    known = Points(points)
    found = known.by_name.get(name, [])
    if not found:
        raise UsageError(
            f"no installed package has an event handler `{name}`",
            hint=did_you_mean(name, known.by_name)
            or f"install the package that brings it along, in its entry-point group `{GROUP}`",
        )
    package = known.package_of(name)
    if len(found) > 1:
        raise UsageError(f"{package} both have an event handler `{name}`", hint="uninstall one of them")
    try:
        handle: EventHandler = found[0].load()
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {error}"[:_SAID]
        raise UsageError(
            f"the event handler `{name}` of {package} cannot be used: {said}", hint="mend the package"
        ) from error
    if not callable(handle):
        raise UsageError(f"the event handler `{name}` of {package} is no function", hint="mend the package")
    return handle
