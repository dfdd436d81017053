"""Whether a run can go on with a changed definition: what has changed, and what of it comes too late. Pure.

A step that has not begun may change in every way, and so may one that failed and is tried again. What has
completed, is at work or waits may have had its effect: how it is named, tried and guarded may change, what it
does may not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from msgspec import structs, to_builtins

from mplp_cli.errors import RunStateError
from mplp_cli.workflow.fold import history as h
from mplp_cli.workflow.fold.growth import id_in_file
from mplp_cli.workflow.fold.history import DefinitionChange
from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.fold.statuses import COMPLETED, ENDED, FAILED, RUNNING, SKIPPED, WAITING
from mplp_cli.workflow.plan import CONTAINERS, PlanStep
from mplp_cli.workflow.revision.outline import Outline


class DefinitionDriftError(RunStateError):
    """A definition has changed in what is done already, or is planned differently. `changes` are all changes."""

    def __init__(
        self, message: str, changes: Sequence[DefinitionChange], *, hint: str, details: dict[str, Any]
    ) -> None:
        super().__init__(message, hint=hint, details=details | {"changes": to_builtins(changes)})
        self.changes = list(changes)


#: Keys of a step that say nothing of what it does, once it has done it.
_FREE = frozenset(
    {
        "name", "description", "tags", "priority", "resources", "max-parallel",
        "timeout", "retry-policy", "fallback-actions", "once", "cache", "default", "artifacts",
    }
)  # fmt: skip
#: What a step had to wait for; what matters is whether it has happened.
_ORDER = frozenset({"dependencies", "after"})
#: Keys of an open container that have been acted upon already.
_DECIDED = frozenset({"type", "condition", "when", "in", "items", "as"})


def claimed(facts: Iterable[h.Event]) -> set[str]:
    """Steps that may have begun although no fact says so: they were next when the process was lost."""
    found: set[str] = set()
    for fact in facts:
        match fact:
            case h.RunResumed() | h.RunRedefined():
                found.clear()
            case h.StepsClaimed(steps=steps):
                found.update(steps)
            case h.StepStarted(step=step):
                found.discard(step)
    return found


def judged(
    changes: list[DefinitionChange], old: RunState, after: Outline, next_up: Collection[str]
) -> list[DefinitionChange]:
    """The changes, each with the reason why it comes too late for the run, where it does.

    `old` is the run by its old plan; `next_up` are steps that may have begun unseen.
    """
    return [structs.replace(c, conflict=_conflict(c, old, after, next_up)) for c in changes]


def _conflict(change: DefinitionChange, old: RunState, after: Outline, next_up: Collection[str]) -> str:
    name = change.step
    if not name:
        return ""
    if change.change == "added":
        ending = old.finalizing is not None and old.status != FAILED
        return "the run is at its end already" if ending and not _is_final(after, name) else ""
    for step in _called(old, name):
        if step.final and old.status == FAILED:
            continue  # it runs again at the next end
        if said := _too_late(change, old, step, after, step.id in next_up):
            return said if step.id == name else f"`{step.id}`: {said}"
    return ""


def _called(old: RunState, name: str) -> list[PlanStep]:
    """The step of that name; of one that is repeated, what there is of it in items."""
    first = old.plan.steps[old.plan.number[name]]
    if first.loop < 0:
        return [first]
    return [s for s in old.plan.steps if s.item >= 0 and s.loop < 0 and id_in_file(s.id) == name]


def _too_late(change: DefinitionChange, old: RunState, step: PlanStep, after: Outline, next_up: bool) -> str:
    acted, stage = _acted(old, step.number, next_up)
    if change.change == "removed":
        return stage if acted is _ALL else ""
    keys = [key for key in change.keys if (key not in _FREE | _ORDER if acted is _ALL else key in acted)]
    if keys:
        return f"{stage}: {', '.join(f'`{key}`' for key in keys)}"
    if acted is _ALL and _ORDER & set(change.keys):
        return _missed(change.step, old, after, stage)
    return ""


_ALL: frozenset[str] = frozenset({"*"})


def _acted(old: RunState, i: int, next_up: bool) -> tuple[frozenset[str], str]:
    """Which keys of a step have been acted upon, and how far it has come."""
    status, kind = old.step_status[i], old.plan.steps[i].kind
    if status is COMPLETED:
        return _ALL, "it completed"
    if status is WAITING:
        return _ALL, "it waits for an answer" if i in old.approvals else "it waits"
    if kind in CONTAINERS and i in old.branches and status is not SKIPPED:
        return _DECIDED, "it is open"
    if status is RUNNING or (next_up and status not in ENDED):
        return _ALL, "it was at work when the process was lost"
    if status is SKIPPED:
        return frozenset({"when"}), "it was skipped and stays so"
    return frozenset(), ""


def _missed(name: str, old: RunState, after: Outline, stage: str) -> str:
    """What the step would have had to wait for and has not."""
    told = after.steps[name]
    was = {old.plan.steps[d].id for d in old.plan.before(old.plan.number[name])}
    for other in (*told.get("dependencies", ()), *filter(None, (told.get("after"),))):
        n = old.plan.number.get(other, -1)
        if other not in was and (n < 0 or old.step_status[n] is not COMPLETED):
            return f"{stage}, without waiting for `{other}`"
    return ""


def _is_final(after: Outline, name: str) -> bool:
    """Whether a step stands in `finally`, at any depth."""
    while place := str(after.steps.get(name, {}).get("in", "")):
        if place == "finally":
            return True
        name = place.partition(" ")[0]
    return False
