"""Resources: what there is (a pool), what an attempt asks for (a demand), and on which units it is put."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from mplp_cli.errors import InsufficientResourcesError
from mplp_cli.workflow.amounts import amount_of, amount_text
from mplp_cli.workflow.suggest import nearest

#: The kinds that every pool may have; all others are custom.
KINDS: Final = ("cpu", "memory", "network", "storage")
Strategy: TypeAlias = Literal["first-fit", "best-fit", "balanced", "priority"]
Enforce: TypeAlias = Literal["watch", "rlimit", "none"]
#: Amounts by kind and unit: what is held.
Amounts: TypeAlias = Mapping[str, Mapping[str, int]]
#: What one attempt holds: (kind, unit, amount).
Parts: TypeAlias = tuple[tuple[str, str, int], ...]


class Unit(Struct, frozen=True):
    """A part of a pool that an attempt is put on: a node, a card, a disk."""

    id: str
    capacity: int


class Kind(Struct, frozen=True, kw_only=True):
    """One kind of resource. `per` makes it a rate: what is taken comes back that many ms later, and not before."""

    name: str
    units: tuple[Unit, ...]
    per: int = 0

    @property
    def capacity(self) -> int:
        """All of it."""
        return sum(unit.capacity for unit in self.units)


class Pool(Struct, frozen=True):
    """What there is, by the name of the kind."""

    kinds: Mapping[str, Kind] = {}


class Demand(Struct, frozen=True, kw_only=True):
    """What an attempt holds while it runs; every amount is more than 0. Equal demands of a plan are one object."""

    #: (kind, amount), in the order of the names.
    amounts: tuple[tuple[str, int], ...]
    strategy: Strategy = "first-fit"
    #: How the memory that it declares is enforced: its processes are looked at, the system refuses more, or not at all.
    enforce: Enforce = "watch"

    @classmethod
    def written(cls, amounts: Mapping[str, float | str], strategy: Strategy = "first-fit") -> Demand:
        """From amounts as people write them. ValueError names the kind and says how one is written."""
        found = {}
        for kind, amount in amounts.items():
            try:
                found[kind] = amount_of(kind, amount)
            except ValueError as error:
                raise ValueError(f"`{kind}`: {error}") from None
        return cls(amounts=tuple(sorted(found.items())), strategy=strategy)

    def amount(self, kind: str) -> int:
        """How much of one kind; 0 if none is asked for."""
        return dict(self.amounts).get(kind, 0)


class Usage(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, gc=False):
    """What processes have used. `cpu_ms` is their time on processors, in the system too; `read` and `written` are
    bytes that went from and to disks. `peak_memory` is in bytes, 0 if it is not known."""

    cpu_ms: int = 0
    peak_memory: int = 0
    read: int = 0
    written: int = 0

    def __add__(self, other: Usage) -> Usage:
        """One after the other."""
        return Usage(
            cpu_ms=self.cpu_ms + other.cpu_ms,
            peak_memory=max(self.peak_memory, other.peak_memory),
            read=self.read + other.read,
            written=self.written + other.written,
        )


def written(demand: Demand) -> dict[str, str]:
    """The amounts of a demand by kind, as people write them."""
    return {kind: amount_text(kind, amount) for kind, amount in demand.amounts}


class Share(Struct, frozen=True, kw_only=True):
    """What one run holds of the pool, and what it waits for. A higher `priority` goes first, then an older run.

    What is held by hand is a share, too: its `run` is the id of the allocation.
    """

    run: str
    priority: int = 0
    #: When the run was made (ms since the epoch).
    since: int = 0
    held: Amounts = {}
    #: Of rates: (kind, unit, amount, when it comes back), the next to come back first.
    spent: tuple[tuple[str, str, int, int], ...] = ()
    #: What its first waiting step lacks the place for; nobody behind it takes that.
    wanted: Amounts = {}
    #: It is held by hand: nobody knows until when.
    by_hand: bool = False
    #: What it waits for it leaves to others, since some of that is held by hand.
    yields: bool = False

    def goes_before(self, other: Share) -> bool:
        """Whether this one gets what both wait for."""
        return (-self.priority, self.since, self.run) < (-other.priority, other.since, other.run)

    @property
    def is_empty(self) -> bool:
        """Whether it holds, has spent and wants nothing."""
        return not (self.spent or self.has_place)

    @property
    def has_place(self) -> bool:
        """Whether it holds or wants something."""
        return _some(self.held) or _some(self.wanted)

    def at(self, now: int) -> Share:
        """Without what has come back of rates by then."""
        if all(until > now for *_, until in self.spent):
            return self
        return replace(self, spent=tuple(one for one in self.spent if one[3] > now))

    def rest(self, now: int) -> Share:
        """What is left of it when nobody drives the run: what has been spent of rates."""
        return replace(self.at(now), held={}, wanted={})


def _some(amounts: Amounts) -> bool:
    return any(amount for units in amounts.values() for amount in units.values())


class Allocation(Struct, frozen=True, kw_only=True):
    """What somebody holds by hand, until it is released."""

    id: str
    at: int
    by: str
    strategy: Strategy
    parts: Parts

    @property
    def share(self) -> Share:
        """What is held by it, as others see it."""
        return Share(run=self.id, since=self.at, held=in_use((), [self], self.at), by_hand=True)


def lacking(pool: Pool, demand: Demand) -> dict[str, tuple[int, int]]:
    """What the pool can never give: kind -> (asked, all that there is). Empty: it fits if nobody holds anything."""
    found = {}
    for name, amount in demand.amounts:
        kind = pool.kinds.get(name)
        there = 0 if kind is None else kind.capacity
        if amount > there:
            found[name] = amount, there
    return found


def narrowed(pool: Pool, demands: Iterable[Demand]) -> Pool:
    """The kinds that somebody asks for. InsufficientResourcesError if one of the demands can never be met."""
    names: dict[str, None] = {}
    for demand in demands:
        if short := lacking(pool, demand):
            asked = {name: amount_text(name, amount) for name, (amount, _) in short.items()}
            there = {name: amount_text(name, amount) for name, (_, amount) in short.items()}
            each = ", ".join(f"{asked[name]} of {name} where there is {there[name]}" for name in short)
            raise InsufficientResourcesError(
                f"a step asks for {each}",
                requirements=asked,
                availability=there,
                hint="ask for less, or state more under `resources` in mplp.yaml",
            )
        names.update(dict.fromkeys(name for name, _ in demand.amounts))
    return Pool({name: pool.kinds[name] for name in sorted(names)})


def in_use(shares: Iterable[Share], allocations: Iterable[Allocation], now: int) -> dict[str, dict[str, int]]:
    """The sum of what is held, by kind and unit; of rates what has not come back at `now`."""
    total: dict[str, dict[str, int]] = {}

    def add(kind: str, unit: str, amount: int) -> None:
        units = total.setdefault(kind, {})
        units[unit] = units.get(unit, 0) + amount

    for share in shares:
        for kind, units in share.held.items():
            for unit, amount in units.items():
                add(kind, unit, amount)
        for kind, unit, amount, until in share.spent:
            if until > now:
                add(kind, unit, amount)
    for allocation in allocations:
        for kind, unit, amount in allocation.parts:
            add(kind, unit, amount)
    return total


def placed(pool: Pool, used: Amounts, demand: Demand) -> Parts | None:
    """The units that a demand is put on, all of its kinds or none; None if there is no place now."""
    parts: list[tuple[str, str, int]] = []
    for name, amount in demand.amounts:
        kind = pool.kinds.get(name)
        if kind is None:
            return None
        taken = used.get(name, {})
        free = [unit.capacity - taken.get(unit.id, 0) for unit in kind.units]
        on = spread(kind, free, amount, demand.strategy)
        if on is None:
            return None
        parts.extend((name, kind.units[place].id, part) for place, part in on)
    return tuple(parts)


def spread(kind: Kind, free: Sequence[int], amount: int, strategy: Strategy) -> list[tuple[int, int]] | None:
    """The units (by their places, with how much of each) that an amount of one kind is put on; None: no room now.

    An amount stands on one unit if any unit is large enough for it; only a larger one is spread over several.
    """
    units = kind.units
    if any(unit.capacity >= amount for unit in units):
        fitting = [place for place, left in enumerate(free) if left >= amount]
        return [(_chosen(kind, free, fitting, strategy), amount)] if fitting else None
    if sum(left for left in free if left > 0) < amount:
        return None
    order = (
        range(len(units)) if strategy == "first-fit" else sorted(range(len(units)), key=lambda u: -free[u])
    )
    on = []
    for place in order:
        part = min(free[place], amount)
        if part > 0:
            on.append((place, part))
            amount -= part
    return on


def _chosen(kind: Kind, free: Sequence[int], fitting: Sequence[int], strategy: Strategy) -> int:
    """The first that fits, the one that it fills best (`best-fit`, `priority`), or the one that is least used."""
    match strategy:
        case "first-fit":
            return fitting[0]
        case "balanced":
            return max(fitting, key=lambda place: free[place] / kind.units[place].capacity)
        case _:
            return min(fitting, key=lambda place: free[place])


# ---- beside others -------------------------------------------------------------------------------


def fits(pool: Pool, share: Share, others: Iterable[Share], now: int, before: Share | None = None) -> bool:
    """Whether there is room for what `share` takes beyond what the same run had `before`, beside what others hold,
    and what those who go before it wait for. What it had already need not fit: the pool may have become smaller.
    """
    had = {} if before is None else in_use([before], (), now)
    taken = kept_from(share, others, now)
    for name, units in in_use([share], (), now).items():
        there = {unit.id: unit.capacity for unit in pool.kinds[name].units} if name in pool.kinds else {}
        for unit, amount in units.items():
            if amount > had.get(name, {}).get(unit, 0):
                left = there.get(unit, 0) - taken.get(name, {}).get(unit, 0)
                if amount > left:
                    return False
    return True


def allotted(
    pool: Pool, demand: Demand, others: Sequence[Share], *, identifier: str, by: str, now: int
) -> Allocation:
    """What somebody is to hold by hand beside others. InsufficientResourcesError if there is no room for it now."""
    taken = kept_from(Share(run=identifier, since=now), others, now)
    parts = placed(pool, taken, demand)
    if parts is None:
        raise no_room(pool, taken, demand)
    return Allocation(id=identifier, at=now, by=by, strategy=demand.strategy, parts=parts)


def kept_from(share: Share, others: Iterable[Share], now: int) -> dict[str, dict[str, int]]:
    """What others hold, and what those who go before the run wait for."""
    everybody = list(others)
    before = (other for other in everybody if not other.yields and other.goes_before(share))
    waiting = [replace(other, held=other.wanted, spent=()) for other in before]
    return in_use([*everybody, *waiting], (), now)


def no_room(pool: Pool, used: Amounts, demand: Demand) -> InsufficientResourcesError:
    """The refusal that names, for each kind that is asked for, how much, and how much one could have now."""
    asked, there = {}, {}
    for name, amount in demand.amounts:
        asked[name] = amount_text(name, amount)
        there[name] = amount_text(name, _free(pool.kinds.get(name), used.get(name, {}), amount))
    short = [name for name, amount in demand.amounts if placed(pool, used, _only(demand, name)) is None]
    missing = "; ".join(f"{name}: asked {asked[name]}, available {there[name]}" for name in short)
    return InsufficientResourcesError(
        f"there is not enough of the pool: {missing}" if missing else "there is not enough of the pool",
        requirements=asked,
        availability=there,
        hint=_way_out(pool, lacking(pool, demand)),
    )


def _way_out(pool: Pool, never: Iterable[str]) -> str:
    """What can be done where there is no room: now, or never."""
    if unknown := next((name for name in never if name not in pool.kinds), None):
        meant = f"did you mean `{near}`? else " if (near := nearest(unknown, pool.kinds)) else ""
        return f"{meant}the pool has no `{unknown}`: state it under `resources` in mplp.yaml"
    if short := " and ".join(never):
        return (
            f"the pool never has as much {short}: ask for less, or enlarge it under `resources` in mplp.yaml"
        )
    return "`mplp resources show` lists what is held and by whom"


def _only(demand: Demand, name: str) -> Demand:
    return replace(demand, amounts=((name, demand.amount(name)),))


def _free(kind: Kind | None, taken: Mapping[str, int], amount: int) -> int:
    """How much can be had: on one unit if any is large enough for the amount, else on all together."""
    if kind is None:
        return 0
    free = [max(unit.capacity - taken.get(unit.id, 0), 0) for unit in kind.units]
    alone = any(unit.capacity >= amount for unit in kind.units)
    return max(free, default=0) if alone else sum(free)
