"""How much of each resource a run held and used over its time: from the attempts in its picture. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from mplp_cli.observe.picture import Picture
from mplp_cli.workflow.plan import Plan

#: What is not declared but measured, behind the name of its kind.
USED: Final = " used"
#: The attempts with effects that were at work at once.
SLOTS: Final = "slots"
#: Clocks are too coarse to spread processor time over less (ms).
_SHORTEST: Final = 100
#: (from, to, amount)
Span = tuple[int, int, int]


class Level(Struct, frozen=True, kw_only=True):
    """One kind: (moment, amount from then on), the first at the begin and the last (0) at the end of the run."""

    name: str
    kind: str
    steps: tuple[tuple[int, int], ...]
    peak: int
    mean: float
    #: 0: not known.
    capacity: int = 0


def levels(picture: Picture, plan: Plan, slots: int) -> list[Level]:
    """Slots, what attempts declared, and what was measured of them; only what was ever more than nothing."""
    steps = {step.id: step for step in plan.steps}
    spans: dict[str, list[Span]] = {}
    for step, marks in picture.marks.items():
        known = steps.get(step)
        for mark in marks:
            if mark.what != "attempt" or known is None or mark.ended <= mark.begun:
                continue
            if known.effect and known.kind != "workflow":
                spans.setdefault(SLOTS, []).append((mark.begun, mark.ended, 1))
            for kind, amount in known.demand.amounts if known.demand is not None else ():
                spans.setdefault(kind, []).append((mark.begun, mark.ended, amount))
            if mark.usage is not None and mark.usage.cpu_ms:
                cores = round(mark.usage.cpu_ms * 1_000 / max(mark.length, _SHORTEST))
                spans.setdefault(f"cpu{USED}", []).append((mark.begun, mark.ended, cores))
            if mark.usage is not None and mark.usage.peak_memory:
                spans.setdefault(f"memory{USED}", []).append((mark.begun, mark.ended, mark.usage.peak_memory))
    capacity = {SLOTS: slots}
    order = sorted(spans, key=lambda name: (name != SLOTS, name))
    return [level for name in order if (level := _level(name, spans[name], picture, capacity)).peak]


def _level(name: str, spans: Iterable[Span], picture: Picture, capacity: Mapping[str, int]) -> Level:
    moves: dict[int, int] = {picture.begun: 0}
    total = 0
    for begun, ended, amount in spans:
        moves[begun] = moves.get(begun, 0) + amount
        moves[ended] = moves.get(ended, 0) - amount
        total += (ended - begun) * amount
    held = 0
    steps: list[tuple[int, int]] = []
    for at, change in sorted(moves.items()):
        held += change
        if change or not steps:
            steps.append((at, held))
    length = max(picture.ended - picture.begun, 1)
    return Level(
        name=name,
        kind=name.removesuffix(USED),
        steps=tuple(steps),
        peak=max(amount for _, amount in steps),
        mean=total / length,
        capacity=capacity.get(name, 0),
    )


def thinned(level: Level, moments: Sequence[int]) -> list[int]:
    """The most that was held between each two moments that follow each other: one value less than there are."""
    peaks = [0] * (len(moments) - 1)
    held, n = 0, 0
    for slot in range(len(peaks)):
        begun, ended = moments[slot], moments[slot + 1]
        peak = held if n >= len(level.steps) or level.steps[n][0] > begun else 0
        while n < len(level.steps) and level.steps[n][0] < max(ended, begun + 1):
            held = level.steps[n][1]
            peak = max(peak, held)
            n += 1
        peaks[slot] = peak
    return peaks
