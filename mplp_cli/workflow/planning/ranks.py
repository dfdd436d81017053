"""The start order: by priority, then by the length of the critical path behind a step, then by file order."""

from __future__ import annotations

from collections.abc import Sequence

from mplp_cli.workflow.graph import Before, topological
from mplp_cli.workflow.planning.links import Where

Needs = dict[int, tuple[int, ...]]


def start_order(
    places: Sequence[Where], needs: Needs, after: dict[int, int], groups: tuple[tuple[int, ...], ...]
) -> list[int]:
    """All step numbers, the first to start first. A container is as long as the longest chain inside it."""

    def before(i: int) -> tuple[int, ...]:
        own = needs.get(i, ())
        return (*own, after[i]) if i in after else own

    length = [1] * len(places)
    for i in range(len(places) - 1, -1, -1):  # children have higher numbers than their container
        if children := places[i].children:
            reach: dict[int, int] = {}
            for c in topological(children, before):
                reach[c] = length[c] + max((reach[d] for d in before(c)), default=0)
            length[i] = max(reach.values())
    behind = length[:]
    for group in groups:
        _measure(group, before, length, behind, 0)
    for i, where in enumerate(places):
        if where.children:
            _measure(tuple(where.children), before, length, behind, behind[i] - length[i])
    return sorted(range(len(places)), key=lambda i: (-places[i].step.priority, -behind[i], i))


def _measure(
    members: tuple[int, ...], before: Before, length: list[int], behind: list[int], tail: int
) -> None:
    """Fill `behind` for one container: the longest chain that begins with each member, plus `tail` after it."""
    furthest = dict.fromkeys(members, tail)
    for i in reversed(topological(members, before)):
        behind[i] = length[i] + furthest[i]
        for d in before(i):
            furthest[d] = max(furthest[d], behind[i])
