"""The checks of what there is to work with: the pool, and the machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mplp_cli.checks.scene import Scene, counted
from mplp_cli.observe.health import Finding, Wrong, found
from mplp_cli.resources.bottlenecks import Metrics, bottlenecks_of
from mplp_cli.resources.measuring import PATIENCE, Measured, measure
from mplp_cli.resources.pool import make_pool
from mplp_cli.store.adjusting import read_adjustments
from mplp_cli.workflow.amounts import amount_text
from mplp_cli.workflow.resources import Allocation, Amounts, Pool, Share, in_use


def check_resources(scene: Scene) -> Finding:
    """Nobody holds more of the pool than there is, and nobody waits for a kind of which nothing is left."""
    place = scene.place
    pool = make_pool(scene.settings, scene.disk(), read_adjustments(place))
    with scene.store() as store:
        shares, allocations = ((), ()) if store is None else (store.shares.all(), store.shares.allocations())
    return judge_pool(pool, shares, allocations, scene.clock.now())


def judge_pool(pool: Pool, shares: Sequence[Share], allocations: Sequence[Allocation], now: int) -> Finding:
    """What is wrong with the pool as it stands at `now`."""
    used = in_use(shares, allocations, now)
    kinds = {
        name: {
            "total": amount_text(name, kind.capacity),
            "held": amount_text(name, sum(used.get(name, {}).values())),
        }
        for name, kind in pool.kinds.items()
    }
    waiting = sum(any(sum(units.values()) for units in share.wanted.values()) for share in shares)
    details: dict[str, Any] = {
        "kinds": kinds,
        "allocations": len(allocations),
        "runs": sum(share.has_place for share in shares),
        "waiting": waiting,
    }
    return found([*_beyond(pool, used), *_full(pool, used, shares)], details)


def _beyond(pool: Pool, used: Amounts) -> Iterator[Wrong]:
    """Units of which more is held than there is."""
    for name, held in used.items():
        kind = pool.kinds.get(name)
        there = {} if kind is None else {unit.id: unit.capacity for unit in kind.units}
        for unit, amount in held.items():
            if amount > there.get(unit, 0):
                has = f"{amount_text(name, amount)} of {amount_text(name, there.get(unit, 0))}"
                yield Wrong(
                    f"more of {name} is held than there is: {has} ({unit})",
                    "`mplp resources show` says by whom; give the pool in mplp.yaml what it had, or let them end",
                )


def _full(pool: Pool, used: Amounts, shares: Sequence[Share]) -> Iterator[Wrong]:
    """Kinds of which nothing is left while somebody waits. What is left of a rate comes back by itself."""
    for name, kind in pool.kinds.items():
        held = sum(used.get(name, {}).values())
        waiting = sum(1 for share in shares if sum(share.wanted.get(name, {}).values()))
        if waiting and not kind.per and held >= kind.capacity:
            yield Wrong(
                f"all {amount_text(name, kind.capacity)} of {name} are held, and {counted(waiting, 'run')}"
                f" wait{'s' if waiting == 1 else ''} for it",
                "`mplp resources show` says who holds it; `mplp resources release ID` gives back what is held by hand",
            )


def check_machine(scene: Scene) -> Finding:
    """The machine has memory left. That it is busy, or far from others, is told."""
    probes = scene.settings.probes
    patience = min(PATIENCE, scene.deadline / 4 / (3 * len(probes) or 1))
    return judge_machine(measure(scene.disk(), probes, scene.clock, patience))


def judge_machine(measured: Measured) -> Finding:
    """Unhealthy is a machine without memory; work makes processors busy, which is told, as is a slow network."""
    metrics: Metrics = measured.metrics
    bottlenecks = bottlenecks_of(metrics)
    told = [one.description for one in bottlenecks if one.severity != "critical"]
    details: dict[str, Any] = {"bottlenecks": told} if told else {}
    details |= {
        "cpu": metrics.cpu.utilization,
        "memory": metrics.memory.utilization,
        "networkMs": metrics.network.latency,
    }
    if measured.unreachable:
        details["unreachable"] = measured.unreachable
    wrong = [
        Wrong(
            f"{one.description}: {metrics.memory.utilization or 0:.0%} in use",
            "`mplp resources show` says which runs hold most; end some, or declare what their steps need",
        )
        for one in bottlenecks
        if one.severity == "critical"
    ]
    return found(wrong, details)
