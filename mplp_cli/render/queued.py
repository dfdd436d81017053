"""A run that waits for its turn under a concurrency key, in words and for machines."""

from __future__ import annotations

from typing import Any

from mplp_cli.clock import rfc3339
from mplp_cli.protocols import Standing
from mplp_cli.render.view import short_id
from mplp_cli.workflow.fold.history import Turn
from mplp_cli.workflow.values import duration_text


def queue_text(standing: Standing, now: int) -> str:
    """`waits for its turn: run 3f2a91bc has the place under "prod" since 3m40s; 2nd in the queue`."""
    return f"waits for its turn: {_holders(standing, now)}{_place(standing.position)}"


def place_text(standing: Standing) -> str:
    """A word for a table: `has "prod"`, `2nd for "prod"`."""
    if not standing.position:
        return f'has "{standing.key}"'
    return f'{ordinal(standing.position)} for "{standing.key}"'


def _holders(standing: Standing, now: int) -> str:
    if not standing.holders:
        return f'another run is before it under "{standing.key}"'
    first, *more = standing.holders
    since = duration_text(max(now - first.since, 0) // 1000 * 1000).replace(".0s", "s")
    parked = f" ({first.status})" if first.status in ("waiting", "paused") else ""
    others = f", {len(more)} more beside it" if more else ""
    return f'run {short_id(first.run)}{parked} has the place under "{standing.key}" since {since}{others}'


def _place(position: int) -> str:
    return "" if position <= 1 else f"; {ordinal(position)} in the queue"


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `11th`."""
    last = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{last}"


def turn_object(turn: Turn, standing: Standing | None) -> dict[str, Any]:
    """The concurrency key of a run, and, until it has ended, where it stands."""
    made: dict[str, Any] = {"key": turn.key, "max": turn.max, "onLimit": turn.on_limit}
    if standing is not None:
        made["position"] = standing.position
        made["holders"] = [
            {"runId": held.run, "since": rfc3339(held.since), "status": held.status}
            for held in standing.holders
        ]
    return made
