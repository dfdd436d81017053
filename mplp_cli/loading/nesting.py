"""Steps inside steps: walking over all of a document, and looking at one without what is in it.

The document may be anything: it is looked at before, and because, the schema says no.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mplp_cli.errors import Path
from mplp_cli.loading.schema import PLACEHOLDER


def without_steps(document: dict[str, Any]) -> dict[str, Any]:
    """The document with one placeholder for all steps of each list."""
    workflow = document.get("workflow")
    if not isinstance(workflow, dict):
        return document
    emptied: dict[str, Any] = {
        key: [PLACEHOLDER] for key in ("steps", "finally") if _nonempty_list(workflow.get(key))
    }
    handling = workflow.get("error-handling")
    if isinstance(handling, dict) and "fallback-actions" in handling:
        emptied["error-handling"] = {
            **handling,
            "fallback-actions": _emptied_actions(handling["fallback-actions"]),
        }
    return {**document, "workflow": {**workflow, **emptied}}


def _nonempty_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


def _emptied_actions(actions: Any) -> Any:
    if not isinstance(actions, list):
        return actions
    return [{**a, "step": PLACEHOLDER} if isinstance(a, dict) and "step" in a else a for a in actions]


def alone(step: Any) -> Any:
    """The step with placeholders for the steps inside it."""
    if not isinstance(step, dict):
        return step
    made = dict(step)
    if _nonempty_list(step.get("steps")):
        made["steps"] = [PLACEHOLDER]
    for branch in ("then", "else"):
        held = step.get(branch)
        if isinstance(held, dict):
            made[branch] = PLACEHOLDER
        elif _nonempty_list(held):
            made[branch] = [PLACEHOLDER]
    if "fallback-actions" in step:
        made["fallback-actions"] = _emptied_actions(step["fallback-actions"])
    return made


def every_step(workflow: Any) -> Iterator[tuple[Path, Any]]:
    """Every step of the file at any depth, with its path; containers before what is in them."""
    if not isinstance(workflow, dict):
        return
    for key in ("steps", "finally"):
        yield from _listed(workflow.get(key), ("workflow", key))
    handling = workflow.get("error-handling")
    if isinstance(handling, dict):
        yield from _in_actions(
            handling.get("fallback-actions"), ("workflow", "error-handling", "fallback-actions")
        )


def _listed(steps: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(steps, list):
        for n, step in enumerate(steps):
            yield from _one(step, (*path, n))


def _one(step: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    yield path, step
    if not isinstance(step, dict):
        return
    yield from _listed(step.get("steps"), (*path, "steps"))
    for branch in ("then", "else"):
        held = step.get(branch)
        if isinstance(held, dict):
            yield from _one(held, (*path, branch))
        else:
            yield from _listed(held, (*path, branch))
    yield from _in_actions(step.get("fallback-actions"), (*path, "fallback-actions"))


def _in_actions(actions: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(actions, list):
        for n, action in enumerate(actions):
            if isinstance(action, dict) and "step" in action:
                yield from _one(action["step"], (*path, n, "step"))
