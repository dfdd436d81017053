"""What to do about bottlenecks, and what to tidy up: what is safe is done, the rest is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from msgspec import Struct

from mplp_cli.protocols.scaling import Adjustment
from mplp_cli.resources.adjustments import FEWEST, MAX_PARALLEL
from mplp_cli.workflow.bottlenecks import Bottleneck

#: Bytes of the write-ahead log that are worth writing back.
LONG_LOG: Final = 4 << 20


class Found(Struct, frozen=True, kw_only=True):
    """What was looked at, beside the metrics."""

    cores: int
    #: Slots of a run that states none, as they are now.
    slots: int
    #: Bytes of the store's write-ahead log.
    log: int = 0
    #: Runs that hold something of the pool, or a place under a concurrency key, and that nobody drives any more.
    dead_shares: int = 0
    lost_places: int = 0


class Safe(Struct, frozen=True, kw_only=True):
    """Something that is done: it loses nothing, and no workflow can fail for it. `undoable`: by --undo."""

    action: Literal["reap-shares", "free-places", "write-back", "adjust"]
    description: str
    #: The bottleneck that it is for; None: it is tidying up.
    bottleneck: str | None = None
    undoable: bool = False
    adjustment: Adjustment | None = None


def safe_ones(bottlenecks: Sequence[Bottleneck], found: Found) -> list[Safe]:
    """What can be done without asking: what is left of dead runs, the store's own upkeep, fewer slots."""
    return [*_tidying(found), *_slots(bottlenecks, found)]


def _tidying(found: Found) -> Iterator[Safe]:
    if found.dead_shares:
        yield Safe(
            action="reap-shares",
            description=f"free what {_runs(found.dead_shares)} hold of the pool whose process is gone",
        )
    if found.lost_places:
        yield Safe(
            action="free-places",
            description=f"free the places under concurrency keys of {_runs(found.lost_places)} that have ended",
        )
    if found.log >= LONG_LOG:
        yield Safe(
            action="write-back",
            description=f"write the log of the store back into it ({found.log >> 20} MiB)",
        )


def _runs(count: int) -> str:
    return f"{count} run{'' if count == 1 else 's'}"


def _slots(bottlenecks: Sequence[Bottleneck], found: Found) -> Iterator[Safe]:
    """Fewer attempts at once: workflows take longer by it at worst, and none fails."""
    kinds = [one.type for one in bottlenecks]
    wanted, why = found.slots, ""
    if "cpu" in kinds and wanted > found.cores:
        wanted, why = found.cores, "cpu"
    if "memory" in kinds and wanted > FEWEST:
        wanted, why = max(wanted // 2, FEWEST), "memory"
    if why:
        yield Safe(
            action="adjust",
            description=f"`{MAX_PARALLEL}` of runs to come that state none: {wanted}, not {found.slots}",
            bottleneck=why,
            undoable=True,
            adjustment=Adjustment(resource=MAX_PARALLEL, before=found.slots, after=wanted),
        )


class Moved(Struct, frozen=True, kw_only=True):
    """A measurement before and after; `improvement` is the part of it that is gone, from 0 to 1."""

    metric: str
    unit: str
    before: int
    after: int

    @property
    def improvement(self) -> float:
        """By which part it is less."""
        return round((self.before - self.after) / self.before, 4) if self.before else 0.0


def improvement_of(applied: Sequence[Safe], moved: Sequence[Moved]) -> dict[str, object]:
    """What is known to have become better. What acts on runs to come only is not known, and so it is said."""
    later = [one.description for one in applied if one.adjustment is not None]
    if not applied:
        status, reason = "none", "nothing was applied"
    elif later:
        status, reason = "unknown", "fewer slots act on runs to come; measure again when some have run"
    elif any(one.improvement for one in moved):
        status, reason = "measured", "what was applied was measured before and after"
    else:
        status, reason = "none", "what was applied has changed nothing that can be measured"
    changes = [
        {
            "metric": one.metric,
            "unit": one.unit,
            "before": one.before,
            "after": one.after,
            "improvement": one.improvement,
        }
        for one in moved
    ]
    return {"status": status, "changes": changes, "reason": reason}
