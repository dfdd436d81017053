"""A broken document without its broken parts, so that the plan can speak about the rest in the same pass."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from mplp_cli.errors import Path, Problem
from mplp_cli.loading.nesting import alone, every_step
from mplp_cli.loading.schema import PLACEHOLDER, verdict

#: Without one of these nobody can say which names exist.
_NAMES = ((), ("workflow",), *(("workflow", key) for key in ("inputs", "env", "secrets", "steps")))
_FILLED = {"id": "placeholder", "name": "placeholder", "version": "1.0.0"}


class Mended(Struct, frozen=True):
    """A valid document made from a broken one. `lost` are ids of steps that are not in it any more."""

    document: Any
    lost: frozenset[str]

    def sound(self, problems: list[Problem]) -> list[Problem]:
        """The findings of the plan that are true of the broken document too."""
        return [p for p in problems if p.severity == "error" and not self._about_lost(p)]

    def _about_lost(self, problem: Problem) -> bool:
        unknown = problem.code in ("dep-unknown", "ref-unknown-step")
        return unknown and any(f"`{name}`" in problem.message for name in self.lost)


def repaired(document: Any, problems: list[Problem]) -> Mended | None:
    """The document with broken keys left out and broken steps replaced; None if that is not enough."""
    errors = [p for p in problems if p.severity == "error"]
    if any(p.path in _NAMES and p.code != "schema-missing-key" for p in errors):
        return None
    copy = _copy(document)
    if not isinstance(copy, dict) or not isinstance(copy.get("workflow"), dict):
        return None
    lost: set[str] = set()
    steps = dict(every_step(copy["workflow"]))
    touched: set[Path] = set()
    for problem in errors:
        where = problem.path
        home = next((where[:n] for n in range(len(where), 2, -1) if where[:n] in steps), None)
        if home is None:
            _mend_workflow(copy, where, lost, of_key=problem.on == "key")
        else:
            touched.add(home)
            _drop(steps[home], where[len(home) :], lost)
    for path in sorted(touched, key=len, reverse=True):
        if not verdict("step").is_valid(alone(steps[path])):
            _replace(copy, path, steps[path], lost)
    return Mended(copy, frozenset(lost)) if verdict().is_valid(copy) else None


def _mend_workflow(document: dict[str, Any], path: Path, lost: set[str], *, of_key: bool) -> None:
    """Leave out the broken part of what is not a step: a declared name stays known."""
    workflow = document["workflow"]
    for name, value in _FILLED.items():
        if path == ("workflow", name) or name not in workflow:
            workflow[name] = value
    if path[:1] != ("workflow",):
        document.pop(str(path[0]) if path else "", None)
    elif path[1:2] in (("inputs",), ("env",)) and len(path) > 2 and of_key:
        workflow[path[1]].pop(path[2], None)
    elif path[1:2] == ("inputs",) and len(path) > 2:
        workflow["inputs"][path[2]] = {}
    elif path[1:2] == ("env",) and len(path) > 2:
        workflow["env"][path[2]] = None
    elif len(path) > 1 and path[1] not in _FILLED:
        _lose(workflow.pop(path[1], None), lost)


def _drop(step: Any, inside: Path, lost: set[str]) -> None:
    """Leave out the key of a step that a problem is about."""
    if not isinstance(step, dict) or not inside or inside[0] in ("id", "type"):
        return
    key = inside[0]
    if key == "dependencies" and isinstance(step.get(key), list):
        judge = verdict("step-reference")
        step[key] = list(dict.fromkeys(d for d in step[key] if isinstance(d, str) and judge.is_valid(d)))
    elif key == "condition":
        step[key] = "true"
    else:
        _lose(step.pop(key, None), lost)


def _replace(document: Any, path: Path, step: Any, lost: set[str]) -> None:
    """Put a step that does nothing in the place of one that cannot be mended; its id and order stay."""
    _lose(step, lost)
    made: dict[str, Any] = {**PLACEHOLDER, "id": f"placeholder-{'-'.join(map(str, path))}"}
    if isinstance(step, dict):
        if isinstance(step.get("id"), str) and verdict("step-id").is_valid(step["id"]):
            made["id"] = step["id"]
            lost.discard(step["id"])
        if "dependencies" in step and verdict("set-step").is_valid(
            {**made, "dependencies": step["dependencies"]}
        ):
            made["dependencies"] = step["dependencies"]
    holder = document
    try:
        for part in path[:-1]:
            holder = holder[part]
        holder[path[-1]] = made
    except (KeyError, IndexError, TypeError):
        return  # what held it has been left out itself


def _lose(value: Any, lost: set[str]) -> None:
    """Remember every id in what is taken out."""
    if isinstance(value, dict):
        if isinstance(value.get("id"), str):
            lost.add(value["id"])
        for inner in value.values():
            _lose(inner, lost)
    elif isinstance(value, list):
        for inner in value:
            _lose(inner, lost)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_copy(inner) for inner in value]
    return value
