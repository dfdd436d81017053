"""The cache: whether a step begins at all, and under which key its result is kept.

A key is `WORKFLOW/STEP/DIGEST OF cache.key/DIGEST OF WHAT THE STEP DOES`, so that a step which does something
else never takes an older result, and that this can be told from a key that was never used.
"""

from __future__ import annotations

import hashlib
import re

from msgspec.json import encode

from mplp_cli.engine.world import World
from mplp_cli.workflow.fold.history import Hit, Keep, StepCompleted, StepStarted
from mplp_cli.workflow.fold.scope import RunScope
from mplp_cli.workflow.language.templates import fill
from mplp_cli.workflow.plan import PlanStep

_INDEX = re.compile(r"\[\d+\]")


def beginning(step: PlanStep, attempt: int, scope: RunScope, world: World) -> StepStarted | StepCompleted:
    """The fact that attempt `attempt` begins; if the cache has a result, that the step has completed without."""
    now, rule = world.clock.now(), step.cache
    if rule is None:
        return StepStarted(now, step.id, attempt)
    place = _place(step, scope)
    if world.cached is None:
        return StepStarted(now, step.id, attempt, missed="off")
    there = {one.key: one for one in world.cached(place)}
    found = there.get(place + rule.work)
    if found is None:
        return StepStarted(now, step.id, attempt, missed="changed" if there else "none")
    if found.until and found.until <= now:
        return StepStarted(now, step.id, attempt, missed="expired")
    made = scope.state.attempts[step.number]
    return StepCompleted(now, step.id, made, found.result, hit=Hit(found.run, found.at, found.until))


def keep_of(step: PlanStep, scope: RunScope, now: int) -> Keep | None:
    """How the cache keeps a result that the step's own work has given; None if it does not."""
    rule = step.cache
    if rule is None:
        return None
    return Keep(_place(step, scope) + rule.work, now + rule.ttl if rule.ttl else 0)


def _place(step: PlanStep, scope: RunScope) -> str:
    """What the keys of this step and this `cache.key` begin with. Items of a `foreach` share a step."""
    assert step.cache is not None
    key = hashlib.sha256(encode(fill(step.cache.key, scope), order="deterministic")).hexdigest()[:32]
    return f"{scope.state.plan.workflow.id}/{_INDEX.sub('[]', step.id)}/{key}/"
