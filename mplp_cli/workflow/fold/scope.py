"""What references are filled from: results and recorded facts of one run, and the secrets of this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from mplp_cli.errors import UnresolvedReferenceError
from mplp_cli.workflow.fold.statuses import ENDED
from mplp_cli.workflow.language.references import follow
from mplp_cli.workflow.values import Json

if TYPE_CHECKING:
    from mplp_cli.workflow.fold.growth import Item
    from mplp_cli.workflow.fold.state import RunState
    from mplp_cli.workflow.language.templates import Look
    from mplp_cli.workflow.plan import PlanStep


class RunScope:
    """References of one run. `secrets` are never recorded, so they are not part of RunState."""

    def __init__(self, state: RunState, secrets: Mapping[str, str]) -> None:
        self.state = state
        self.results: Sequence[Json] = state.results
        self.secrets = secrets

    def at(self, step: PlanStep) -> RunScope:
        """The references of that step: inside an item they mean what stands in the same item."""
        return self if step.item < 0 else ItemScope(self.state, self.secrets, step.item)

    def number(self, number: int) -> int:
        """The step that a compiled number means here."""
        return number

    def look(self, look: Look) -> Json:
        """The value of a reference that is not a step's result; UnresolvedReferenceError if there is none."""
        reference = look.reference
        if reference.scope == "step":
            return self._of_step(self.number(look.number), reference.field, reference.path)
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
            failure = state.errors.get(number) or state.mended.get(number)
            value = None if failure is None else {**(failure.details or {}), **to_builtins(failure)}
            if value is None and path:
                raise UnresolvedReferenceError(f"`{state.plan.steps[number].id}` has no error")
        return follow(value, path, name)

    def why_missing(self, number: int) -> str:
        """Why that step has no result, for people."""
        state, number = self.state, self.number(number)
        name, status = state.plan.steps[number].id, state.step_status[number]
        reason = state.reasons.get(number)
        if status in ENDED:
            failure = state.errors.get(number)
            why = reason or (failure.message if failure else "")
            return f"`{name}` has no result: it is {status}{f' ({why})' if why else ''}"
        return f"`{name}` has no result yet: it is {status}"


class ItemScope(RunScope):
    """References of the steps in one item: numbers of blueprints mean the copies in this item."""

    def __init__(self, state: RunState, secrets: Mapping[str, str], item: int) -> None:
        super().__init__(state, secrets)
        #: From the outermost item to this one.
        self._items: list[Item] = []
        while item >= 0:
            self._items.insert(0, state.items[item])
            item = self._items[0].outer
        self.results = _Results(state.results, self.number)

    def number(self, number: int) -> int:
        """The step that a compiled number means here."""
        for item in self._items:
            if item.first <= number <= item.last:
                number += item.shift
        return number

    def look(self, look: Look) -> Json:
        """The item and its index; else as outside."""
        reference = look.reference
        if reference.scope not in ("item", "index"):
            return super().look(look)
        number = look.number
        for item in self._items:
            if number == item.owner:
                value = item.index if reference.scope == "index" else item.value
                return follow(value, reference.path, reference.step or reference.scope)
            if item.first <= number <= item.last:
                number += item.shift
        raise UnresolvedReferenceError(f"`{reference}` stands for nothing here")


class _Results(Sequence[Json]):
    """Results by compiled number."""

    def __init__(self, results: list[Json], number: Callable[[int], int]) -> None:
        self._results = results
        self._number = number

    def __getitem__(self, number: Any) -> Any:
        return self._results[self._number(number)]

    def __len__(self) -> int:
        return len(self._results)
