"""Adjustments: values of this machine that are others than the settings say, within bounds, and taken back one by one."""

from __future__ import annotations

from typing import Final

from msgspec import structs

from mplp_cli.protocols.scaling import Adjustment, Adjustments, Change
from mplp_cli.workflow.resources import Kind, Pool, Unit

#: Attempts at once of a run whose workflow states none.
MAX_PARALLEL: Final = "max-parallel"
#: From here to there it may be adjusted.
FEWEST, MOST = 1, 256
#: A kind of the pool may be made as small as this part of what is configured.
SMALLEST_PART: Final = 8
#: And as large as so many times that, if it is not a part of the machine.
LARGEST: Final = 4


def bounds_of(resource: str, configured: int, machine: int | None = None) -> tuple[int, int]:
    """The least and the most that a resource may be adjusted to. `machine`: all that the machine has of it."""
    if resource == MAX_PARALLEL:
        return FEWEST, MOST
    most = configured * LARGEST if machine is None else max(configured, machine)
    return max(configured // SMALLEST_PART, 1), most


def adjusted(adjustments: Adjustments, resource: str, configured: int) -> int:
    """How much there is of it: what it was adjusted to, else what is configured."""
    found = adjustments.in_force().get(resource)
    return configured if found is None else found.after


def overlaid(pool: Pool, adjustments: Adjustments) -> Pool:
    """The pool with what was adjusted. Only kinds that are one unit can be: the others stay."""
    kinds = dict(pool.kinds)
    for name, one in adjustments.in_force().items():
        kind = kinds.get(name)
        if kind is not None and len(kind.units) == 1:
            kinds[name] = _resized(kind, one.after)
    return Pool(kinds)


def _resized(kind: Kind, capacity: int) -> Kind:
    return structs.replace(kind, units=(Unit(kind.units[0].id, capacity),))


def with_change(adjustments: Adjustments, at: int, by: str, made: tuple[Adjustment, ...]) -> Adjustments:
    """With what a command has adjusted; nothing changes without any."""
    if not made:
        return adjustments
    return Adjustments(changes=(*adjustments.changes, Change(at=at, by=by, adjustments=made)))


def without_last(adjustments: Adjustments, by: str) -> tuple[Adjustments, Change | None]:
    """Without the last thing that this command has adjusted, and what that was; what others have stays."""
    for n in range(len(adjustments.changes) - 1, -1, -1):
        if adjustments.changes[n].by == by:
            rest = (*adjustments.changes[:n], *adjustments.changes[n + 1 :])
            return Adjustments(changes=rest), adjustments.changes[n]
    return adjustments, None
