"""What a correlation shows, and how much it is to be trusted: every number says what it was computed from. Pure.

Confidence is `NEUTRAL` without history. With it:

    frequency       1 - P(N >= n), N of the Poisson distribution whose mean is what the same key had in a window before
    sequence, join  (used + 1) / (used + lapsed + 2): how many events that could begin one were used by a complete one
    absence         (followed + 1) / (followed + missed + 2): how many earlier first events were followed in time

An anomaly is a value whose modified z-score against the history of the rule, 0.6745 (x - median) / MAD, is beyond 3.5.
Where the MAD is 0, the mean absolute deviation stands for it, times 1.2533.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median
from typing import Any

from msgspec import Struct

from mplp_cli.workflow.events.held import Seen
from mplp_cli.workflow.events.rules import CorrelationInsight, CorrelationRule
from mplp_cli.workflow.events.windows import percentile

#: Confidence of what there is no history to compare with.
NEUTRAL = 0.5
#: Beyond this modified z-score a value is an anomaly.
UNUSUAL = 3.5
#: Values that there are to be at least before one is compared with them.
ENOUGH = 5
#: Latencies that are listed one by one.
_LISTED = 100


class Base(Struct, frozen=True, kw_only=True):
    """The history that a confidence is computed from: `good` of `good` + `bad`; of a frequency, `good` events of the
    same key in `observed` ms."""

    good: int = 0
    bad: int = 0
    observed: int = 0


def confidence(rule: CorrelationRule, count: int, base: Base) -> tuple[float, dict[str, Any]]:
    """From 0 to 1, and what it was computed from."""
    if rule.type == "frequency":
        if not base.good or base.observed < max(rule.window, 1):
            return NEUTRAL, _none(f"{base.good} events of this key in {base.observed} ms before")
        expected = base.good * rule.window / base.observed
        chance = poisson_tail(count, expected)
        said = f"1 - P(N >= {count}) = {1 - chance:.6g}, N Poisson with mean {expected:.6g}"
        numbers = {"earlier": base.good, "observed": base.observed, "expected": expected, "chance": chance}
        return round(1 - chance, 6), {"basis": "history", "computed": said, **numbers}
    decided = base.good + base.bad
    good, bad = ("followed", "missed") if rule.type == "absence" else ("used", "lapsed")
    if not decided:
        return NEUTRAL, _none(f"no earlier event was {good} or {bad}")
    share = (base.good + 1) / (decided + 2)
    said = f"({base.good} {good} + 1) / ({decided} {good} or {bad} + 2) = {share:.6g}"
    return round(share, 6), {"basis": "history", "computed": said, good: base.good, bad: base.bad}


def _none(why: str) -> dict[str, Any]:
    return {"basis": "no history", "computed": f"{NEUTRAL}: {why}"}


def poisson_tail(count: int, mean: float) -> float:
    """The chance of `count` events or more where `mean` are expected."""
    if count <= 0:
        return 1.0
    if mean <= 0:
        return 0.0

    def chance(number: int) -> float:
        return math.exp(number * math.log(mean) - mean - math.lgamma(number + 1))

    if count <= mean:
        return min(max(1 - math.fsum(map(chance, range(count))), 0.0), 1.0)
    # Beyond the mean the terms only shrink; summed from the largest, nothing is lost to 1 - (almost 1).
    total, number, term = 0.0, count, chance(count)
    while term > total * 1e-17:
        total += term
        number += 1
        term *= mean / number
    return min(total, 1.0)


def insights(
    rule: CorrelationRule,
    key: str,
    members: Sequence[Seen],
    computed: dict[str, Any],
    history: Sequence[float],
) -> list[CorrelationInsight]:
    """Pattern, anomaly, performance. `history`: the spans (ms) of earlier correlations of the rule; of an absence, how
    long it took until earlier events were followed."""
    span = members[-1].at - members[0].at
    gaps = [later.at - earlier.at for earlier, later in pairwise(members)]
    sources = [one.source for one in members]
    alike = len(set(sources)) == 1
    pattern = {
        "rule": rule.type,
        "key": key,
        "count": len(members),
        "window": rule.window,
        # Beside the ids of the events; only one if all have the same.
        "sources": sources[:1] if alike else sources,
        "confidence": computed,
    }
    if rule.type == "absence":
        anomaly = {"waited": compared(rule.window, history)}
        performance: dict[str, Any] = {"waited": rule.window}
    else:
        anomaly = {"span": compared(span, history)}
        performance = {
            "span": span,
            "rate": round(len(gaps) * 1000 / span, 6) if span else None,
            "gaps": _spread(gaps),
            "latencies": gaps if len(gaps) <= _LISTED else None,
        }
    return [
        CorrelationInsight(type="pattern", data=pattern),
        CorrelationInsight(type="anomaly", data=anomaly),
        CorrelationInsight(type="performance", data=performance),
    ]


def _spread(gaps: Sequence[int]) -> dict[str, float] | None:
    if not gaps:
        return None
    ordered = sorted(gaps)
    return {
        "min": ordered[0],
        "mean": round(fmean(ordered), 3),
        "p50": percentile(ordered, 50),
        "p95": percentile(ordered, 95),
        "max": ordered[-1],
    }


def compared(value: float, history: Sequence[float]) -> dict[str, Any]:
    """How unusual a value is beside earlier ones. `score` is None where there is no measure."""
    n = len(history)
    if n < ENOUGH:
        return {"value": value, "basis": "no history", "n": n, "anomalous": False}
    middle = median(history)
    deviations = [abs(one - middle) for one in history]
    mad = median(deviations)
    scale = mad / 0.6745 if mad else fmean(deviations) * 1.253314
    score = round((value - middle) / scale, 3) if scale else (0.0 if value == middle else None)
    return {
        "value": value,
        "basis": "history",
        "n": n,
        "median": middle,
        "mad": mad,
        "score": score,
        "anomalous": score is None or abs(score) > UNUSUAL,
    }
