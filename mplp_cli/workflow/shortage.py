"""What an attempt waits for in the pool, and who has it, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from mplp_cli.workflow.amounts import amount_text
from mplp_cli.workflow.resources import Demand, Kind, Pool, Share, in_use, kept_from, spread
from mplp_cli.workflow.values import RunId, duration_text

#: Holders that are named; the others are counted.
_NAMED = 2


def shortage(pool: Pool, demand: Demand, run: RunId, shares: Iterable[Share], now: int) -> str:
    """`1 of llm-slot; run 1a2b3c4d holds it`: what there is no room for now, and who holds what it needs or is to
    have it first. `shares` are those of everybody, this run too. Empty if there is room."""
    everybody = list(shares)
    own = next((share for share in everybody if share.run == run), Share(run=run, since=now))
    others = [share for share in everybody if share.run != run]
    taken = kept_from(own, [*others, replace(own, wanted={})], now)
    said = []
    for name, amount in demand.amounts:
        kind = pool.kinds.get(name)
        if kind is None or kind.capacity < amount:
            said.append(f"{amount_text(name, amount)} of {name}, which the pool does not have")
            continue
        free = [unit.capacity - taken.get(name, {}).get(unit.id, 0) for unit in kind.units]
        if spread(kind, free, amount, "first-fit") is None:
            said.append(
                "; ".join([f"{amount_text(name, amount)} of {name}", *_holders(kind, own, others, now)])
            )
    return ", and ".join(said)


def _holders(kind: Kind, own: Share, others: Sequence[Share], now: int) -> Iterator[str]:
    having = [share for share in others if kind.name in in_use([share], (), now)]
    wanting = [
        share for share in others if kind.name in share.wanted and not share.yields and share.goes_before(own)
    ]
    if kind.per:
        back = [until for share in [own, *others] for name, _, _, until in share.spent if name == kind.name]
        if later := [until for until in back if until > now]:
            yield f"some comes back in {duration_text(min(later) - now)}"
            return
    if having:
        yield f"{_names(having)} hold{'s' if len(having) == 1 else ''} it"
    elif kind.name in own.held:
        yield "this run holds it"
    if first := [share for share in wanting if share not in having]:
        yield f"{_names(first)} go{'es' if len(first) == 1 else ''} first"


def _names(shares: Sequence[Share]) -> str:
    named = [f"{'allocation' if share.by_hand else 'run'} {share.run[:8]}" for share in shares[:_NAMED]]
    more = len(shares) - _NAMED
    if more > 0:
        return ", ".join(named) + f" and {more:,} more"
    return " and ".join(named)
