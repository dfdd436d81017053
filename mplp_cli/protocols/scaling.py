"""Making more or less of a resource: what is asked for, who does it, and what has been done on this machine."""

from __future__ import annotations

from typing import Final, Literal, Protocol, TypeAlias

from msgspec import Struct, field

from mplp_cli.workflow.values import Json

#: An amount as people write it: 2, 0.5, `512MiB`.
Written: TypeAlias = int | float | str


class ScalingAction(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One step of a scaling plan. `resource` is `max-parallel`, a kind of the pool, `agent:ID`, or SCALER:NAME for
    the scaler of a package.

    `amount` is by how much. With `start` (`from`) it is done only if there is so much of it now; with `to` that is
    what there shall be.
    """

    type: Literal["scale-up", "scale-down"]
    resource: str
    amount: Written
    start: Written | None = field(default=None, name="from")
    to: Written | None = None


class Scaler(Protocol):
    """Makes more or less of something that is not this machine's: the nodes of a cluster, the workers of a queue.

    A package brings one along through an entry point of the group `mplp.scalers`, which leads to an object like
    this, or to a function without parameters that gives one. Its name is what stands before the colon in
    `resource`.
    """

    def execute(self, action: ScalingAction) -> Json:
        """Do it, and say what was done. `resource` is what stands after the colon. Whatever it raises makes this
        action a failed one, and no other."""
        ...


class Adjustment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One value of this machine that is another one than the settings say. Kinds of the pool in whole amounts."""

    resource: str
    before: int
    after: int


class Change(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one command has adjusted, and when (ms since the epoch)."""

    at: int
    by: str
    adjustments: tuple[Adjustment, ...]


class Adjustments(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What has been adjusted in a state directory and was not taken back, in order. The last one of a resource
    counts."""

    changes: tuple[Change, ...] = ()

    def in_force(self) -> dict[str, Adjustment]:
        """The adjustment that counts, by resource."""
        return {one.resource: one for change in self.changes for one in change.adjustments}


NOTHING_ADJUSTED: Final = Adjustments()
