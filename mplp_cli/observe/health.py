"""Health: every component is checked by itself and under a deadline; one word sums them up.

A check says healthy or not, with facts. A check that raises, or gives no answer in time, is an `error`
of its own component and keeps no other from being checked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from mplp_cli.clock import rfc3339
from mplp_cli.protocols import Clock
from mplp_cli.workflow.health import overall_of

#: Seconds that a check may take.
DEADLINE = 2.0


class Finding(Struct, frozen=True):
    """What a check found."""

    healthy: bool
    details: dict[str, Any] = {}


#: Looks at one component. May block; whatever it raises is reported as the component's error.
Check = Callable[[], Finding]


def check_health(checks: Mapping[str, Check], clock: Clock, deadline: float = DEADLINE) -> dict[str, Any]:
    """Run every check, one after the other: `{overall, components: [...], timestamp}`, in the order given."""
    components = [_component(name, check, clock, deadline) for name, check in checks.items()]
    return {
        "overall": overall_of([component["status"] for component in components]),
        "components": components,
        "timestamp": rfc3339(clock.now()),
    }


def _component(name: str, check: Check, clock: Clock, deadline: float) -> dict[str, Any]:
    answer = _answer(check, deadline)
    now = rfc3339(clock.now())
    if isinstance(answer, Finding):
        status = "healthy" if answer.healthy else "unhealthy"
        return {"component": name, "status": status, "details": answer.details, "timestamp": now}
    return {"component": name, "status": "error", "error": answer, "timestamp": now}


def _answer(check: Check, deadline: float) -> Finding | str:
    """What the check found, or why it found nothing."""
    answers: list[Finding | str] = []

    def ask() -> None:
        try:
            answers.append(check())
        except Exception as error:  # noqa: BLE001 - a check that is broken is a finding
            answers.append(str(error) or type(error).__name__)

    # A call that hangs (a network file system) cannot be interrupted: it is left behind, and ends with us.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(deadline)
    return answers[0] if answers else f"no answer within {deadline:g} s"
