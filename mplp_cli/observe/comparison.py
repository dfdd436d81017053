"""Where two runs of one workflow part: definition, inputs, then step by step in the order of the first run. Pure.

Ids and times that every run makes anew count as the same when they correspond: an id of the first run stands
for one id of the second, wherever it appears.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from mplp_cli.workflow.fold.state import RunState
from mplp_cli.workflow.language.conditions import same
from mplp_cli.workflow.language.references import written
from mplp_cli.workflow.model import Workflow
from mplp_cli.workflow.plan import CONTAINERS
from mplp_cli.workflow.values import Json

_MADE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"
)
#: Keys of a step that hold steps, or actions with a step.
_HOLD = ("steps", "then", "else", "finally")


class Difference(Struct, frozen=True):
    """The first place where two values differ, and both values there; UNSET is nothing there."""

    path: str
    first: Json | UnsetType
    second: Json | UnsetType


class DefinitionChange(Struct, frozen=True):
    """A change of the workflow: `change` is added, removed or changed; `step` is empty for the workflow itself."""

    step: str
    change: str
    keys: tuple[str, ...] = ()


class StepPair(Struct, frozen=True, kw_only=True):
    """One step in both runs; None where a run has no such step. Durations in ms, None if it did not start."""

    step: str
    statuses: tuple[str | None, str | None]
    attempts: tuple[int, int]
    durations: tuple[int | None, int | None]
    #: `Type: message` of its failure, its reason where it has no failure.
    reasons: tuple[str, str]
    result: Difference | None = None
    #: What differs: status, attempts, reason, result.
    differs: tuple[str, ...] = ()


class Comparison(Struct, frozen=True, kw_only=True):
    """Two runs beside each other. `steps` has all of them, in the order in which the first run ended them."""

    runs: tuple[RunState, RunState]
    definition: list[DefinitionChange]
    inputs: list[Difference]
    steps: list[StepPair]
    outputs: Difference | None
    #: (what, step or name): what is definition, input, step, outputs or status; None if the runs are the same.
    first: tuple[str, str] | None

    @property
    def same(self) -> bool:
        """Whether nothing but durations, ids and times differs."""
        return self.first is None


def compare(first: RunState, second: RunState, *, exact: bool = False) -> Comparison:
    """Two runs of one workflow. With `exact`, ids and times that differ are differences."""
    pairing = None if exact else Pairing()
    if pairing is not None:
        pairing.fits(first.run_id, second.run_id)
    definition = definition_changes(first.plan.workflow, second.plan.workflow)
    inputs = [
        found
        for name in dict.fromkeys([*first.inputs, *second.inputs])
        if (found := difference(first.inputs.get(name, UNSET), second.inputs.get(name, UNSET), name, pairing))
    ]
    steps = [_pair(first, second, name, pairing) for name in _order(first, second)]
    outputs = difference(first.outputs, second.outputs, "outputs", pairing)
    return Comparison(
        runs=(first, second),
        definition=definition,
        inputs=inputs,
        steps=steps,
        outputs=outputs,
        first=_first(definition, inputs, steps, outputs, first.status != second.status),
    )


def _first(
    definition: list[DefinitionChange],
    inputs: list[Difference],
    steps: list[StepPair],
    outputs: Difference | None,
    status: bool,
) -> tuple[str, str] | None:
    if definition:
        return "definition", definition[0].step
    if inputs:
        return "input", inputs[0].path
    for pair in steps:
        if pair.differs:
            return "step", pair.step
    if outputs is not None:
        return "outputs", outputs.path
    return ("status", "") if status else None


# ---- values ------------------------------------------------------------------------------------


class Pairing:
    """Which made id of the first run stands for which of the second."""

    def __init__(self) -> None:
        self._there: dict[str, str] = {}
        self._back: dict[str, str] = {}

    def fits(self, first: str, second: str) -> bool:
        """Whether the texts are the same but for ids and times that correspond."""
        if _MADE.split(first) != _MADE.split(second):
            return False
        pairs = list(zip(_MADE.findall(first), _MADE.findall(second), strict=True))
        for a, b in pairs:
            times = "T" in a and "T" in b
            if not times and (self._there.get(a, b) != b or self._back.get(b, a) != a):
                return False
        for a, b in pairs:
            self._there[a], self._back[b] = b, a
        return True


def difference(
    first: Json | UnsetType, second: Json | UnsetType, root: str, pairing: Pairing | None = None
) -> Difference | None:
    """The first place, in the order of the first value, where the two differ; None if they are the same."""
    waiting: list[tuple[tuple[str | int, ...], Any, Any]] = [((), first, second)]
    while waiting:
        path, a, b = waiting.pop()
        if isinstance(a, dict) and isinstance(b, dict):
            keys = dict.fromkeys([*a, *b])
            waiting += [((*path, k), a.get(k, UNSET), b.get(k, UNSET)) for k in reversed(keys)]
        elif isinstance(a, list) and isinstance(b, list):
            longer = range(max(len(a), len(b)))
            waiting += [((*path, n), _item(a, n), _item(b, n)) for n in reversed(longer)]
        elif isinstance(a, str) and isinstance(b, str) and pairing is not None:
            if not pairing.fits(a, b):
                return Difference(written(root, path), a, b)
        elif a is not b and (a is UNSET or b is UNSET or not same(a, b)):
            return Difference(written(root, path), a, b)
    return None


def _item(items: list[Any], n: int) -> Any:
    return items[n] if n < len(items) else UNSET


# ---- steps -------------------------------------------------------------------------------------


def _order(first: RunState, second: RunState) -> list[str]:
    """All steps: those of the first run as they ended, those that did not end in file order, then the others."""

    def key(number: int) -> tuple[bool, int, bool, int]:
        ended = first.ended_at[number]
        return (not ended, ended, first.plan.steps[number].kind in CONTAINERS, number)

    mine = [first.plan.steps[n].id for n in sorted(range(len(first.plan.steps)), key=key)]
    return list(dict.fromkeys([*mine, *(step.id for step in second.plan.steps)]))


def _pair(first: RunState, second: RunState, name: str, pairing: Pairing | None) -> StepPair:
    i, k = first.plan.number.get(name), second.plan.number.get(name)
    a, b = _told(first, i), _told(second, k)
    result = difference(_result(first, i), _result(second, k), "result", pairing)
    reasons = a[3] == b[3] if pairing is None else pairing.fits(a[3], b[3])
    differs = [
        *(["status"] if a[0] != b[0] else []),
        *(["attempts"] if a[1] != b[1] else []),
        *([] if reasons else ["reason"]),
        *(["result"] if result is not None else []),
    ]
    return StepPair(
        step=name,
        statuses=(a[0], b[0]),
        attempts=(a[1], b[1]),
        durations=(a[2], b[2]),
        reasons=(a[3], b[3]),
        result=result,
        differs=tuple(differs),
    )


def _told(state: RunState, i: int | None) -> tuple[str | None, int, int | None, str]:
    if i is None:
        return None, 0, None, ""
    start, end = state.started_at[i], state.ended_at[i]
    error = state.errors.get(i)
    why = f"{error.type}: {error.message}" if error is not None else state.reasons.get(i, "")
    return state.step_status[i], state.attempts[i], end - start if start and end else None, why


def _result(state: RunState, i: int | None) -> Json | UnsetType:
    return UNSET if i is None else state.results[i]


# ---- definitions -------------------------------------------------------------------------------


def definition_changes(first: Workflow, second: Workflow) -> list[DefinitionChange]:
    """What another definition means: keys of the workflow, then steps. Comments and layout mean nothing."""
    own_a, steps_a = _parts(first)
    own_b, steps_b = _parts(second)
    found = []
    if keys := _changed(own_a, own_b):
        found.append(DefinitionChange("", "changed", keys))
    for name in dict.fromkeys([*steps_a, *steps_b]):
        if name not in steps_b:
            found.append(DefinitionChange(name, "removed"))
        elif name not in steps_a:
            found.append(DefinitionChange(name, "added"))
        elif keys := _changed(steps_a[name], steps_b[name]):
            found.append(DefinitionChange(name, "changed", keys))
    return found


def _changed(first: dict[str, Any], second: dict[str, Any]) -> tuple[str, ...]:
    keys = dict.fromkeys([*first, *second])
    return tuple(k for k in keys if difference(first.get(k, UNSET), second.get(k, UNSET), k) is not None)


def _parts(workflow: Workflow) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The workflow without its steps, and every step, at any depth, without those in it."""
    steps: dict[str, dict[str, Any]] = {}
    own = _without_steps(msgspec.to_builtins(workflow), steps)
    return own, steps


def _without_steps(node: dict[str, Any], steps: dict[str, dict[str, Any]]) -> dict[str, Any]:
    own = dict(node)
    for key in _HOLD:
        if (inside := node.get(key)) is not None:
            own[key] = [_taken_out(one, steps) for one in (inside if isinstance(inside, list) else [inside])]
    if actions := node.get("fallback-actions"):
        own["fallback-actions"] = [
            {**one, "step": _taken_out(one["step"], steps)} if one.get("step") else one for one in actions
        ]
    return own


def _taken_out(step: dict[str, Any], steps: dict[str, dict[str, Any]]) -> str:
    name = str(step["id"])
    steps[name] = {}  # its place is before the steps in it
    steps[name] = _without_steps(step, steps)
    return name
