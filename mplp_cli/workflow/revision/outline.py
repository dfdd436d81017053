"""The meaning of a definition, step by step, in a form in which two of them can be compared. Pure.

What a step inherits stands with the step, what is only written differently looks the same: comments, layout,
spellings, the unit of a duration, a default that is written out, the order of steps that do not wait for each
other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from mplp_cli.workflow.fold.history import DefinitionChange
from mplp_cli.workflow.language.conditions import same
from mplp_cli.workflow.model import FallbackAction, Step, Workflow
from mplp_cli.workflow.plan import CONTAINERS, Plan
from mplp_cli.workflow.retry import effective
from mplp_cli.workflow.values import Json, duration_ms

#: Keys of the workflow that its steps inherit, or that are its steps.
_PASSED_ON = ("id", "steps", "finally", "defaults", "error-handling")
#: Keys of a step that are told by their effect.
_EFFECTIVE = ("id", "timeout", "retry-policy", "fallback-actions", "dependencies", "steps", "then", "else")
#: Keys of a step that a plan tells by itself, without its definition.
_OF_THE_PLAN = frozenset({"type", "in", "after", "dependencies", "timeout"})
_DURATIONS = frozenset({"timeout", "grace", "for", "initial-delay", "max-delay", "delay", "ttl"})


class Outline(Struct, frozen=True):
    """What each key means: of the workflow, and of every step by its id. `whole`: not only what a plan tells."""

    workflow: dict[str, Json]
    steps: dict[str, dict[str, Json]]
    whole: bool = True


class Contrast(Struct, frozen=True):
    """One key of the workflow (`step` empty) or of a step in both definitions; UNSET where it is not there."""

    step: str
    key: str
    before: Json | UnsetType
    after: Json | UnsetType


def outline(plan: Plan, workflow: Workflow | None) -> Outline:
    """What a workflow means when it is planned so; without the workflow, only what the plan tells."""
    models = {} if workflow is None else {step.id: step for step in _steps(workflow)}
    steps: dict[str, dict[str, Json]] = {}
    for step in plan.steps:
        if step.item >= 0 or step.kind == "item":
            continue  # what a run has added
        told: dict[str, Json] = {"type": step.kind}
        if step.parent >= 0 or step.branch:
            outer = plan.steps[step.parent].id if step.parent >= 0 else ""
            told["in"] = " ".join(filter(None, (outer, step.branch)))
        if step.after >= 0:
            told["after"] = plan.steps[step.after].id
        if step.needs:
            told["dependencies"] = sorted(plan.steps[d].id for d in step.needs)
        if step.timeout:
            told["timeout"] = step.timeout
        if workflow is not None and step.id in models:
            told |= _own(models[step.id], workflow)
        steps[step.id] = told
    own = {} if workflow is None else _plain(_without(workflow, _PASSED_ON))
    return Outline(own, steps, whole=workflow is not None)


def contrasts(before: Outline, after: Outline) -> tuple[list[DefinitionChange], list[Contrast]]:
    """What has changed: the workflow, then its steps, those that were removed last; and every changed key."""
    whole = before.whole and after.whole
    found: list[DefinitionChange] = []
    values = list(_differing("", before.workflow, after.workflow)) if whole else []
    if values:
        found.append(DefinitionChange("", "changed", tuple(v.key for v in values)))
    for name, told in after.steps.items():
        was = before.steps.get(name)
        if was is None:
            found.append(DefinitionChange(name, "added"))
            continue
        differing = [v for v in _differing(name, was, told) if whole or v.key in _OF_THE_PLAN]
        if differing:
            found.append(DefinitionChange(name, "changed", tuple(v.key for v in differing)))
            values += differing
    found += [DefinitionChange(name, "removed") for name in before.steps if name not in after.steps]
    return found, values


def _differing(step: str, before: dict[str, Json], after: dict[str, Json]) -> Iterator[Contrast]:
    for key in dict.fromkeys([*before, *after]):
        a, b = before.get(key, UNSET), after.get(key, UNSET)
        if a is UNSET or b is UNSET or not same(a, b):
            yield Contrast(step, key, a, b)


def _steps(workflow: Workflow) -> Iterator[Step]:
    waiting: list[Any] = [*workflow.steps, *workflow.finally_]
    while waiting:
        step = waiting.pop()
        yield step
        for key in ("steps", "then", "else_"):
            held = getattr(step, key, None) or []
            waiting += held if isinstance(held, list) else [held]
        waiting += [a.step for a in getattr(step, "fallback_actions", None) or () if a.step is not None]


def _own(step: Any, workflow: Workflow) -> dict[str, Json]:
    """What stands with the step, and what it inherits."""
    told = _plain(_without(step, _EFFECTIVE))
    if (held := getattr(step, "steps", None)) is not None:
        told["steps"] = [inner.id for inner in held]
    for key, name in (("then", "then"), ("else_", "else")):
        if held := getattr(step, key, None):
            told[name] = [inner.id for inner in (held if isinstance(held, list) else [held])]
    if str(type(step).__struct_config__.tag) in CONTAINERS:
        return told
    handling = workflow.error_handling
    policy = effective(step.retry_policy, workflow.defaults.retry_policy, handling.retry_policy)
    if policy.max_retries:
        told["retry-policy"] = msgspec.to_builtins(policy)
    actions = step.fallback_actions if step.fallback_actions is not None else handling.fallback_actions
    if actions:
        told["fallback-actions"] = [_action(action) for action in actions]
    return told


def _action(action: FallbackAction) -> Json:
    told = _plain(_without(action, ("step",)))
    return told | {"step": action.step.id} if action.step is not None else told


def _without(node: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    """The keys of a node as the file writes them, defaults left out, without some."""
    tag = node.__struct_config__.tag
    told: dict[str, Any] = {"type": tag} if tag else {}
    for field in msgspec.structs.fields(node):
        value = getattr(node, field.name)
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        if field.encode_name not in keys and value is not UNSET and value != default:
            told[field.encode_name] = msgspec.to_builtins(value)
    return told


def _plain(told: dict[str, Any]) -> dict[str, Json]:
    return {key: _milliseconds(value) if key in _DURATIONS else value for key, value in told.items()}


def _milliseconds(value: Json) -> Json:
    """A duration as a number; a reference as it stands."""
    try:
        return duration_ms(value)
    except (TypeError, ValueError):
        return value
