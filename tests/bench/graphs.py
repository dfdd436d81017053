"""Random graphs of steps with durations and demands: layered, fork-join, series-parallel. A seed gives one graph.

Stored results (`makespans.jsonl`) belong to these graphs: a change here makes them worthless.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

SHAPES = ("layered", "fork-join", "series-parallel")
KINDS = ("cpu", "slots", "cards", "seats")
SMALL = range(1, 201)
LARGE = range(1001, 1101)
_MASK = (1 << 64) - 1


class Chance:
    """Numbers that look random and are the same everywhere (SplitMix64)."""

    def __init__(self, seed: int) -> None:
        self._state = seed * 0x9E3779B97F4A7C15 & _MASK

    def below(self, most: int) -> int:
        """One of 0 .. most - 1."""
        self._state = self._state + 0x9E3779B97F4A7C15 & _MASK
        mixed = self._state
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _MASK
        return (mixed ^ mixed >> 31) % most

    def between(self, least: int, most: int) -> int:
        """One of least .. most."""
        return least + self.below(most - least + 1)

    def log_between(self, least: int, most: int) -> int:
        """One of least .. most, small ones as likely as large ones by their size."""
        steps = 1 << 20
        return round(least * float((most / least) ** (self.below(steps) / steps)))


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Steps by number: what each needs, how long it takes (ms), how much of each kind it holds meanwhile."""

    seed: int
    shape: str
    needs: tuple[tuple[int, ...], ...]
    durations: tuple[int, ...]
    capacities: tuple[int, ...]
    demands: tuple[tuple[int, ...], ...]

    @property
    def critical_path(self) -> int:
        """No schedule is shorter than the longest chain (ms)."""
        ends: list[int] = []
        for needed, duration in zip(self.needs, self.durations, strict=True):
            ends.append(duration + max((ends[d] for d in needed), default=0))
        return max(ends)

    @property
    def area(self) -> float:
        """Nor than the work on the tightest kind divided by how much there is of it (ms)."""
        return max(self.works())

    def works(self) -> list[float]:
        """For each kind, the time for which all of it would be held (ms)."""
        return [
            sum(t * d[k] for t, d in zip(self.durations, self.demands, strict=True)) / capacity
            for k, capacity in enumerate(self.capacities)
        ]

    @property
    def bound(self) -> float:
        """max(critical path, area)."""
        return max(self.critical_path, self.area)

    @property
    def sections(self) -> float:
        """The sum of such bounds over the sections between steps that come before or after each other step (ms)."""
        every = range(len(self.needs))
        earlier, later = [0] * len(every), [0] * len(every)  # sets of steps, as bits
        for i in every:
            for d in self.needs[i]:
                earlier[i] |= earlier[d] | 1 << d
        for i in reversed(every):
            for d in self.needs[i]:
                later[d] |= later[i] | 1 << i
        narrow = [i for i in every if earlier[i].bit_count() + later[i].bit_count() + 1 == len(every)]
        total, before = 0.0, 0
        for i in sorted(narrow, key=lambda i: earlier[i].bit_count()):
            total += self._section(earlier[i] & ~before) + self.durations[i]
            before = earlier[i] | 1 << i
        return total + self._section((1 << len(every)) - 1 & ~before)

    def _section(self, bits: int) -> float:
        inside = [i for i in range(len(self.needs)) if bits >> i & 1]
        if not inside:
            return 0.0
        place = {i: n for n, i in enumerate(inside)}
        return Graph(
            seed=self.seed,
            shape=self.shape,
            needs=tuple(tuple(place[d] for d in self.needs[i] if d in place) for i in inside),
            durations=tuple(self.durations[i] for i in inside),
            capacities=self.capacities,
            demands=tuple(self.demands[i] for i in inside),
        ).bound


def graph(seed: int) -> Graph:
    """The graph of a seed: of 20 to 60 steps if it is in SMALL, of 500 to 5,000 if it is in LARGE."""
    chance = Chance(seed)
    large = seed >= LARGE.start
    steps = chance.log_between(500, 5000) if large else chance.between(20, 60)
    shape = SHAPES[seed % 3]
    width = chance.log_between(4, 128) if large else chance.between(3, 10)
    needs = _NEEDS[shape](chance, steps, width)
    heavy = chance.below(2)
    durations = tuple(
        chance.log_between(100, 10_000) if heavy else chance.between(100, 2_000) for _ in range(steps)
    )
    capacities = tuple(chance.between(*((8, 32) if large else (4, 7))) for _ in range(1 + seed // 3 % 4))
    shares = [chance.between(40, 100) for _ in capacities]
    demands = tuple(
        tuple(chance.between(1, chance.between(1, 4)) if chance.below(100) < share else 0 for share in shares)
        for _ in range(steps)
    )
    return Graph(
        seed=seed, shape=shape, needs=needs, durations=durations, capacities=capacities, demands=demands
    )


Needs = tuple[tuple[int, ...], ...]


def layers(chance: Chance, steps: int, width: int) -> Needs:
    """Layers of up to two times `width`; each step needs one to three of the layer before it."""
    needs: list[tuple[int, ...]] = []
    before = range(0)
    while len(needs) < steps:
        layer = range(len(needs), min(steps, len(needs) + chance.between(1, 2 * width - 1)))
        for _ in layer:
            picked = {before[chance.below(len(before))] for _ in range(chance.between(1, 3)) if before}
            needs.append(tuple(sorted(picked)))
        before = layer
    return tuple(needs)


def _fork_join(chance: Chance, steps: int, width: int) -> Needs:
    """One to four lines side by side, each of a fork, up to two times `width` steps, a join, and again."""
    needs: list[tuple[int, ...]] = []
    ends: list[int | None] = [None] * chance.between(1, 4)
    while len(needs) < steps:
        line = chance.below(len(ends))
        last = ends[line]
        fork = len(needs)
        needs.append(() if last is None else (last,))
        inner = range(fork + 1, min(fork + 1 + chance.between(1, 2 * width - 1), steps))
        needs.extend((fork,) for _ in inner)
        if len(needs) < steps:
            ends[line] = len(needs)
            needs.append(tuple(inner) or (fork,))
    return tuple(needs)


def _series_parallel(chance: Chance, steps: int, width: int) -> Needs:
    """Blocks in blocks: in a row, or side by side between a step before and a step after them."""
    needs: list[tuple[int, ...]] = []

    def add(*needed: int) -> int:
        needs.append(needed)
        return len(needs) - 1

    def block(budget: int, before: tuple[int, ...]) -> int:
        """So many steps after `before`; the last of them."""
        if budget < 4 or (budget <= 6 and chance.below(2)):
            last = add(*before)
            for _ in range(budget - 1):
                last = add(last)
            return last
        parts = _parts(chance, budget - 2, chance.between(2, max(2, width)))
        if chance.below(3) == 0:
            last = add(*before)
            for part in parts:
                last = block(part, (last,))
            return add(last)
        first = add(*before)
        return add(*[block(part, (first,)) for part in parts])

    block(steps, ())
    return tuple(needs)


def _parts(chance: Chance, budget: int, count: int) -> list[int]:
    """`budget` in at most `count` parts, each at least 1."""
    cuts = sorted({chance.between(1, budget - 1) for _ in range(count - 1)} if budget > 1 else ())
    return [b - a for a, b in zip([0, *cuts], [*cuts, budget], strict=True)]


_NEEDS: dict[str, Callable[[Chance, int, int], Needs]] = {
    "layered": layers,
    "fork-join": _fork_join,
    "series-parallel": _series_parallel,
}
