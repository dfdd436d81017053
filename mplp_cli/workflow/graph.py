"""Orders and chains over numbered steps: Kahn over lists, no graph library on the hot path."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Before = Callable[[int], Sequence[int]]


class CycleError(ValueError):
    """The members wait for each other. `cycle` begins and ends with the same one."""

    def __init__(self, cycle: list[int]) -> None:
        super().__init__("a cycle")
        self.cycle = cycle


def topological(members: Sequence[int], before: Before) -> list[int]:
    """`members` so that each comes after what it waits for; CycleError if there is no such order."""
    waits = {}
    dependants: dict[int, list[int]] = {}
    order = []
    for i in members:
        needs = before(i)
        if needs:
            waits[i] = len(needs)
            for d in needs:
                dependants.setdefault(d, []).append(i)
        else:
            order.append(i)
    for i in order:
        for d in dependants.get(i, ()):
            waits[d] -= 1
            if not waits[d]:
                order.append(d)
    if len(order) != len(members):
        raise CycleError(_cycle(set(members).difference(order), before))
    return order


def _cycle(stuck: set[int], before: Before) -> list[int]:
    """One cycle, in the order `a waits for b`, from its smallest member back to it."""
    import networkx as nx  # explains what is wrong; what is right never needs it

    waits: nx.DiGraph[int] = nx.DiGraph(
        [(i, d) for i in sorted(stuck) for d in sorted(before(i)) if d in stuck]
    )
    loop = [i for i, _ in nx.find_cycle(waits, min(stuck))]
    smallest = loop.index(min(loop))
    return [*loop[smallest:], *loop[:smallest], loop[smallest]]


def file_order(members: Sequence[int], before: Before) -> list[int]:
    """A topological order that keeps the file's order wherever the dependencies allow it."""
    from heapq import heapify, heappop, heappush

    waits = {i: len(before(i)) for i in members}
    dependants: dict[int, list[int]] = {}
    for i in members:
        for d in before(i):
            dependants.setdefault(d, []).append(i)
    ready = [i for i in members if not waits[i]]
    heapify(ready)
    order = []
    while ready:
        i = heappop(ready)
        order.append(i)
        for d in dependants.get(i, ()):
            waits[d] -= 1
            if not waits[d]:
                heappush(ready, d)
    return order


def waves(members: Sequence[int], before: Before) -> list[list[int]]:
    """Members by level: each level waits only for earlier ones."""
    level: dict[int, int] = {}
    found: list[list[int]] = []
    for i in topological(members, before):
        level[i] = 1 + max((level[d] for d in before(i)), default=-1)
        if level[i] == len(found):
            found.append([])
        found[level[i]].append(i)
    return [sorted(wave) for wave in found]


def longest_chain(members: Sequence[int], before: Before) -> list[int]:
    """The longest chain of members that wait for each other; the earliest in the file on a tie."""
    length: dict[int, int] = {}
    previous: dict[int, int] = {}
    for i in topological(members, before):
        needs = before(i)
        last = max(needs, key=lambda d: (length[d], -d)) if needs else -1
        previous[i] = last
        length[i] = 1 + (length[last] if last >= 0 else 0)
    if not length:
        return []
    i = max(length, key=lambda i: (length[i], -i))
    chain = []
    while i >= 0:
        chain.append(i)
        i = previous[i]
    return chain[::-1]
