"""What there is to scale here, and between which bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from msgspec import structs

from mplp_cli.protocols.scaling import NOTHING_ADJUSTED, Adjustments
from mplp_cli.resources.adjustments import AGENT, MAX_PARALLEL, adjusted, bounds_of, slots
from mplp_cli.resources.capacity import Stock
from mplp_cli.workflow.resources import KINDS, Kind, Pool

if TYPE_CHECKING:
    from mplp_cli.workflow.agents import AgentDefinition


def stocks_of(
    pool: Pool,
    adjustments: Adjustments,
    detect: Callable[[str], int | None],
    agents: Iterable[AgentDefinition] = (),
) -> dict[str, Stock]:
    """Every resource by name, with what it was adjusted to; `pool` and `agents` are as the files and the machine
    have them.

    `detect` tells how much the machine has of a kind.
    """
    least, most = bounds_of(MAX_PARALLEL, slots(NOTHING_ADJUSTED))
    found = {MAX_PARALLEL: Stock(resource=MAX_PARALLEL, amount=slots(adjustments), least=least, most=most)}
    for name, kind in pool.kinds.items():
        least, most = bounds_of(name, kind.capacity, detect(name) if name in KINDS else None)
        stock = Stock(resource=name, amount=kind.capacity, least=least, most=most, fixed=_fixed(kind))
        if not stock.fixed:
            stock = structs.replace(stock, amount=adjusted(adjustments, name, kind.capacity))
        found[name] = stock
    for agent in agents:
        found[AGENT + agent.id] = _places(agent, adjustments)
    return found


def _places(agent: AgentDefinition, adjustments: Adjustments) -> Stock:
    """How many calls an agent takes at once."""
    name, stated = AGENT + agent.id, agent.limits.max_concurrency
    if stated is None:
        why = "it takes as many calls as come; state `limits: {max-concurrency: N}` where it is defined"
        return Stock(resource=name, amount=0, least=0, most=0, fixed=why)
    least, most = bounds_of(name, stated)
    return Stock(resource=name, amount=adjusted(adjustments, name, stated), least=least, most=most)


def _fixed(kind: Kind) -> str:
    if kind.per:
        return "it is a rate that somebody else allows; change `resources` of mplp.yaml with it"
    if len(kind.units) > 1:
        return f"it is {len(kind.units)} units; change `resources` of mplp.yaml"
    return ""
