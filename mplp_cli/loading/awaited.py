"""Rules about steps that wait, ask or publish: times, and types of events, as far as they are written out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from mplp_cli.errors import Path, Problem
from mplp_cli.loading.wording import quoted
from mplp_cli.workflow.published import check_type, check_wanted
from mplp_cli.workflow.values import moment_ms


def check_waiting(step: dict[str, Any], path: Path) -> Iterator[Problem]:
    """Findings about a `wait` or an `emit` step."""
    event = step.get("event")
    named = event.get("type") if isinstance(event, dict) else None
    inside = (*path, "event", "type")
    if step.get("type") == "emit":
        yield from _fits(named, check_type, inside, "rule-event-type", "the type of an event")
    else:
        yield from _fits(
            step.get("until"), moment_ms, (*path, "until"), "rule-time", "a time with its offset"
        )
        yield from _fits(named, check_wanted, inside, "rule-event-type", "the type of events")


def _fits(value: Any, check: Callable[[str], Any], path: Path, code: str, what: str) -> Iterator[Problem]:
    # What a reference holds is judged when it is known.
    if not isinstance(value, str) or not value or "${" in value or "$<" in value:
        return
    try:
        check(value)
    except ValueError as error:
        said, _, hint = str(error).removeprefix(repr(value)).partition("; ")
        yield Problem(
            code=code,
            path=path,
            message=f"{quoted(value)}{said}" if said.startswith(" ") else f"{quoted(value)} is not {what}",
            hint=hint or None,
        )
