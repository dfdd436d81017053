"""What attempts hold while they run: the `resources` of steps, and those of the workflow's defaults, as demands."""

from __future__ import annotations

from typing import Protocol

from mplp_cli.errors import Path
from mplp_cli.workflow import model
from mplp_cli.workflow.resources import KINDS, Demand, amount_of

_DEFAULTS: Path = ("workflow", "defaults", "resources")


class Report(Protocol):
    """Takes what is wrong."""

    def problem(self, code: str, message: str, path: Path, hint: str | None = None, **more: str) -> None:
        """One problem at `path`."""
        ...


class Demands:
    """The demands of one plan: equal ones are one object."""

    def __init__(self, default: model.Resources | None, report: Report) -> None:
        self._report = report
        self._made: dict[Demand, Demand] = {}
        self._default = None if default is None else self._demand(default, _DEFAULTS)

    def of(self, step: model.Step, path: Path, *, effect: bool) -> Demand | None:
        """What an attempt of the step holds; what it says itself replaces the default whole."""
        own: model.Resources | None = getattr(step, "resources", None)
        if own is None:
            takes_time = effect and not isinstance(step, model.WorkflowStep)
            return self._default if takes_time else None
        made = self._demand(own, (*path, "resources"))
        if effect or made is None:
            return made
        self._report.problem(
            "plan-resources-unused",
            f"`{step.id}` is done in no time and holds nothing: its `resources` change nothing",
            (*path, "resources"),
            "remove `resources`",
            severity="warning",
        )
        return None

    def _demand(self, stated: model.Resources, path: Path) -> Demand | None:
        """As a demand; None if it asks for nothing, or for something that is no amount, which is reported."""
        found: dict[str, int] = {}
        wrong = False
        for name, written, at in _written(stated):
            try:
                found[name] = amount_of(name, written)
            except ValueError as error:
                wrong = True
                hint = f"leave `{name}` out if it needs none" if written == 0 else _HINT
                self._report.problem("plan-amount", f"`{name}`: {error}", (*path, *at), hint)
        if wrong or not found:
            return None
        made = Demand(amounts=tuple(sorted(found.items())), strategy=stated.strategy, enforce=stated.enforce)
        return self._made.setdefault(made, made)


_HINT = "it stands as it is, without references: what a step holds is known before anything runs"


def _written(stated: model.Resources) -> list[tuple[str, int | float | str, Path]]:
    """What is stated: the kind, the amount as it is written, and where."""
    found: list[tuple[str, int | float | str, Path]] = []
    for name in KINDS:
        written = getattr(stated, name)
        if written is not None:
            found.append((name, written, (name,)))
    found += [(name, written, ("custom", name)) for name, written in stated.custom.items()]
    return found
