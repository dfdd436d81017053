"""How much of the pool is taken, in the numbers that people and machines read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from mplp_cli.workflow.resources import Allocation, Amounts, Pool, Share

Number = int | float


class Used(Struct, frozen=True):
    """One kind: cores, bytes, bits a second or custom things; of a rate, what is taken and has not come back."""

    total: Number
    allocated: Number
    free: Number
    #: From 0 to 1, also where more is held than there is by now.
    utilization: float


def utilization(pool: Pool, used: Amounts) -> dict[str, Used]:
    """Each kind of the pool, in its order."""
    found = {}
    for name, kind in pool.kinds.items():
        taken = sum(used.get(name, {}).values())
        found[name] = Used(
            number_of(name, kind.capacity),
            number_of(name, taken),
            number_of(name, max(kind.capacity - taken, 0)),
            round(min(taken / kind.capacity, 1), 4),
        )
    return found


def kinds_document(pool: Pool, used: Amounts) -> dict[str, Any]:
    """The kinds with their units; `per` in ms makes a kind a rate."""
    return {
        name: {
            "total": of.total,
            "allocated": of.allocated,
            "free": of.free,
            "utilization": of.utilization,
            "per": pool.kinds[name].per or None,
            "units": [
                {
                    "id": unit.id,
                    "capacity": number_of(name, unit.capacity),
                    "allocated": number_of(name, used.get(name, {}).get(unit.id, 0)),
                }
                for unit in pool.kinds[name].units
            ],
        }
        for name, of in utilization(pool, used).items()
    }


def allocation_document(made: Allocation, at: str) -> dict[str, Any]:
    """What is held by hand; `at` is when it was taken, as text."""
    return {
        "allocationId": made.id,
        "at": at,
        "by": made.by,
        "strategy": made.strategy,
        "resources": [
            {"kind": kind, "unit": unit, "amount": number_of(kind, amount)}
            for kind, unit, amount in made.parts
        ],
    }


def share_document(share: Share) -> dict[str, Any]:
    """What a run holds, has spent of rates and waits for."""
    spent: dict[str, dict[str, int]] = {}
    for kind, unit, amount, _ in share.spent:
        units = spent.setdefault(kind, {})
        units[unit] = units.get(unit, 0) + amount
    return {
        "runId": share.run,
        "priority": share.priority,
        "held": _numbers(share.held),
        "spent": _numbers(spent),
        "waitsFor": _numbers(share.wanted),
    }


def _numbers(amounts: Amounts) -> Mapping[str, Mapping[str, Number]]:
    found = {
        kind: {unit: number_of(kind, amount) for unit, amount in units.items() if amount}
        for kind, units in amounts.items()
    }
    return {kind: units for kind, units in found.items() if units}


def number_of(kind: str, amount: int) -> Number:
    """Cores and custom things, which are reckoned in thousandths; bytes and bits a second as they are."""
    if kind in ("memory", "storage", "network"):
        return amount
    return amount // 1_000 if amount % 1_000 == 0 else amount / 1_000
