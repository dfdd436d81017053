"""What references are filled from: results and recorded facts of one run, and the secrets of this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import to_builtins

from mplp_cli.errors import UnresolvedReferenceError
from mplp_cli.workflow.references import follow
from mplp_cli.workflow.statuses import ENDED
from mplp_cli.workflow.values import Json

if TYPE_CHECKING:
    from mplp_cli.workflow.state import RunState
    from mplp_cli.workflow.templates import Look


class RunScope:
    """References of one run. `secrets` are never recorded, so they are not part of RunState."""

    def __init__(self, state: RunState, secrets: Mapping[str, str]) -> None:
        self.state = state
        self.results = state.results
        self.secrets = secrets

    def look(self, look: Look) -> Json:
        """The value of a reference that is not a step's result; UnresolvedReferenceError if there is none."""
        reference = look.reference
        if reference.scope == "step":
            return self._of_step(look.number, reference.field, reference.path)
        return follow(self._base(reference.scope), reference.path, reference.scope)

    def _base(self, scope: str) -> Json:
        state = self.state
        match scope:
            case "inputs":
                return state.inputs
            case "env":
                return state.env
            case "secrets":
                return dict(self.secrets)
            case "workflow":
                w = state.plan.workflow
                return {"id": w.id, "name": w.name, "version": w.version, "description": w.description}
            case "run":
                status = state.finalizing.status if state.finalizing is not None else state.status
                return {"id": state.run_id, "status": status, "cwd": state.cwd}
        raise UnresolvedReferenceError(f"`{scope}` stands for nothing here")

    def _of_step(self, number: int, field: str, path: tuple[str | int, ...]) -> Json:
        state = self.state
        name = f"{state.plan.steps[number].id}.{field}"
        if field == "status":
            value: Json = state.step_status[number]
        elif field == "attempts":
            value = state.attempts[number]
        else:
            failure = state.errors.get(number)
            value = None if failure is None else to_builtins(failure)
            if value is None and path:
                raise UnresolvedReferenceError(f"`{state.plan.steps[number].id}` has no error")
        return follow(value, path, name)

    def why_missing(self, number: int) -> str:
        """Why that step has no result, for people."""
        state = self.state
        name, status = state.plan.steps[number].id, state.step_status[number]
        reason = state.reasons.get(number)
        if status in ENDED:
            failure = state.errors.get(number)
            why = reason or (failure.message if failure else "")
            return f"`{name}` has no result: it is {status}{f' ({why})' if why else ''}"
        return f"`{name}` has no result yet: it is {status}"
