"""Health: every component is checked by itself and under a deadline; one word sums them up.

A check says healthy or not, with facts. One that raises, gives no answer in time or answers nonsense is an `error` of
its own component; no other waits for it, or goes without its own check.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future, wait
from typing import Any, Final

import msgspec
from msgspec import Struct

from mplp_cli.clock import rfc3339
from mplp_cli.errors import MplpError
from mplp_cli.protocols import Clock
from mplp_cli.workflow.health import Overall, overall_of

#: Seconds that a check may take.
DEADLINE: Final = 2.0
#: What to do about a failure that says nothing of that itself.
_ELSE: Final = "`mplp doctor` looks closer"
#: Characters of what a broken check says.
_SAID: Final = 2_000


class Wrong(Struct, frozen=True):
    """One thing that is not as it should be: what, and a command or another way to mend it."""

    message: str
    hint: str


class Finding(Struct, frozen=True):
    """What a check found. `details` are JSON; of what is unhealthy they have `problems`, a list of `Wrong`."""

    healthy: bool
    details: dict[str, Any] = {}


def found(wrong: Iterable[Wrong], details: Mapping[str, Any]) -> Finding:
    """Healthy if nothing is wrong."""
    problems = [{"message": one.message, "hint": one.hint} for one in wrong]
    return Finding(not problems, {"problems": problems, **details} if problems else dict(details))


#: Looks at one component. May block; whatever it raises is reported as the component's error.
Check = Callable[[], Finding]


class Checkup:
    """Checks by component. For one thread at a time."""

    def __init__(self, checks: Mapping[str, Check], clock: Clock, deadline: float = DEADLINE) -> None:
        """`deadline`: seconds in which all must have answered, since all are made at the same time."""
        self.checks = dict(checks)
        #: The verdict of the last look.
        self.overall: Overall = "healthy"
        self._clock = clock
        self._deadline = deadline
        #: Those that have not answered yet. One that hangs is not made a second time until it has.
        self._open: dict[str, Future[_Answer]] = {}

    def look(self) -> dict[str, Any]:
        """Make every check: `{overall, components: [...], timestamp}`, in the order of the checks."""
        for name, check in self.checks.items():
            if name not in self._open:
                self._open[name] = _asked(check, self._clock)
        asked = {name: self._open[name] for name in self.checks}
        wait(asked.values(), timeout=self._deadline)
        components = [self._component(name, future) for name, future in asked.items()]
        self.overall = overall_of([component["status"] for component in components])
        return {
            "overall": self.overall,
            "components": components,
            "timestamp": rfc3339(self._clock.now()),
        }

    def _component(self, name: str, future: Future[_Answer]) -> dict[str, Any]:
        answer = None
        if future.done():
            answer = future.result()
            del self._open[name]
        at = rfc3339(self._clock.now() if answer is None else answer.at)
        if answer is None:
            longer = f"`mplp health {name} --timeout {self._deadline * 5:g}` waits longer"
            error = _lines(f"no answer within {self._deadline:g} s", longer)
        elif isinstance(answer.what, Finding):
            status = "healthy" if answer.what.healthy else "unhealthy"
            return {"component": name, "status": status, "details": answer.what.details, "timestamp": at}
        else:
            error = answer.what
        return {"component": name, "status": "error", "error": error, "timestamp": at}


class _Answer(Struct, frozen=True):
    """What a check found, or why it found nothing; and when (ms since the epoch)."""

    what: Finding | str
    at: int


def _asked(check: Check, clock: Clock) -> Future[_Answer]:
    """The check, made in a thread of its own."""
    future: Future[_Answer] = Future()

    def ask() -> None:
        try:
            what: Finding | str = _sound(check())
        except BaseException as error:  # noqa: BLE001 - a check that is broken is a finding
            what = _said(error)
        future.set_result(_Answer(what, clock.now()))

    # A call that hangs (a network file system) cannot be interrupted: it is left behind, and ends with us.
    threading.Thread(target=ask, daemon=True).start()
    return future


def _sound(answer: object) -> Finding:
    """The answer, if it is one. TypeError else."""
    if not isinstance(answer, Finding) or type(answer.healthy) is not bool:
        raise TypeError(f"the check answers {type(answer).__name__}, not what it found")
    if not isinstance(answer.details, dict):
        raise TypeError(f"the details of the check are {type(answer.details).__name__}, not a map")
    if answer.healthy and answer.details.get("problems"):
        raise TypeError("the check says healthy, and tells of problems")
    return Finding(answer.healthy, msgspec.json.decode(msgspec.json.encode(answer.details)))


def _said(error: BaseException) -> str:
    """What a check says that is broken; and what to do, on a second line."""
    if isinstance(error, MplpError):
        return _lines(error.message, error.hint or _ELSE)
    try:
        said = str(error)
    except Exception:  # noqa: BLE001 - not even that works
        said = ""
    return _lines(said or type(error).__name__, _ELSE)


def _lines(what: str, hint: str) -> str:
    return f"{' '.join(what[:_SAID].split())}\n{hint}"


def chosen(checks: Mapping[str, Check], names: Collection[str]) -> dict[str, Check]:
    """The checks of these components; `module` means every `module:NAME`. All of them if none is named.
    KeyError has the first name that means nothing."""
    for name in names:
        if not any(name in (one, one.partition(":")[0]) for one in checks):
            raise KeyError(name)
    return {
        one: check for one, check in checks.items() if not names or {one, one.partition(":")[0]} & {*names}
    }
