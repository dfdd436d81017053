"""Steps that wait for steps: what is unsound about it, and in which order they can be done."""

from __future__ import annotations

from collections.abc import Collection, Mapping

#: Step -> the steps that come before it. The order of the keys decides where nothing else does.
Needs = Mapping[str, Collection[str]]


def dangling(needs: Needs) -> list[tuple[str, str]]:
    """(step, what it waits for) where that is no step."""
    return [(step, other) for step, before in needs.items() for other in before if other not in needs]


def circle(needs: Needs) -> list[str]:
    """Steps that wait for one another, each for the next and the last for the first; empty if there are none."""
    known = {step: [other for other in before if other in needs] for step, before in needs.items()}
    _, stuck = waves(known)
    if not stuck:
        return []
    # A stuck step waits for another stuck one, so that the walk comes back to where it was.
    left, step, path = set(stuck), stuck[0], dict[str, int]()
    while step not in path:
        path[step] = len(path)
        step = next(other for other in known[step] if other in left)
    return list(path)[path[step] :]


def waves(needs: Needs) -> tuple[list[list[str]], list[str]]:
    """Lists of steps that can go on together, each after the ones before; and the steps that never can."""
    waits = {step: set(before) for step, before in needs.items()}
    behind = _behind(needs)
    place = {step: index for index, step in enumerate(needs)}
    found = []
    now = [step for step, before in waits.items() if not before]
    while now:
        found.append(now)
        free = []
        for step in now:
            del waits[step]
            for following in behind.get(step, ()):
                waits[following].discard(step)
                if not waits[following]:
                    free.append(following)
        now = sorted(free, key=place.__getitem__)
    return found, list(waits)


def longest_first(needs: Needs, found: list[list[str]]) -> list[list[str]]:
    """The waves, in each of them first the steps with the longest chain of steps behind them."""
    behind = _behind(needs)
    chain: dict[str, int] = {}
    for wave in reversed(found):
        for step in wave:
            chain[step] = 1 + max((chain.get(other, 0) for other in behind.get(step, ())), default=0)
    return [sorted(wave, key=lambda step: -chain[step]) for wave in found]


def _behind(needs: Needs) -> dict[str, list[str]]:
    """Step -> the steps that wait for it."""
    behind: dict[str, list[str]] = {}
    for step, before in needs.items():
        for other in dict.fromkeys(before):
            behind.setdefault(other, []).append(step)
    return behind
