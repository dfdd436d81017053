"""What measurements mean: how well all is, what holds it up, where it is going, and what may be done. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from mplp_cli.observe.trends import Measure, Reading, Trend, trend_of
from mplp_cli.workflow.bottlenecks import (
    CPU_LIMIT,
    HINTS,
    MEMORY_LIMIT,
    Bottleneck,
    Metrics,
    bottlenecks_of,
)
from mplp_cli.workflow.values import duration_text

#: What is exactly at its limit is no bottleneck. Seconds that one step in twenty waits for a slot, or more.
SLOT_LIMIT: Final = 1.0
#: Seconds that one commit of the journal in twenty takes, or more.
COMMIT_LIMIT: Final = 0.1
#: Events that a reader has not dealt with.
BACKLOG_LIMIT: Final = 100
#: Runs of a workflow that have failed lately, one at a time is bad luck; and the part of those that have ended.
FAILED_LIMIT: Final = 1
FAILED_PART: Final = 0.5
#: What a bottleneck takes from 100.
WEIGHTS: Final = {"critical": 40, "high": 25, "medium": 10}

#: What trends are told of, in this order.
MEASURES: Final = (
    Measure(name="cpu", floor=0.05, limit=CPU_LIMIT, part=True),
    Measure(name="memory", floor=0.01, limit=MEMORY_LIMIT, part=True),
    Measure(name="storage", floor=0.005, limit=0.95, part=True),
    Measure(name="steps", unit="/s", floor=0.05),
    Measure(name="step time", unit="s", floor=0.005),
    Measure(name="events", unit="/s", floor=0.05),
    Measure(name="backlog", floor=10, limit=BACKLOG_LIMIT),
)


class Full(Struct, frozen=True):
    """A kind of resource that has less left than is waited for; how many wait, and who holds most of it."""

    kind: str
    waiting: int
    holder: str = ""


class Failing(Struct, frozen=True):
    """A workflow some of whose runs have failed lately, and the last of these."""

    workflow: str
    failed: int
    ended: int
    last: str


class Load(Struct, frozen=True, kw_only=True):
    """What is known of a moment. Waits and commits are the seconds that 19 of 20 stay within; None: there were none."""

    machine: Metrics = Metrics()
    slot_wait: float | None = None
    commit: float | None = None
    #: Steps that could run and have no slot.
    queued: int = 0
    full: Sequence[Full] = ()
    #: By route.
    dead: Mapping[str, int] = {}
    #: Events that a reader has not dealt with.
    behind: Mapping[str, int] = {}
    failing: Sequence[Failing] = ()


class PerformanceAnalysis(Struct, frozen=True, kw_only=True):
    """`overall` is 100 without a bottleneck, and less by the weight of each; never less than 0."""

    overall: int
    bottlenecks: tuple[Bottleneck, ...] = ()
    trends: tuple[Trend, ...] = ()
    recommendations: tuple[str, ...] = ()


def analyse(load: Load, series: Mapping[str, Sequence[Reading]]) -> PerformanceAnalysis:
    """Judge a moment, and the readings before it by the name of their measure."""
    found = [*bottlenecks_of(load.machine), *_ours(load)]
    trends = tuple(trend_of(measure, series.get(measure.name, ())) for measure in MEASURES)
    said = [*(HINTS[one.type] for one in found if one.type in HINTS), *_advice(load)]
    said += _ahead(trends, {one.type for one in found})
    return PerformanceAnalysis(
        overall=overall_of(found),
        bottlenecks=tuple(found),
        trends=trends,
        recommendations=tuple(dict.fromkeys(said)),
    )


def overall_of(bottlenecks: Sequence[Bottleneck]) -> int:
    """From 100 (nothing is in the way) to 0."""
    return max(100 - sum(WEIGHTS[one.severity] for one in bottlenecks), 0)


def _ours(load: Load) -> Iterator[Bottleneck]:
    """In this order: slots, resources, dead letters, backlog, workflows, journal."""
    if _lacks_slots(load):
        wait = duration_text((load.slot_wait or 0.0) * 1000)
        yield Bottleneck(
            type="slots",
            severity="medium",
            description=f"one step in 20 waits {wait} or longer for a slot; {load.queued:,} queued",
            recommendations=("give the workflow more slots", "split long steps"),
        )
    for one in load.full:
        held = f", most of it held by {one.holder}" if one.holder else ""
        yield Bottleneck(
            type="resource",
            severity="high",
            description=f"{one.kind} is taken while {_runs(one.waiting)} wait{_s(one.waiting)} for it{held}",
            recommendations=("let steps ask for less of it", "state more of it in mplp.yaml"),
        )
    if dead := {route: count for route, count in load.dead.items() if count > 0}:
        yield Bottleneck(
            type="dead-letters",
            severity="medium",
            description=f"dead letters: {_listed(dead)}",
            recommendations=("mend the target and replay them", "drop them"),
        )
    if late := {reader: count for reader, count in load.behind.items() if count > BACKLOG_LIMIT}:
        yield Bottleneck(
            type="backlog",
            severity="medium",
            description=f"events are not dealt with: {_listed(late)}",
            recommendations=("let a server deliver them", "let the route match fewer events"),
        )
    for bad in load.failing:
        if _fails(bad):
            yield Bottleneck(
                type="workflow",
                severity="high",
                description=f"{bad.workflow} fails: {bad.failed} of its last {_runs(bad.ended)}",
                recommendations=("find out why its runs fail",),
            )
    if (took := load.commit or 0.0) > COMMIT_LIMIT:
        yield Bottleneck(
            type="journal",
            severity="medium",
            description=f"one commit of the journal in 20 takes {duration_text(took * 1000)} or longer",
            recommendations=("keep the state on a faster disk",),
        )


def _lacks_slots(load: Load) -> bool:
    """Whether steps wait for slots too long, and some do so now."""
    return load.queued > 0 and (load.slot_wait or 0.0) > SLOT_LIMIT


def _fails(bad: Failing) -> bool:
    """Whether a workflow fails, rather than one run of it."""
    return bad.failed > FAILED_LIMIT and bad.failed > FAILED_PART * bad.ended


def _advice(load: Load) -> Iterator[str]:
    """What to do about ours, with the commands for it."""
    if _lacks_slots(load) and (load.machine.cpu.utilization or 0.0) <= CPU_LIMIT:
        yield "the cores have room: a larger `max-parallel` lets more steps run at once"
    if load.full:
        kinds = ", ".join(one.kind for one in load.full)
        yield f"`mplp resources` says who holds {kinds}; `mplp capacity plan` how much is required"
    if any(count > 0 for count in load.dead.values()):
        yield "`mplp events dead-letter` shows what was not delivered, and replays it"
    if any(count > BACKLOG_LIMIT for count in load.behind.values()):
        yield "`mplp serve` delivers events; `mplp events routes` says how far each route is"
    for bad in load.failing:
        if _fails(bad):
            yield f"`mplp explain {bad.last[:8]}` says why {bad.workflow} failed last"
    if (load.commit or 0.0) > COMMIT_LIMIT:
        yield "`--state-dir` on a local disk makes commits faster"


def _ahead(trends: Sequence[Trend], known: Collection[str]) -> Iterator[str]:
    """What becomes a bottleneck within the hour, if it goes on like this, and is none yet."""
    for trend in trends:
        if trend.reaches is not None and trend.reaches <= 60 and trend.metric not in known:
            when = f"in about {trend.reaches:.0f} min" if trend.reaches >= 1.5 else "within 2 min"
            yield f"{trend.metric} is at its limit {when}, if it goes on like this"


def _listed(counts: Mapping[str, int], most: int = 3) -> str:
    """`audit 12, mail 3 and 2 more`, the most first."""
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    text = ", ".join(f"{name} {count:,}" for name, count in ordered[:most])
    return f"{text} and {len(ordered) - most} more" if len(ordered) > most else text


def _runs(count: int) -> str:
    return f"{count} run{'' if count == 1 else 's'}"


def _s(count: int) -> str:
    return "s" if count == 1 else ""
