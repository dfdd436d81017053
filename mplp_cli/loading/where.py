"""Where steps stand in a file, for messages about a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mplp_cli.errors import Path, Problem
from mplp_cli.loading.load import read_document
from mplp_cli.loading.places import place
from mplp_cli.workflow import model


def step_places(source: bytes, name: str, workflow: model.Workflow, ids: Sequence[str]) -> dict[str, str]:
    """`file:line` of each of these steps."""
    wanted = set(ids)
    paths = {step: path for step, path in _steps(workflow) if step in wanted}
    _, placeable = read_document(source, name)
    found = place(
        [Problem(code="", message=step, path=path) for step, path in paths.items()], placeable, name
    )
    return {p.message: f"{name}:{p.line}" for p in found if p.line}


def _steps(workflow: model.Workflow) -> Iterator[tuple[str, Path]]:
    yield from _listed(workflow.steps, ("workflow", "steps"))
    yield from _listed(workflow.finally_, ("workflow", "finally"))


def _listed(steps: Any, path: Path) -> Iterator[tuple[str, Path]]:
    if not isinstance(steps, list):
        if steps is not None:
            yield from _one(steps, path)
        return
    for index, step in enumerate(steps):
        yield from _one(step, (*path, index))


def _one(step: model.Step, path: Path) -> Iterator[tuple[str, Path]]:
    yield step.id, path
    if isinstance(step, model.ParallelStep | model.ForeachStep | model.LoopStep):
        yield from _listed(step.steps, (*path, "steps"))
    elif isinstance(step, model.ConditionalStep):
        yield from _listed(step.then, (*path, "then"))
        yield from _listed(step.else_, (*path, "else"))
    else:
        for index, action in enumerate(step.fallback_actions or ()):
            yield from _listed(action.step, (*path, "fallback-actions", index, "step"))
